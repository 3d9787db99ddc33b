"""Which of a symbol's orders a price can wake, found without asking each of them. Pure.

What is found is never too little: matching.py has the last word on each. A limit is woken by the
quote on the other side, a waiting stop by a trade at its price, a trailing stop also by a trade
beyond its mark; what trades at any price, or now or never, is woken by every price.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum, auto

from services.exchange_sim.account import working_limit
from services.exchange_sim.ladder import Ladder, Rung
from services.exchange_sim.matching import IMMEDIATE, Point, Span, is_waiting_stop
from services.exchange_sim.records import ZERO, SimOrder
from shared.models.orders import OrderType, Side


class Wake(Enum):
    """What an order waits for; the number beside it is a price in dollars."""

    ANY = auto()
    BUY_LIMIT = auto()
    SELL_LIMIT = auto()
    BUY_STOP = auto()
    SELL_STOP = auto()
    BUY_MARK = auto()
    SELL_MARK = auto()


Trigger = tuple[Wake, Decimal]


def triggers(order: SimOrder) -> tuple[Trigger, ...]:
    """Return what wakes an order; nothing while no price may fill it."""
    if not order.can_match:
        return ()
    buys = order.side is Side.BUY
    if order.time_in_force in IMMEDIATE or order.is_auction:
        return ((Wake.ANY, ZERO),)
    if is_waiting_stop(order) and order.stop_price is not None:
        stop = (Wake.BUY_STOP if buys else Wake.SELL_STOP, order.stop_price)
        if order.type is not OrderType.TRAILING_STOP or order.hwm is None:
            return (stop,)
        return (stop, (Wake.BUY_MARK if buys else Wake.SELL_MARK, order.hwm))
    limit = working_limit(order)
    if limit is None:
        return ((Wake.ANY, ZERO),)
    return ((Wake.BUY_LIMIT if buys else Wake.SELL_LIMIT, limit),)


class WorkingOrders:
    """One symbol's orders by what they wait for; names come oldest first."""

    def __init__(self) -> None:
        self._ladders = {wake: Ladder() for wake in Wake}
        self._waiting: dict[str, tuple[Trigger, ...]] = {}

    def put(self, order: SimOrder) -> None:
        """Take an order as it is now; one that cannot be filled is left out."""
        new, old = triggers(order), self._waiting.pop(order.id, ())
        if new:
            self._waiting[order.id] = new
        if new == old:
            return
        for wake, price in old:
            self._ladders[wake].remove((price, order.seq, order.id))
        for wake, price in new:
            self._ladders[wake].add((price, order.seq, order.id))

    def at_any_price(self) -> list[str]:
        """Return the orders that every price wakes, those of auctions among them."""
        return _oldest_first(self._ladders[Wake.ANY].rungs)

    def at_point(self, point: Point) -> list[str]:
        """Return the orders that a moment's quote and last trade wake."""
        ladders = self._ladders
        return _oldest_first(
            ladders[Wake.ANY].rungs,
            ladders[Wake.BUY_LIMIT].since(point.ask),
            ladders[Wake.SELL_LIMIT].up_to(point.bid),
            *self._stops(point.last, point.last),
            *self._marks(point.last, point.last),
        )

    def stops_in(self, span: Span) -> list[str]:
        """Return the waiting stops that a minute's range touches."""
        return _oldest_first(*self._stops(span.candle.high, span.candle.low))

    def limits_in(self, span: Span) -> list[str]:
        """Return the limits that a minute's range reaches, and what every price wakes."""
        candle, half = span.candle, span.half_spread
        return _oldest_first(
            self._ladders[Wake.ANY].rungs,
            self._ladders[Wake.BUY_LIMIT].since(candle.low + half),
            self._ladders[Wake.SELL_LIMIT].up_to(candle.high - half),
        )

    def marks_in(self, span: Span) -> list[str]:
        """Return the trailing stops whose mark a minute's range moves."""
        return _oldest_first(*self._marks(span.candle.high, span.candle.low))

    def _stops(self, highest: Decimal, lowest: Decimal) -> tuple[list[Rung], list[Rung]]:
        buys, sells = self._ladders[Wake.BUY_STOP], self._ladders[Wake.SELL_STOP]
        return buys.up_to(highest), sells.since(lowest)

    def _marks(self, highest: Decimal, lowest: Decimal) -> tuple[list[Rung], list[Rung]]:
        buys, sells = self._ladders[Wake.BUY_MARK], self._ladders[Wake.SELL_MARK]
        return buys.above(lowest), sells.below(highest)


def _oldest_first(*found: Iterable[Rung]) -> list[str]:
    # A trailing stop may be found twice: by its stop and by its mark.
    names = {(seq, name) for rungs in found for _, seq, name in rungs}
    return [name for _, name in sorted(names)]
