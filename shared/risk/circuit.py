"""The circuit breakers of money: daily loss, drawdown, and bursts of errors.

The daily loss counts from the equity of the previous close, transfers taken out; the drawdown
from the highest equity seen. Either must be seen in several readings in a row before it trips:
one wrong number of the broker stops nothing (ORDER_PATH.md rule 21).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.events.types import EquitySeen, Event, HoldPlaced, LossReadingCounted
from shared.models.limits import Limits
from shared.models.trading_state import BotState, HoldKind
from shared.risk.dollars import HUGE, ZERO, DollarLimits

READINGS_TO_TRIP = 3
"""Readings in a row beyond a limit."""


@dataclass(frozen=True, slots=True)
class MoneyReading:
    """The broker's equity at one market moment."""

    equity: Decimal
    at: datetime


def day_loss(state: BotState, equity: Decimal) -> Decimal | None:
    """Return the day's loss in dollars, 0 on a winning day; None before the day is open."""
    if state.day is None or not equity.is_finite():
        return None
    return max(ZERO, -state.day.pnl(equity))


def loss_limit(state: BotState, limits: Limits) -> Decimal | None:
    """Return the day's loss limit in dollars, from its base; None before the day is open.

    The base is fixed for the day, so that the limit does not shrink with the loss itself.
    """
    if state.day is None:
        return None
    return DollarLimits.of(limits, state.day.base_equity + state.day.transfers).daily_loss


def drawdown_of(state: BotState, equity: Decimal) -> Decimal:
    """Return the fall of this equity from the peak, as a fraction."""
    peak = max(state.pnl.peak_equity or ZERO, equity)
    return (peak - equity) / peak if peak > ZERO else ZERO


def watch_money(state: BotState, reading: MoneyReading, limits: Limits) -> tuple[Event, ...]:
    """Return what a reading of the equity means: the new peak, counted readings, tripped holds.

    A reading that is no sane amount means nothing; its age is judged elsewhere.
    """
    equity, at = reading.equity, reading.at
    if not equity.is_finite() or not ZERO < equity < HUGE:
        return ()
    events: list[Event] = [EquitySeen(equity, at)]
    loss, limit = day_loss(state, equity), loss_limit(state, limits)
    fall = drawdown_of(state, equity)
    lost = loss is not None and limit is not None and loss >= limit
    fell = fall >= limits.drawdown_limit_pct
    loss_before = state.day.loss_readings if state.day is not None else 0
    readings = loss_before + 1 if lost else 0
    falls = state.pnl.drawdown_readings + 1 if fell else 0
    if (readings, falls) != (loss_before, state.pnl.drawdown_readings):
        capped = (min(readings, READINGS_TO_TRIP), min(falls, READINGS_TO_TRIP))
        events.append(LossReadingCounted(capped[0], at, capped[1]))
    if readings >= READINGS_TO_TRIP and HoldKind.DAILY_LOSS.value not in state.holds:
        reason = f"day's loss {loss} reached the limit {limit}"
        events.append(HoldPlaced(HoldKind.DAILY_LOSS, reason, at))
    if falls >= READINGS_TO_TRIP and HoldKind.DRAWDOWN.value not in state.holds:
        reason = f"drawdown {fall:.4f} of the peak reached the limit {limits.drawdown_limit_pct}"
        events.append(HoldPlaced(HoldKind.DRAWDOWN, reason, at))
    return tuple(events)


def is_error_burst(
    error_times_s: Sequence[float], now_s: float, count: int, window_s: float
) -> bool:
    """Whether at least `count` errors happened within the last `window_s` seconds.

    Times are monotonic; one from the future (a foreign clock) counts, since it hides nothing.
    """
    return sum(1 for moment in error_times_s if now_s - moment <= window_s) >= count
