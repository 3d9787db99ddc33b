"""What Alpaca promises of GET /v2/account/portfolio/history: parallel arrays of stamps and equity.

Points before the account had money are null or zero there, and say nothing: they are left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from shared.contracts.fields import AMOUNT_MAX, Fields, as_list
from shared.models.numbers import CENT
from shared.models.pnl import EquityPoint


def read_portfolio_history(raw: object) -> tuple[EquityPoint, ...]:
    """Return the points in the broker's order; raises SchemaDrift for arrays that do not fit."""
    fields = Fields(raw, "portfolio_history")
    stamps = as_list(fields.raw.get("timestamp"), "portfolio_history.timestamp")
    values = as_list(fields.raw.get("equity"), "portfolio_history.equity")
    if len(stamps) != len(values):
        raise fields.drift("equity", f"as many values as the {len(stamps)} timestamps")
    moments = [_moment(fields, stamp) for stamp in stamps]
    equities = [_equity(fields, value) for value in values]
    return tuple(
        EquityPoint(moment, equity)
        for moment, equity in zip(moments, equities, strict=True)
        if equity is not None
    )


def _moment(fields: Fields, stamp: object) -> datetime:
    if isinstance(stamp, bool) or not isinstance(stamp, int):
        raise fields.drift("timestamp", "seconds since 1970, whole")
    try:
        return datetime.fromtimestamp(stamp, UTC)
    except (OverflowError, OSError, ValueError):
        raise fields.drift("timestamp", "seconds since 1970 within the calendar") from None


def _equity(fields: Fields, value: object) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise fields.drift("equity", "numbers or null")
    # A float goes through its shortest text: the digits that the vendor wrote.
    equity = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not equity.is_finite() or not -AMOUNT_MAX < equity < AMOUNT_MAX:
        raise fields.drift("equity", "finite numbers of dollars")
    return equity.quantize(CENT) if equity > 0 else None
