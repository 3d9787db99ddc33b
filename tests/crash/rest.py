"""Whether everything has come to rest: outside the bot, and by the bot's own status."""

from __future__ import annotations

import json
from pathlib import Path

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
    return ""
