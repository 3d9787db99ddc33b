"""How often a token may still ask, learned from the headers of every reply. Pure.

Two budgets bind: the minute's and the day's, which resets at 20:00 in New York. A poll every four
seconds alone would exceed a basic tier's day, so the pause between two rounds comes from the day.
Source of headers and limits: the vendor's documents and live replies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.models.trading_day import NEW_YORK

PAUSE_MIN_S, PAUSE_MAX_S = 5.0, 900.0
"""The longest: a raised limit is found within it."""
MINUTE_RESERVE, DAY_RESERVE = 5, 100
"""Requests left to others who use the same token: a person at a terminal, a second tool."""
_MINUTE_S = 60.0
_DAY_SHIFT = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class BudgetReading:
    """What the newest reply said; None where it said nothing."""

    day_used: int | None = None
    day_limit: int | None = None
    minute_left: int | None = None
    minute_resets_s: float = _MINUTE_S

    @property
    def day_left(self) -> int | None:
        """Requests left today."""
        if self.day_used is None or self.day_limit is None:
            return None
        return max(0, self.day_limit - self.day_used)


def read_budget(headers: Mapping[str, str], before: BudgetReading) -> BudgetReading:
    """Return the budget of a reply; what it does not say, or says oddly, stays as before."""

    def number(name: str, known: int | None) -> int | None:
        text = headers.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 16 else known

    resets_ms = number("x-uw-req-per-minute-reset", None)
    return BudgetReading(
        day_used=number("x-uw-daily-req-count", before.day_used),
        day_limit=number("x-uw-token-req-limit", before.day_limit),
        minute_left=number("x-uw-req-per-minute-remaining", before.minute_left),
        minute_resets_s=_MINUTE_S if resets_ms is None else min(_MINUTE_S, resets_ms / 1_000),
    )


def day_left_s(now: datetime) -> float:
    """Return the real seconds until the day's budget begins anew, by the wall clock."""
    local = now.astimezone(NEW_YORK) + _DAY_SHIFT
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1.0, (midnight - local).total_seconds())


def pause_s(budget: BudgetReading, calls: int, day_ends_in_s: float) -> float:
    """Return the pause before the next round of so many calls, in seconds: what is left of the
    day is spread over its rest, and a spent minute is waited out.
    """
    pause = PAUSE_MIN_S
    if budget.minute_left is not None and budget.minute_left < calls + MINUTE_RESERVE:
        pause = max(pause, budget.minute_resets_s)
    if budget.day_left is not None:
        rounds = (budget.day_left - DAY_RESERVE) // calls
        pause = max(pause, day_ends_in_s / rounds if rounds > 0 else day_ends_in_s)
    return min(PAUSE_MAX_S, math.ceil(pause * 10) / 10)
