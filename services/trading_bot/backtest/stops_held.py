"""Whether a stop at the broker stood behind every share at every moment of a session. Pure.

Worked out anew from the broker's fills and orders alone: a stop covers what is left of its shares
from the moment at which it is live until it ends.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from services.trading_bot.backtest.audit import Booking

ZERO = Decimal(0)
_MINUTE = timedelta(minutes=1)
BARE_MINUTES_MAX = 1
"""In lock-step the bot is asked once a minute: what a fill leaves bare is covered at its end."""


@dataclass(frozen=True, slots=True)
class StopSpan:
    """One stop at the broker and when it was live; `until` is None while it still is."""

    symbol: str
    order_id: str
    qty: Decimal
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class _Stretch:
    """How many shares no stop stood behind, from when to when."""

    shares: Decimal
    since: datetime
    until: datetime


def bare_stretches(
    bookings: Sequence[Booking], spans: Sequence[StopSpan], minutes: Sequence[datetime]
) -> tuple[str, ...]:
    """Return in sentences when shares stood bare for longer than one minute of a session.

    `minutes` are the beginnings of the sessions' minutes, sorted.
    """
    said = []
    for symbol in sorted({booking.symbol for booking in bookings if booking.symbol}):
        own = [booking for booking in bookings if booking.symbol == symbol]
        stops = [span for span in spans if span.symbol == symbol]
        for bare in _bare(own, stops, minutes[-1] + _MINUTE if minutes else None):
            begin = bisect.bisect_left(minutes, bare.since)
            count = bisect.bisect_left(minutes, bare.until) - begin
            if count > BARE_MINUTES_MAX:
                words = f"{symbol}: {bare.shares:f} shares without a stop from {bare.since}"
                said.append(f"{words} for {count} minutes of a session")
    return tuple(said)


def _bare(
    bookings: Sequence[Booking], stops: Sequence[StopSpan], end: datetime | None
) -> Iterator[_Stretch]:
    changes = _changes(bookings, stops)
    bare, since, most = ZERO, None, ZERO
    for moment in sorted(changes):
        bare += changes[moment]
        if bare > 0:
            since, most = since or moment, max(most, bare)
        elif since is not None:
            yield _Stretch(most, since, moment)
            since, most = None, ZERO
    if since is not None and end is not None:
        yield _Stretch(most, since, max(since, end))


def _changes(bookings: Sequence[Booking], stops: Sequence[StopSpan]) -> dict[datetime, Decimal]:
    """Return by how many the bare shares change, and when; a stop that fills changes nothing."""
    changes: dict[datetime, Decimal] = defaultdict(Decimal)
    left = {stop.order_id: stop.qty for stop in stops}
    for booking in bookings:
        if booking.order_id in left:
            left[booking.order_id] += booking.shares
        else:
            changes[datetime.fromisoformat(booking.at)] += booking.shares
    for stop in stops:
        changes[stop.since] -= stop.qty
        if stop.until is not None:
            changes[stop.until] += left[stop.order_id]
    return changes
