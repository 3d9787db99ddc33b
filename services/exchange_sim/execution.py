"""Carries the verdicts of matching into the books, groups included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from services.exchange_sim import groups
from services.exchange_sim.account import tradable_qty
from services.exchange_sim.books import Books
from services.exchange_sim.matching import (
    Match,
    Point,
    Span,
    Step,
    match_auction,
    match_limit_in_span,
    match_point,
    match_stop_in_span,
)
from services.exchange_sim.naming import seeded_fraction
from services.exchange_sim.records import ZERO, SimOrder
from services.exchange_sim.trailing import marked
from services.exchange_sim.triggers import WorkingOrders
from shared.models.orders import OrderStatus, Side, TimeInForce

_ONE = Decimal(1)
_QTY_DIGITS = Decimal("0.000000001")


def notional_qty(dollars: Decimal, price: Decimal) -> Decimal:
    """Return the shares that an amount buys at a price, to nine decimals, rounded down."""
    return (dollars / price).quantize(_QTY_DIGITS, ROUND_DOWN)


class Execution:
    """Matches one symbol's live orders against a point or a span of the market."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def at_point(self, symbol: str, point: Point, at: datetime) -> None:
        """Match every working order of the symbol at one moment."""
        for name in self._since(at, self._working(symbol).at_point(point)):
            self.one_at_point(name, point, at)

    def one_at_point(self, order_id: str, point: Point, at: datetime) -> None:
        """Match a single order, unless nothing of the kind trades now."""
        order = self._books.orders[order_id]
        if not self._trades(order):
            return
        if order.time_in_force is TimeInForce.OPG:
            self._carry_out(order, match_auction(order, point.last), at)
        elif order.time_in_force is not TimeInForce.CLS:
            order = self._mark(order, point.last, at)
            self._carry_out(order, match_point(order, point), at)

    def at_close(self, symbol: str, price: Decimal, at: datetime) -> None:
        """Match the orders of the closing auction at its one price."""
        for name in self._since(at, self._working(symbol).at_any_price()):
            order = self._books.orders[name]
            if order.time_in_force is TimeInForce.CLS and self._trades(order):
                self._carry_out(order, match_auction(order, price), at)

    def in_span(self, span: Span, at: datetime) -> None:
        """Match what worked through the whole minute: stops first, then limits, then the
        stops of what was entered within the minute (the price went on to its extreme).
        """
        symbol, begun = span.candle.symbol, span.candle.start
        for name in self._since(begun, self._working(symbol).stops_in(span)):
            order = self._books.orders[name]
            if self._trades(order):
                self._carry_out(order, match_stop_in_span(order, span), at)
        for name in self._since(begun, self._working(symbol).limits_in(span)):
            order = self._books.orders[name]
            if self._trades(order) and not order.is_auction:
                self._carry_out(order, match_limit_in_span(order, span), at)
        for name in self._working(symbol).stops_in(span):
            order = self._books.orders[name]
            fresh = order.working_since is not None and order.working_since >= at
            if fresh and self._trades(order):
                self._carry_out(order, match_stop_in_span(order, span), at)
        # Nobody knows whether the extreme came before the touch: the mark moves last.
        for name in self._since(begun, self._working(symbol).marks_in(span)):
            order = self._books.orders[name]
            if self._trades(order):
                best = span.candle.high if order.side is Side.SELL else span.candle.low
                self._mark(order, best, at)

    def _trades(self, order: SimOrder) -> bool:
        open_to_it = self._books.account.session_open or order.extended_hours
        return order.can_match and open_to_it and order.symbol not in self._books.switches.halted

    def _working(self, symbol: str) -> WorkingOrders:
        return self._books.open.working(symbol)

    def _since(self, moment: datetime, names: Iterable[str]) -> list[str]:
        """Return those that have worked since that moment or longer."""
        orders = [self._books.orders[name] for name in names]
        return [one.id for one in orders if one.working_since and one.working_since <= moment]

    def _mark(self, order: SimOrder, price: Decimal, at: datetime) -> SimOrder:
        moved = marked(order, price)
        if moved is order:
            return order
        return self._books.put(replace(moved, updated_at=self._books.stamp(at)))

    def _carry_out(self, order: SimOrder, match: Match, at: datetime) -> None:
        if match.step is Step.FILL and match.price is not None:
            self._fill(order, match.price, at)
        elif match.step is Step.ELECT:
            self._books.put(replace(order, triggered=True, updated_at=self._books.stamp(at)))
        elif match.step is Step.CANCEL:
            groups.end_with_group(self._books, order, OrderStatus.CANCELED, at)

    def _fill(self, order: SimOrder, price: Decimal, at: datetime) -> None:
        if order.notional is not None:
            order = self._books.put(replace(order, qty=self._sized(order, price)))
        tradable = self._tradable(order)
        kills = order.time_in_force is TimeInForce.FOK and tradable < order.remaining
        if kills or tradable <= 0:
            groups.end_with_group(self._books, order, OrderStatus.CANCELED, at)
            return
        filled = self._books.fill(order.id, min(tradable, self._fill_qty(order)), price, at)
        if order.status is OrderStatus.PENDING_CANCEL and not filled.is_live:
            self._books.announce("order_cancel_rejected", filled)
        groups.after_fill(self._books, filled, at)
        if filled.is_live and filled.time_in_force is TimeInForce.IOC:
            groups.end_with_group(self._books, filled, OrderStatus.CANCELED, at)

    def _tradable(self, order: SimOrder) -> Decimal:
        books = self._books
        forbidden = books.account.configuration.no_shorting
        return tradable_qty(order, books.positions.get(order.symbol), no_shorting=forbidden)

    def _sized(self, order: SimOrder, price: Decimal) -> Decimal:
        """Return the shares that a notional order trades at a price; a sell takes no shares that
        other orders hold, and never opens a short.
        """
        qty = notional_qty(order.notional or ZERO, price)
        if order.side is Side.BUY:
            return qty
        position = self._books.positions.get(order.symbol)
        if position is None or position.qty < 0:
            return ZERO
        free = self._books.available(position)
        return min(qty, position.qty, order.qty + free)

    def _fill_qty(self, order: SimOrder) -> Decimal:
        left = order.remaining
        rate = self._books.switches.partial_fill_rate
        whole_only = order.time_in_force is TimeInForce.FOK or order.notional is not None
        if rate <= 0 or left <= _ONE or whole_only:
            return left
        if seeded_fraction("partial", order.id, order.filled_qty) >= rate:
            return left
        share = Decimal(seeded_fraction("share", order.id, order.filled_qty))
        return max(_ONE, (left * share).to_integral_value(ROUND_DOWN))
