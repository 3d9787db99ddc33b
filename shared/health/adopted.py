"""What the bot's beat tells of external shares that it was told to protect. Standard library only.

The two numbers stand in health.json only while ADOPT_EXTERNAL is set: where it is not, external
shares are shown and counted, and nobody promised them a stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNCOVERED, COVERAGE_PCT = "external_uncovered", "external_coverage_pct"
"""Names of the bot's metrics."""
BOT = "trading-bot"


def adopted_uncovered(document: Mapping[str, Any]) -> int | None:
    """Return how many adopted positions lack a stop for every share; None when nothing is adopted
    or the bot does not say.
    """
    value = _metrics(document).get(UNCOVERED)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        return None
    return int(value)


def adopted_words(document: Mapping[str, Any]) -> str:
    """Return the sentence that people read of it; empty when there is nothing to say."""
    count = adopted_uncovered(document)
    if not count:
        return ""
    positions = "position lacks" if count == 1 else "positions lack"
    covered = _metrics(document).get(COVERAGE_PCT)
    is_said = isinstance(covered, int | float) and not isinstance(covered, bool)
    share = f" ({covered:g} % covered)" if is_said else ""
    return f"{count} adopted external {positions} a stop for every share{share}"


def _metrics(document: Mapping[str, Any]) -> Mapping[str, Any]:
    services = document.get("services")
    entry = services.get(BOT) if isinstance(services, Mapping) else None
    metrics = entry.get("metrics") if isinstance(entry, Mapping) else None
    return metrics if isinstance(metrics, Mapping) else {}
