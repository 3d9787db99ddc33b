"""Cash and profit recomputed from the broker's fills alone, cent for cent. Pure.

It shares no code with the bot's books: every fill moves cash and shares, a round trip is over
when a symbol's shares are back at zero, and its profit is the cash that it moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
CENT = Decimal("0.01")
BUY, SELL = "buy", "sell"


@dataclass(frozen=True, slots=True)
class Booking:
    """One line of the broker's activities: what it moved, in the order of time."""

    at: str
    symbol: str
    """Empty: it concerns the account as a whole, like a fee."""
    cash: Decimal
    """Signed change of cash, in dollars."""
    shares: Decimal
    """Signed change of shares."""
    is_fill: bool = True
    order_id: str = ""
    """The broker's own, of a fill."""


def fill_booking(at: str, symbol: str, side: str, qty: Decimal, price: Decimal) -> Booking:
    """Return what a fill moved; ValueError for a side that is none."""
    if side not in (BUY, SELL):
        raise ValueError(f"a fill's side must be buy or sell, not {side!r}")
    sign = 1 if side == BUY else -1
    return Booking(at, symbol, -sign * qty * price, sign * qty)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One position from its first fill to its last."""

    symbol: str
    entered_at: str
    exited_at: str
    pnl: Decimal


@dataclass(slots=True)
class _Open:
    since: str
    cash: Decimal = ZERO
    shares: Decimal = ZERO


@dataclass(slots=True)
class Recount:
    """What the fills come to."""

    cash: Decimal
    round_trips: list[RoundTrip] = field(default_factory=list)
    open_shares: dict[str, Decimal] = field(default_factory=dict)
    open_cash: dict[str, Decimal] = field(default_factory=dict)
    """Cash that open positions have moved so far; negative is what they cost."""

    @property
    def realized(self) -> Decimal:
        """Profit of the round trips that are over, in dollars."""
        return sum((trip.pnl for trip in self.round_trips), ZERO)


def recount(start_cash: Decimal, bookings: Iterable[Booking]) -> Recount:
    """Walk through the bookings, oldest first, and return what they come to."""
    result = Recount(start_cash)
    held: dict[str, _Open] = {}
    for booking in bookings:
        result.cash += booking.cash
        if not booking.symbol:
            continue
        if booking.symbol not in held and not booking.is_fill:
            continue
        position = held.setdefault(booking.symbol, _Open(booking.at))
        position.cash += booking.cash
        position.shares += booking.shares
        if position.shares == 0:
            trip = RoundTrip(booking.symbol, position.since, booking.at, position.cash)
            result.round_trips.append(trip)
            del held[booking.symbol]
    result.open_shares = {symbol: one.shares for symbol, one in sorted(held.items())}
    result.open_cash = {symbol: one.cash for symbol, one in sorted(held.items())}
    return result


@dataclass(frozen=True, slots=True)
class Claims:
    """What the bot's own books say at the end."""

    cash: Decimal
    trade_pnls: tuple[tuple[str, Decimal], ...]
    """Symbol and profit of each closed trade."""
    open_shares: dict[str, Decimal]


def disagreements(found: Recount, claims: Claims) -> tuple[str, ...]:
    """Return in sentences where books and recount differ; empty when every cent agrees."""
    said = []
    if found.cash.quantize(CENT) != claims.cash.quantize(CENT):
        said.append(f"cash: the fills come to {found.cash:.2f}, the books say {claims.cash:.2f}")
    ours = sorted((trip.symbol, trip.pnl.quantize(CENT)) for trip in found.round_trips)
    theirs = sorted((symbol, pnl.quantize(CENT)) for symbol, pnl in claims.trade_pnls)
    for symbol, pnl in _without(ours, theirs):
        said.append(f"{symbol}: the fills show a trade of {pnl}, the books do not")
    for symbol, pnl in _without(theirs, ours):
        said.append(f"{symbol}: the books show a trade of {pnl}, the fills do not")
    if found.open_shares != claims.open_shares:
        said.append(f"open: the fills leave {found.open_shares}, the books {claims.open_shares}")
    return tuple(said)


def _without(
    rows: list[tuple[str, Decimal]], others: list[tuple[str, Decimal]]
) -> list[tuple[str, Decimal]]:
    left = list(others)
    missing = []
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            missing.append(row)
    return missing
