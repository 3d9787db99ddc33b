"""Bounds of the numbers that are shown and compared: NaN and infinity never travel. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from shared.models.portfolio import Position

DELTA_PCT_MAX = Decimal(100)
PNL_PCT_MAX = Decimal(1_000)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class PortfolioDelta:
    """Signed market value of all positions in percent of equity, and how many said nothing."""

    pct: Decimal
    skipped: int


def clamped(value: Decimal, least: Decimal, most: Decimal) -> Decimal | None:
    """Return the value within its bounds; None when it is NaN or infinite."""
    return max(least, min(most, value)) if value.is_finite() else None


def portfolio_delta_pct(
    positions: Iterable[Position], equity: Decimal | None
) -> PortfolioDelta | None:
    """Return the delta within -100..100; 0 without positions, None without equity above 0. A
    position that cannot be read is skipped and counted, the others go on.
    """
    if equity is None or not equity.is_finite() or equity <= 0:
        return None
    value, skipped = Decimal(0), 0
    for position in positions:
        try:
            worth = position.market_value
            is_sound = worth.is_finite()
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            is_sound = False
        if is_sound:
            value += worth
        else:
            skipped += 1
    pct = clamped(value / equity * _HUNDRED, -DELTA_PCT_MAX, DELTA_PCT_MAX)
    return PortfolioDelta(pct if pct is not None else Decimal(0), skipped)


def shown_price(current: Decimal | None, entry: Decimal) -> Decimal:
    """Return the current price, the entry price in its place when it is no price. For display
    only: an order never goes by it.
    """
    return current if current is not None and current.is_finite() and current > 0 else entry


def pnl_pct(entry: Decimal, current: Decimal | None, *, is_short: bool = False) -> Decimal:
    """Return profit or loss in percent of the entry, within -1,000..1,000; 0 when the entry is no
    price or the current price is unknown. For display only.
    """
    if not entry.is_finite() or entry <= 0:
        return Decimal(0)
    change = (shown_price(current, entry) - entry) / entry * _HUNDRED
    pct = clamped(-change if is_short else change, -PNL_PCT_MAX, PNL_PCT_MAX)
    return pct if pct is not None else Decimal(0)
