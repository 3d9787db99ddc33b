"""What live orders keep back from the buying power, as running sums. Pure.

The cost of a sum does not depend on how many orders stand behind it: what an order costs is a
fixed number of dollars, or shares at the quote, and both add up. Only two kinds are looked at one
by one: orders larger than the position that they close, and pairs of an order and its replacement,
of which the dearer counts. The sums are exact, so that nothing is left when the orders are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, localcontext
from itertools import accumulate

from services.exchange_sim.account import (
    SHORT_PRICE_FACTOR,
    cost_price,
    opening_qty,
    working_limit,
)
from services.exchange_sim.ladder import Ladder
from services.exchange_sim.records import ZERO, SimOrder, SimPosition
from shared.models.orders import OrderStatus, Side

BidAsk = tuple[Decimal, Decimal]
_EXACT = Context(prec=80)
"""Digits enough for every sum of products of two numbers that a ticket may hold."""


def reservation(order: SimOrder, position: SimPosition | None, bid_ask: BidAsk) -> Decimal:
    """Return what one live order keeps back from the buying power, in dollars."""
    if not _counts(order):
        return ZERO
    return opening_qty(order, position) * cost_price(order, bid_ask)


def _counts(order: SimOrder) -> bool:
    return order.is_live and not order.inert and not (order.is_complex and order.parent_id)


class _Floors:
    """Sales at no less than a price each: what they cost where a short costs at least so much."""

    def __init__(self) -> None:
        self._ladder = Ladder()
        self._shares: dict[str, Decimal] = {}
        self._sums: tuple[list[Decimal], list[Decimal]] | None = None
        """Shares and dollars up to each rung; None until they are asked for again."""

    def put(self, order: SimOrder, price: Decimal, *, added: bool) -> None:
        rung = (price, order.seq, order.id)
        if added:
            self._ladder.add(rung)
            self._shares[order.id] = order.remaining
        else:
            self._ladder.remove(rung)
            del self._shares[order.id]
        self._sums = None

    def raised_to(self, least: Decimal) -> Decimal:
        """Return the dollars by which `least` a share exceeds the prices below it."""
        if self._sums is None:
            rungs = self._ladder.rungs
            shares = [self._shares[name] for _, _, name in rungs]
            dollars = [qty * rung[0] for qty, rung in zip(shares, rungs, strict=True)]
            self._sums = (
                list(accumulate(shares, initial=ZERO)),
                list(accumulate(dollars, initial=ZERO)),
            )
        count = self._ladder.count_below(least)
        shares_below, dollars_below = (sums[count] for sums in self._sums)
        return least * shares_below - dollars_below


class _Side:
    """The orders of one symbol and side."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._fixed = ZERO
        """Dollars of the orders that have a price of their own."""
        self._floating = ZERO
        """Shares of the others."""
        self._sizes = Ladder()
        self._floors = _Floors()
        self.orders: dict[str, SimOrder] = {}

    def put(self, order: SimOrder, *, added: bool) -> None:
        size = (order.remaining, order.seq, order.id)
        qty, price = order.remaining, working_limit(order)
        if added:
            self.orders[order.id] = order
            self._sizes.add(size)
        else:
            del self.orders[order.id]
            self._sizes.remove(size)
            qty = -qty
        if price is None:
            self._floating += qty
            return
        self._fixed += qty * price
        if self._side is Side.SELL:
            self._floors.put(order, price, added=added)

    def dollars(self, position: SimPosition | None, bid_ask: BidAsk) -> Decimal:
        if position is not None and (position.qty > 0) is not (self._side is Side.BUY):
            larger = self._sizes.above(abs(position.qty))
            orders = (self.orders[name] for _, _, name in larger)
            return sum((reservation(one, position, bid_ask) for one in orders), ZERO)
        bid, ask = bid_ask
        if self._side is Side.BUY:
            return self._fixed + self._floating * ask
        least = ask * SHORT_PRICE_FACTOR
        return self._fixed + self._floors.raised_to(least) + self._floating * max(bid, least)


class Claims:
    """Every live order's claim on the buying power."""

    def __init__(self) -> None:
        self._sides: dict[str, dict[Side, _Side]] = {}
        self._swapping: dict[str, SimOrder] = {}
        """Orders that wait for their replacement, and the replacements."""
        self._known: dict[str, SimOrder] = {}

    def put(self, order: SimOrder) -> None:
        """Take an order as it is now."""
        old = self._known.pop(order.id, None)
        self._swapping.pop(order.id, None)
        with localcontext(_EXACT):
            if old is not None:
                self._sides[old.symbol][old.side].put(old, added=False)
                self._drop_if_empty(old.symbol)
            if not _counts(order):
                return
            if _is_swapping(order):
                self._swapping[order.id] = order
                return
            sides = self._sides.setdefault(order.symbol, {side: _Side(side) for side in Side})
            sides[order.side].put(order, added=True)
            self._known[order.id] = order

    def _drop_if_empty(self, symbol: str) -> None:
        if not any(side.orders for side in self._sides[symbol].values()):
            del self._sides[symbol]

    def total(
        self,
        positions: Mapping[str, SimPosition],
        bid_ask: Callable[[str], BidAsk],
        without: str | None = None,
    ) -> Decimal:
        """Return the dollars that all orders keep back; without one of them when it is named."""
        swapping = [one for one in self._swapping.values() if one.id != without]
        symbols = {*self._sides, *(one.symbol for one in swapping)}
        quotes = {symbol: bid_ask(symbol) for symbol in symbols}
        with localcontext(_EXACT):
            total = sum(self._dearest(swapping, positions, quotes).values(), ZERO)
            for symbol, sides in self._sides.items():
                position, quote = positions.get(symbol), quotes[symbol]
                for side in sides.values():
                    if side.orders:
                        total += side.dollars(position, quote)
            left_out = self._known.get(without or "")
            if left_out is not None:
                symbol = left_out.symbol
                total -= reservation(left_out, positions.get(symbol), quotes[symbol])
        return +total

    @staticmethod
    def _dearest(
        orders: list[SimOrder],
        positions: Mapping[str, SimPosition],
        quotes: Mapping[str, BidAsk],
    ) -> dict[str, Decimal]:
        """Return the dollars of each pair, by the name of the order that is replaced."""
        dearest: dict[str, Decimal] = {}
        for order in orders:
            name = order.replaces if order.is_waiting_swap and order.replaces else order.id
            dollars = reservation(order, positions.get(order.symbol), quotes[order.symbol])
            dearest[name] = max(dearest.get(name, ZERO), dollars)
        return dearest


def _is_swapping(order: SimOrder) -> bool:
    return order.is_waiting_swap or order.status is OrderStatus.PENDING_REPLACE
