"""Pure: what may be traded, in the bot's own word or in what its silence means."""

from __future__ import annotations

from services.dashboard.documents import Reading, is_bot_status_fresh
from services.dashboard.tolerant import EMPTY, Row, text_of
from shared.health.judge import Judgement, Standing
from shared.models.health import TradingWord

STATES = ("ACTIVE", "REDUCING", "HALTED")


def trading_word(reading: Reading, judgement: Judgement) -> TradingWord:
    """Return the trading state and its cause.

    The bot's fresh status speaks first, then a health.json that may be believed. When both are
    silent nobody trades as far as anybody knows: HALTED, for want of supervision.
    """
    sources: list[Row] = []
    if is_bot_status_fresh(reading):
        sources.append(reading.bot_status or EMPTY)
    if judgement.standing is Standing.FRESH:
        sources.append(judgement.document or EMPTY)
    for source in sources:
        state = text_of(source, "trading_state")
        if state in STATES:
            return TradingWord(state, text_of(source, "trading_state_cause", "none"))
    return TradingWord("HALTED", "supervision")
