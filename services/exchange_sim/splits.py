"""Splits, pure: what one does to a position, which of a file are due, how a file is read."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from fractions import Fraction

from services.exchange_sim.account import COST_DIGITS, FillEffect, of_today
from services.exchange_sim.records import ZERO, SimPosition

HEADER = "symbol,last_date_before,split_factor_before,split_factor_after,ratio"
RATIO_MIN, RATIO_MAX = Decimal("0.0001"), Decimal(10_000)
_TERMS_MAX = 20
"""Splits are ratios of small whole numbers: 7:1, 3:2, 1:20."""
_ROUNDING = Fraction(1, 10_000)
"""Files round the ratio; within this part of it the small whole numbers are meant."""
_RATIO_DIGITS = Decimal("0.000000000001")
_SHARE_DIGITS = Decimal("0.000000001")
_CENT = Decimal("0.01")
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class FileSplit:
    """One row of splits.csv: prices jump after `last_day`'s close."""

    symbol: str
    last_day: date
    ratio: Decimal
    """New shares for one old one: 7 for 7:1, 0.05 for 1:20."""


@dataclass(frozen=True, slots=True)
class SplitEffect:
    """What a split does to one position."""

    fill: FillEffect
    """The change of position, cash and realized gains."""
    qty_change: Decimal
    """Signed shares by which the position changes before fractions are paid out."""
    fraction: Decimal = ZERO
    """Signed fraction of a new share that is paid out."""


def exact_ratio(text: str) -> Decimal:
    """Return the ratio that a rounded number means; ValueError when it is none."""
    try:
        number = Decimal(text)
        if not RATIO_MIN <= number <= RATIO_MAX:
            raise ValueError(f"ratio {text!r} lies outside {RATIO_MIN}..{RATIO_MAX}")
    except InvalidOperation:
        raise ValueError(f"ratio {text!r} is no number") from None
    given = Fraction(number)
    small = given if given >= 1 else 1 / given
    near = small.limit_denominator(_TERMS_MAX)
    if abs(near - small) > _ROUNDING * small:
        return number
    meant = near if given >= 1 else 1 / near
    exact = Decimal(meant.numerator) / Decimal(meant.denominator)
    return exact.quantize(_RATIO_DIGITS).normalize()


def read_splits(lines: Iterable[str], origin: str) -> tuple[FileSplit, ...]:
    """Return the rows of a splits file; ValueError naming file, line and mend."""
    rows = csv.DictReader(lines)
    if ",".join(rows.fieldnames or ()) != HEADER:
        raise ValueError(f"{origin}: the header must be {HEADER!r}")
    found = []
    for row in rows:
        try:
            day = date.fromisoformat(str(row["last_date_before"]))
            found.append(FileSplit(str(row["symbol"]), day, exact_ratio(str(row["ratio"]))))
        except ValueError as error:
            raise ValueError(f"{origin} line {rows.line_num}: {error}; mend the row") from None
    return tuple(found)


def split_position(position: SimPosition, ratio: Decimal, price: Decimal) -> SplitEffect:
    """Return what a split makes of a position. A forward split keeps fractions of shares, a
    reverse one pays them out at `price`, dollars for a new share.
    """
    new_qty = (position.qty * ratio).quantize(_SHARE_DIGITS, ROUND_DOWN)
    change = new_qty - position.qty
    whole = new_qty.to_integral_value(ROUND_DOWN)
    if new_qty == 0:
        return SplitEffect(FillEffect(None, ZERO, -position.cost), change)
    todays = ((position.today_qty * ratio).quantize(_SHARE_DIGITS, ROUND_DOWN), position.today_cost)
    converted = SimPosition(position.symbol, new_qty, position.cost, *todays)
    fraction = new_qty - whole
    if ratio >= _ONE or not fraction:
        return SplitEffect(FillEffect(converted, ZERO), change)
    cash = (fraction * price).quantize(_CENT)
    return SplitEffect(paid_out(converted, fraction, cash), change, fraction)


def paid_out(position: SimPosition, fraction: Decimal, cash: Decimal) -> FillEffect:
    """Return what paying `cash` dollars for a signed fraction of a position's shares does."""
    rest = position.qty - fraction
    if rest == 0:
        return FillEffect(None, cash, cash - position.cost)
    kept = (position.cost * rest / position.qty).quantize(COST_DIGITS)
    todays = of_today(position, rest)
    left = SimPosition(position.symbol, rest, kept, *todays)
    return FillEffect(left, cash, cash - (position.cost - kept))
