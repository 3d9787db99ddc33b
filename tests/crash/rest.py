"""Whether everything has come to rest: outside the bot, and by the bot's own status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from tests.crash.history import SYMBOLS
from tests.crash.person import ZERO
from tests.crash.world import World

STILL_S = 6.0
"""Market seconds without a change of the exchange's books: more than the bot takes to look."""


def read_status(path: Path) -> dict[str, object]:
    """Return bot_status.json, empty while there is none."""
    try:
        found: dict[str, object] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def why_restless(world: World, status: Path) -> str:
    """Return what is still open, empty for nothing."""
    document = read_status(status)
    if not world.is_settled_outside:
        return "a request is still under way"
    if world.still_s < STILL_S:
        return "the exchange's books have just changed"
    if world.operator.unanswered():
        return f"commands wait: {world.operator.unanswered()}"
    if document.get("unknown_outcomes") != 0:
        return f"unknown outcomes: {document.get('unknown_outcomes')}"
    if document.get("is_open") and document.get("plans") != []:
        return f"plans run: {document.get('plans')}"
    if document.get("is_open") and document.get("trading_state") != "ACTIVE":
        return f"{document.get('trading_state')}: {document.get('causes')}"
    reconcile = document.get("reconcile")
    if not isinstance(reconcile, dict) or reconcile.get("outcome") != "clean":
        return f"reconciliation: {reconcile}"
    if document.get("coverage_pct") != 100.0:
        return f"coverage: {document.get('coverage_pct')}"
    compared_at = datetime.fromisoformat(str(reconcile.get("at")))
    return _why_others_wait(world, document, compared_at)


def _why_others_wait(world: World, document: Mapping[str, object], compared_at: datetime) -> str:
    """Return what of a person's shares the bot has not taken note of."""
    traded_at = world.person.traded_at
    if traded_at is not None and compared_at <= traded_at:
        return f"a person traded at {traded_at}, compared last at {compared_at}"
    rows = document.get("external_positions")
    shown = {row["symbol"]: Decimal(row["qty"]) for row in rows} if isinstance(rows, list) else {}
    for symbol in SYMBOLS:
        if shown.get(symbol, ZERO) != world.person.held(symbol):
            return f"{symbol}: a person's {world.person.held(symbol)}, shown as {shown}"
    # What a person's own order holds can have no stop of ours.
    is_free = world.history.adopts and not world.person.waits
    if is_free and document.get("external_coverage_pct") != 100.0:
        return f"coverage of a person's shares: {document.get('external_coverage_pct')}"
    return ""
