"""What a backtest is judged by. Pure; each formula stands in its docstring."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.trading_bot.report import EquityPoint
from shared.models.trading_day import trading_day

DAYS_PER_YEAR = 252
RETURNS_MIN = 2
ZERO = Decimal(0)
TARGET_ROLE = "target"
"""A resting limit waits for the other side to come: it pays no spread."""


@dataclass(frozen=True, slots=True)
class CostedFill:
    """A fill as the cost of trading sees it; price in dollars."""

    symbol: str
    at: datetime
    qty: Decimal
    price: Decimal
    role: str


HalfSpread = Callable[[CostedFill], Decimal]
"""Half of what lay between bid and ask at a fill, in dollars per share."""


def daily_closes(points: Iterable[EquityPoint]) -> tuple[EquityPoint, ...]:
    """Return the last point of each New York day, oldest first."""
    last: dict[object, EquityPoint] = {}
    for point in points:
        last[trading_day(datetime.fromisoformat(point.at))] = point
    return tuple(last.values())


def daily_returns(start: Decimal, closes: Sequence[EquityPoint]) -> tuple[float, ...]:
    """Return equity over that of the day before, less 1; the first day counts from `start`."""
    returns = []
    before = start
    for point in closes:
        if before > 0:
            returns.append(float(point.equity / before) - 1.0)
        before = point.equity
    return tuple(returns)


def sharpe(returns: Sequence[float]) -> float | None:
    """Return mean / standard deviation (n - 1) of the daily returns, times the root of 252.

    The rate without risk is taken as 0. None below two days or without any deviation: a ratio of
    few days means little, and the report says of how many it is made.
    """
    if len(returns) < RETURNS_MIN:
        return None
    deviation = statistics.stdev(returns)
    if deviation == 0 or not math.isfinite(deviation):
        return None
    return statistics.fmean(returns) / deviation * math.sqrt(DAYS_PER_YEAR)


def win_rate(wins: int, losses: int) -> float | None:
    """Return the won share of the trades that were won or lost; None before the first."""
    return wins / (wins + losses) if wins + losses else None


def spread_paid(fills: Iterable[CostedFill], half_spread: HalfSpread) -> Decimal:
    """Return half the spread on each share that took the other side's price, in dollars.

    Entries, exits and stops take; a target that rested at its limit does not.
    """
    return sum(
        (fill.qty * half_spread(fill) for fill in fills if fill.role != TARGET_ROLE),
        ZERO,
    )


def turnover(fills: Iterable[CostedFill]) -> Decimal:
    """Return the value of all that was bought and sold, in dollars."""
    return sum((fill.qty * fill.price for fill in fills), ZERO)


def drawdown_curve(points: Sequence[EquityPoint]) -> tuple[float, ...]:
    """Return at each point how far equity stands below its highest so far, 0 to 1."""
    peak = ZERO
    curve = []
    for point in points:
        peak = max(peak, point.equity)
        curve.append(float((peak - point.equity) / peak) if peak > 0 else 0.0)
    return tuple(curve)
