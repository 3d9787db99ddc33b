"""Carries the verdicts of matching into the books, groups included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from services.exchange_sim import groups
from services.exchange_sim.books import Books
from services.exchange_sim.matching import (
    Match,
    Point,
    Span,
    Step,
    match_limit_in_span,
    match_point,
    match_stop_in_span,
)
from services.exchange_sim.naming import seeded_fraction
from services.exchange_sim.records import SimOrder
from shared.models.orders import OrderStatus, TimeInForce

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class FillHabits:
    """How the venue fills beyond price: with chance `partial_rate` only a part at a time."""

    partial_rate: float = 0.0


class Execution:
    """Matches one symbol's live orders against a point or a span of the market."""

    def __init__(self, books: Books, habits: FillHabits) -> None:
        self._books = books
        self._habits = habits

    def at_point(self, symbol: str, point: Point, at: datetime) -> None:
        """Match every working order of the symbol at one moment."""
        for name in self._working(symbol, at):
            order = self._books.orders[name]
            if order.can_match:
                self._carry_out(order, match_point(order, point), at)

    def one_at_point(self, order_id: str, point: Point, at: datetime) -> None:
        """Match a single order that has just begun to work."""
        order = self._books.orders[order_id]
        if order.can_match:
            self._carry_out(order, match_point(order, point), at)

    def in_span(self, span: Span, at: datetime) -> None:
        """Match what worked through the whole minute: stops first, then limits, then the
        stops of what was entered within the minute (the price went on to its extreme).
        """
        symbol = span.candle.symbol
        through = self._working(symbol, span.candle.start)
        for name in through:
            order = self._books.orders[name]
            if order.can_match:
                self._carry_out(order, match_stop_in_span(order, span), at)
        for name in through:
            order = self._books.orders[name]
            if order.can_match:
                self._carry_out(order, match_limit_in_span(order, span), at)
        for order in self._books.live_orders(symbol):
            fresh = order.working_since is not None and order.working_since >= at
            if fresh and order.can_match:
                self._carry_out(order, match_stop_in_span(order, span), at)

    def _working(self, symbol: str, since: datetime) -> list[str]:
        return [
            order.id
            for order in self._books.live_orders(symbol)
            if order.can_match and order.working_since is not None and order.working_since <= since
        ]

    def _carry_out(self, order: SimOrder, match: Match, at: datetime) -> None:
        if match.step is Step.FILL and match.price is not None:
            self._fill(order, match.price, at)
        elif match.step is Step.ELECT:
            self._books.put(replace(order, triggered=True, updated_at=self._books.stamp(at)))
        elif match.step is Step.CANCEL:
            groups.end_with_group(self._books, order, OrderStatus.CANCELED, at)

    def _fill(self, order: SimOrder, price: Decimal, at: datetime) -> None:
        filled = self._books.fill(order.id, self._fill_qty(order), price, at)
        groups.after_fill(self._books, filled, at)
        if filled.is_live and filled.time_in_force is TimeInForce.IOC:
            groups.end_with_group(self._books, filled, OrderStatus.CANCELED, at)

    def _fill_qty(self, order: SimOrder) -> Decimal:
        left = order.remaining
        rate = self._habits.partial_rate
        if rate <= 0 or left <= _ONE or order.time_in_force is TimeInForce.FOK:
            return left
        if seeded_fraction("partial", order.id, order.filled_qty) >= rate:
            return left
        share = Decimal(seeded_fraction("share", order.id, order.filled_qty))
        return max(_ONE, (left * share).to_integral_value())
