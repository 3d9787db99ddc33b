"""The order desk: accepts, cancels and carries out requests; replacing is in amending.py.

An accepted request answers at once (`pending_new`, 204) and is carried out by `settle`, as at
the real broker, where `canceled` comes after the 204.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.exchange_sim import groups
from services.exchange_sim.account import Worth, worth_of
from services.exchange_sim.admission import Standing, check_admission, plain, refused, reservation
from services.exchange_sim.books import Books
from services.exchange_sim.order_rules import check_form, check_stop_loss, check_stop_side
from services.exchange_sim.records import ZERO, LegRole, Refusal, SimOrder
from services.exchange_sim.tape import Tape
from services.exchange_sim.ticket import BAD_FORM, UNPROCESSABLE, Ticket, bad_order
from shared.models.orders import (
    OrderClass,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

NOT_FOUND = 404
NOT_FOUND_CODE = 40410000
GTC_LIFE = timedelta(days=90)
_QTY_DIGITS = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a request is handled."""

    at: datetime
    is_open: bool
    session_close: datetime
    """Close of the running session, or of the next one while closed."""


def not_found(message: str) -> Refusal:
    """Return the 404 of orders and positions."""
    return Refusal(NOT_FOUND, NOT_FOUND_CODE, message)


class Desk:
    """Handles order requests on the books."""

    def __init__(self, books: Books, tape: Tape, symbols: frozenset[str]) -> None:
        self._books = books
        self._tape = tape
        self._symbols = symbols

    # --- reading

    def order(self, order_id: str) -> SimOrder:
        """Return an order; 404 when there is none of that id."""
        order = self._books.orders.get(order_id)
        if order is None:
            raise not_found(f"order not found for {order_id}")
        return order

    def worth(self, now: datetime, without: str | None = None) -> Worth:
        """Return the account's numbers; without the reservation of one order."""
        books = self._books
        reserved = ZERO
        for order in books.live_orders():
            if order.id != without:
                position = books.positions.get(order.symbol)
                reserved += reservation(order, position, self._bid_ask(order.symbol, now))
        prices = {
            symbol: price
            for symbol in books.positions
            if (price := self._tape.last(symbol, now)) is not None
        }
        multiplier = books.account.configuration.max_margin_multiplier
        return worth_of(books.account.cash, books.positions.values(), prices, reserved, multiplier)

    def standing(self, order: SimOrder, now: datetime, without: str | None = None) -> Standing:
        """Return what an order is judged by."""
        books = self._books
        others = [one for one in books.live_orders(order.symbol) if one.id != without]
        return Standing(
            configuration=books.account.configuration,
            position=books.positions.get(order.symbol),
            symbol_orders=others,
            worth=self.worth(now, without),
            bid_ask=self._bid_ask(order.symbol, now),
        )

    def _bid_ask(self, symbol: str, now: datetime) -> tuple[Decimal, Decimal]:
        return self._tape.bid_ask(symbol, now) or (ZERO, ZERO)

    def current_price(self, symbol: str, now: datetime) -> Decimal:
        """Return the last price; refuses a symbol that has none yet."""
        price = self._tape.last(symbol, now)
        if price is None:
            raise bad_order(f"asset {symbol} has no price yet")
        return price

    # --- requests

    def submit(self, ticket: Ticket, moment: Moment) -> SimOrder:
        """Accept an order with its legs; raises Refusal."""
        check_form(ticket)
        if ticket.symbol not in self._symbols:
            raise bad_order(f'asset "{ticket.symbol}" not found')
        self.check_client_id(ticket.client_order_id)
        self._check_prices(ticket, moment)
        order = self._main_order(ticket, moment)
        # Judged before a seq or a second name is drawn: a refusal leaves no trace.
        check_admission(order, self.standing(order, moment.at))
        order = replace(order, seq=self._books.next_order_seq())
        self._books.put(order)
        for leg in self._legs(ticket, order):
            self._books.put(leg)
        if order.status is OrderStatus.ACCEPTED:
            self._books.announce("accepted", order)
        return order

    def check_client_id(self, client_order_id: str | None) -> None:
        """Refuse an id that any order of the account ever had."""
        if client_order_id is not None and client_order_id in self._books.client_ids:
            raise Refusal(UNPROCESSABLE, BAD_FORM, "client_order_id must be unique")

    def _check_prices(self, ticket: Ticket, moment: Moment) -> None:
        current = self.current_price(ticket.symbol, moment.at)
        if ticket.order_class is not OrderClass.SIMPLE:
            check_stop_loss(ticket, current)
        elif ticket.stop_price is not None:
            check_stop_side(ticket.side, ticket.stop_price, current)

    def _main_order(self, ticket: Ticket, moment: Moment) -> SimOrder:
        at = self._books.stamp(moment.at)
        name = self._books.new_name()
        exits = ticket.order_class is OrderClass.OCO
        role = LegRole.SINGLE
        if ticket.order_class is not OrderClass.SIMPLE:
            role = LegRole.TARGET if exits else LegRole.ENTRY
        gtc = ticket.time_in_force is TimeInForce.GTC
        return SimOrder(
            id=name,
            client_order_id=ticket.client_order_id or self._books.new_name(),
            seq=0,
            symbol=ticket.symbol,
            side=ticket.side,
            qty=ticket.qty,
            type=ticket.type,
            order_class=ticket.order_class,
            time_in_force=ticket.time_in_force,
            status=OrderStatus.PENDING_NEW if moment.is_open else OrderStatus.ACCEPTED,
            created_at=at,
            submitted_at=at,
            updated_at=at,
            role=role,
            group_id=None if role is LegRole.SINGLE else name,
            limit_price=ticket.take_profit if exits else ticket.limit_price,
            stop_price=ticket.stop_price,
            extended_hours=ticket.extended_hours,
            position_intent=self._intent(ticket),
            expires_at=moment.at + GTC_LIFE if gtc else moment.session_close,
        )

    def _intent(self, ticket: Ticket) -> str:
        position = self._books.positions.get(ticket.symbol)
        buys = ticket.side is Side.BUY
        closes = position is not None and (position.qty > 0) is not buys
        return f"{ticket.side.value}_to_{'close' if closes else 'open'}"

    def _legs(self, ticket: Ticket, parent: SimOrder) -> list[SimOrder]:
        exits = ticket.order_class is OrderClass.OCO
        legs = []
        if ticket.take_profit is not None and not exits:
            legs.append(self._leg(parent, LegRole.TARGET, (ticket.take_profit, None)))
        if ticket.stop_loss is not None:
            prices = (ticket.stop_loss_limit, ticket.stop_loss)
            legs.append(self._leg(parent, LegRole.STOP, prices))
        return legs

    def _leg(
        self, parent: SimOrder, role: LegRole, prices: tuple[Decimal | None, Decimal | None]
    ) -> SimOrder:
        limit, stop = prices
        of_entry = parent.role is LegRole.ENTRY
        kind = OrderType.LIMIT
        if role is LegRole.STOP:
            kind = OrderType.STOP_LIMIT if limit is not None else OrderType.STOP
        side = parent.side.opposite if of_entry else parent.side
        return replace(
            parent,
            id=self._books.new_name(),
            client_order_id=self._books.new_name(),
            seq=self._books.next_order_seq(),
            side=side,
            type=kind,
            status=OrderStatus.HELD,
            role=role,
            parent_id=parent.id,
            inert=of_entry,
            limit_price=limit,
            stop_price=stop,
            position_intent=f"{side.value}_to_close",
        )

    def close_position(self, symbol: str, qty: Decimal | None, moment: Moment) -> SimOrder:
        """Send the market order that closes a position, or `qty` shares of it."""
        position = self._books.positions.get(symbol)
        if position is None:
            raise not_found("position does not exist")
        wanted = abs(position.qty) if qty is None else qty.quantize(_QTY_DIGITS)
        if wanted > abs(position.qty):
            raise refused(
                f"insufficient qty available for order (requested: {plain(wanted)}, "
                f"available: {plain(abs(position.qty))})",
                symbol=symbol,
            )
        ticket = Ticket(
            symbol=symbol,
            side=Side.SELL if position.qty > 0 else Side.BUY,
            qty=wanted,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            order_class=OrderClass.SIMPLE,
        )
        return self.submit(ticket, moment)

    def cancel(self, order_id: str, at: datetime) -> SimOrder:
        """Accept the cancellation of a live order; raises Refusal."""
        order = self.order(order_id)
        if not order.is_live:
            raise bad_order(f'order is already in "{order.status.value}" state')
        if order.status is OrderStatus.PENDING_REPLACE:
            raise bad_order("order is pending replacement and cannot be canceled now")
        if order.status is OrderStatus.PENDING_CANCEL:
            raise bad_order("order is pending cancellation already")
        moment = self._books.stamp(at)
        return self._books.put(replace(order, status=OrderStatus.PENDING_CANCEL, updated_at=moment))

    def activate(self, order: SimOrder, at: datetime) -> SimOrder:
        """Make an accepted order work, and the stop beside an OCO's target with it."""
        moment = self._books.stamp(at)
        order = self._books.put(
            replace(
                order,
                status=OrderStatus.NEW,
                working_since=at,
                submitted_at=moment,
                updated_at=moment,
            )
        )
        self._books.announce("new", order)
        if order.role is LegRole.TARGET:
            for child in groups.nested_children(self._books, order):
                if child.is_live:
                    self._books.put(replace(child, working_since=at, updated_at=moment))
        return order
