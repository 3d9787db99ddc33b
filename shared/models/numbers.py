"""Checks shared by the value types: finite money, whole shares, aware time."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation

from shared.models.shown import shown

DIGITS_BEFORE_MAX, DIGITS_BEHIND_MAX = 30, 60
"""Places around the decimal point that a number of ours may need; 1e999999 would be a megabyte."""
CENT = Decimal("0.01")


def decimal_of(value: object, field: str) -> Decimal:
    """Return a finite Decimal made of a string, int or Decimal.

    Raises ValueError naming the field for floats, NaN, infinity, numbers beyond all reason and
    anything unreadable: a float has already lost the cents.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{field} must be a decimal string or Decimal, not {shown(value)}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{field} is no number: {shown(value)}") from None
    if not number.is_finite():
        raise ValueError(f"{field} must be finite, not {shown(value)}")
    if not -DIGITS_BEHIND_MAX <= number.adjusted() <= DIGITS_BEFORE_MAX:
        raise ValueError(f"{field} is beyond all reason: {shown(value)}")
    return number


def require_positive(value: Decimal, field: str) -> None:
    """Raise ValueError naming the field unless the value is finite and above zero."""
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{field} must be above 0, not {value}")


def require_not_negative(value: Decimal, field: str) -> None:
    """Raise ValueError naming the field unless the value is finite and at least zero."""
    if not value.is_finite() or value < 0:
        raise ValueError(f"{field} must be 0 or more, not {value}")


def require_utc(moment: datetime, field: str) -> None:
    """Raise ValueError naming the field unless the moment carries the UTC offset."""
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() != 0:
        raise ValueError(f"{field} must be timezone-aware UTC, not {moment!r}")


def round_to_tick(price: Decimal) -> Decimal:
    """Round to the broker's tick: two decimals from one dollar on, four below (Alpaca)."""
    tick = CENT if price >= 1 else Decimal("0.0001")
    return price.quantize(tick)
