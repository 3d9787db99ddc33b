"""The order desk: accepts and cancels; replacing is in amending.py.

An accepted request answers at once (`pending_new`, 204) and is carried out by settling.py, as at
the real broker, where `canceled` comes after the 204.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.exchange_sim import groups
from services.exchange_sim.account import Worth, worth_of
from services.exchange_sim.admission import Standing, check_admission, too_few
from services.exchange_sim.books import Books
from services.exchange_sim.drafting import Moment, draft, draft_legs
from services.exchange_sim.hours import takes_auction_order
from services.exchange_sim.order_rules import check_form, check_stop_loss, check_stop_side
from services.exchange_sim.records import ZERO, LegRole, Refusal, SimOrder
from services.exchange_sim.tape import Tape
from services.exchange_sim.ticket import BAD_FORM, UNPROCESSABLE, Ticket, bad_form, bad_order
from shared.models.orders import (
    OrderClass,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

NOT_FOUND = 404
NOT_FOUND_CODE = 40410000
_QTY_DIGITS = Decimal("0.000000001")


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
        order = self._books.find(order_id)
        if order is None:
            raise not_found(f"order not found for {order_id}")
        return order

    def worth(self, now: datetime, without: str | None = None) -> Worth:
        """Return the account's numbers; without the reservation of one order."""
        books = self._books
        prices = {
            symbol: price
            for symbol in books.positions
            if (price := self._tape.last(symbol, now)) is not None
        }
        multiplier = books.account.configuration.max_margin_multiplier
        reserved = books.open.claims.total(
            books.positions, lambda symbol: self._bid_ask(symbol, now), without
        )
        return worth_of(books.account.cash, books.positions.values(), prices, reserved, multiplier)

    def standing(self, order: SimOrder, moment: Moment, without: str | None = None) -> Standing:
        """Return what an order is judged by."""
        books = self._books
        position = books.positions.get(order.symbol)
        return Standing(
            configuration=books.account.configuration,
            position=position,
            free=ZERO if position is None else abs(books.available(position, without)),
            rivals=[books.orders[name] for name in books.open.rivals(order)],
            worth=self.worth(moment.at, without),
            bid_ask=self._opening_prices(order.symbol, moment),
            switches=books.switches,
        )

    def _opening_prices(self, symbol: str, moment: Moment) -> tuple[Decimal, Decimal]:
        """Return what a new order is reckoned at when it sells and when it buys: the quote, its
        middle in extended hours, the last trade while everything is closed (Alpaca's documents).
        """
        if moment.is_open:
            return self._bid_ask(symbol, moment.at)
        point = self._tape.point(symbol, moment.at)
        if point is None:
            return (ZERO, ZERO)
        middle = (point.bid + point.ask) / 2 if point.bid and point.ask else point.last
        price = middle if moment.is_extended else point.last
        return (price, price)

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
        self._check_hours(ticket, moment)
        current = self.current_price(ticket.symbol, moment.at)
        self._check_prices(ticket, current)
        order = draft(self._books, ticket, moment, self._far_side(ticket, moment, current))
        if order.hwm is not None and order.stop_price is not None:
            check_stop_side(order.side, order.stop_price, current)
        # Judged before a seq or a second name is drawn: a refusal leaves no trace.
        check_admission(order, self.standing(order, moment))
        order = replace(order, seq=self._books.next_order_seq())
        self._books.put(order)
        for leg in draft_legs(self._books, ticket, order):
            self._books.put(leg)
        if order.status is OrderStatus.ACCEPTED:
            self._books.announce("accepted", order)
        return order

    def check_client_id(self, client_order_id: str | None) -> None:
        """Refuse an id that any order of the account ever had."""
        if client_order_id is not None and self._books.find_client_id(client_order_id):
            raise Refusal(UNPROCESSABLE, BAD_FORM, "client_order_id must be unique")

    def _check_hours(self, ticket: Ticket, moment: Moment) -> None:
        tif = ticket.time_in_force
        gtc = tif is TimeInForce.GTC
        if ticket.extended_hours and gtc and not self._books.switches.gtc_extended_hours:
            raise bad_order("extended hours order must be DAY limit orders")
        if not takes_auction_order(tif, moment.at):
            raise bad_order(f"{tif.value} orders are not accepted at this time of the day")

    def _far_side(self, ticket: Ticket, moment: Moment, current: Decimal) -> Decimal:
        """Return what one share of an order without a price is reckoned at."""
        if ticket.type is OrderType.TRAILING_STOP:
            return current
        bid, ask = self._opening_prices(ticket.symbol, moment)
        return (ask if ticket.side is Side.BUY else bid) or current

    @staticmethod
    def _check_prices(ticket: Ticket, current: Decimal) -> None:
        if ticket.order_class is not OrderClass.SIMPLE:
            check_stop_loss(ticket, current)
        elif ticket.stop_price is not None:
            check_stop_side(ticket.side, ticket.stop_price, current)

    def close_position(self, symbol: str, qty: Decimal | None, moment: Moment) -> SimOrder:
        """Send the market order that closes a position, or `qty` shares of it."""
        position = self._books.positions.get(symbol)
        if position is None:
            raise not_found("position does not exist")
        wanted = abs(position.qty) if qty is None else qty.quantize(_QTY_DIGITS)
        if wanted <= 0:
            raise bad_form("qty must be > 0")
        if wanted > abs(position.qty):
            raise too_few(wanted, position, abs(self._books.available(position)))
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
        return self._books.put(
            replace(order, status=OrderStatus.PENDING_CANCEL, updated_at=moment, asked_at=moment)
        )

    def activate(self, order: SimOrder, at: datetime) -> SimOrder:
        """Make an accepted order work. Its legs count as submitted with it, behind it in lists; the
        stop beside an OCO's target works with it.
        """
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
        for child in groups.nested_children(self._books, order):
            if not child.is_live:
                continue
            sent = replace(child, submitted_at=moment)
            if order.role is LegRole.TARGET:
                sent = replace(sent, working_since=at, updated_at=moment)
            self._books.put(sent)
        return order
