"""What a row of market.db means: values and times in both directions.

Times are kept as whole microseconds since 1970 UTC, prices as the texts they came in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from shared.models.market import Quote

Value = TypeVar("Value")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def stamp_of(moment: datetime) -> int:
    """Return a moment as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(stamp: int) -> datetime:
    """Return the moment of a stamp, in UTC."""
    return _EPOCH + timedelta(microseconds=stamp)


@dataclass(frozen=True, slots=True)
class StoredQuote:
    """A quote and when it reached us, in seconds since boot; its market moment is `quote.at`."""

    quote: Quote
    received_boottime_s: float


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """What data-daemon says of a feed."""

    feed: str
    state: str
    """live, connecting, stale, down or closed (the market is)."""
    reason: str
    last_at: datetime | None
    """Market time of the newest data; None when there was none."""
    age_basis: str
    """`market`: judge the age of `last_at` by market time, never by the wall clock."""
    written_boottime_s: float = 0.0


def decoded(make: Callable[[Any], Value], row: object) -> Value | None:
    """Return what a row means, None for one that means nothing: SQLite sees no flipped bit, and a
    row that no start can read must cost itself and nothing else.
    """
    try:
        return make(row)
    except (ValueError, TypeError, ArithmeticError):
        return None
