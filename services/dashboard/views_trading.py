"""Pure: what may be traded, in the bot's own word or in what its silence means."""

from __future__ import annotations

from services.dashboard.documents import Reading, is_bot_status_fresh
from services.dashboard.tolerant import EMPTY, Row, mapping_of, text_of
from shared.health.judge import Judgement, Standing
from shared.models.health import Status, TradingWord

STATES = ("ACTIVE", "REDUCING", "HALTED")
"""From free to forbidden."""

STOPPED = TradingWord("HALTED", "operator")
SILENT = TradingWord("HALTED", "supervision")


def trading_word(reading: Reading, judgement: Judgement) -> TradingWord:
    """Return the trading state and its cause: the most restrictive of all that may be believed.

    The bot's fresh status, a health.json within its age (it knows of a bot that died since), and
    the emergency stop, whose existence is the truth. When both are silent, or the bot alone
    (it hangs, and its last word is the past), nobody trades as far as anybody knows: HALTED, for
    want of supervision.
    """
    sources: list[Row] = []
    speaks = is_bot_status_fresh(reading)
    if speaks:
        sources.append(reading.bot_status or EMPTY)
    if judgement.standing is Standing.FRESH:
        sources.append(judgement.document or EMPTY)
    words = [
        TradingWord(state, text_of(source, "trading_state_cause", "none"))
        for source in sources
        if (state := text_of(source, "trading_state")) in STATES
    ]
    if not words or not (speaks or _bot_lives(judgement)):
        words.append(SILENT)
    if reading.emergency_stop is not None:
        words.append(STOPPED)
    return max(words, key=lambda word: STATES.index(word.state))


def _bot_lives(judgement: Judgement) -> bool:
    bot = mapping_of(mapping_of(judgement.document, "services"), "trading-bot")
    return text_of(bot, "status") != Status.FAILED
