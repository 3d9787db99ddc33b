"""From a ticket to the orders of the books: the main order and its legs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.exchange_sim.books import Books
from services.exchange_sim.execution import notional_qty
from services.exchange_sim.hours import extended_close
from services.exchange_sim.records import LegRole, SimOrder
from services.exchange_sim.ticket import Ticket, bad_form, bad_order
from services.exchange_sim.trailing import marked
from shared.models.orders import OrderClass, OrderStatus, OrderType, Side, TimeInForce

GTC_LIFE = timedelta(days=90)
"""Alpaca's aged order policy."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a request is handled."""

    at: datetime
    is_open: bool
    session_close: datetime
    """Close of the running session, or of the next one while closed."""
    is_extended: bool = False
    """Whether pre-market or after-hours run."""


def expiry(order: SimOrder, moment: Moment) -> datetime:
    """Return when an order that is accepted now comes to its end by itself."""
    if order.time_in_force is TimeInForce.GTC:
        return moment.at + GTC_LIFE
    if order.extended_hours:
        return extended_close(moment.at if moment.is_extended else moment.session_close)
    return moment.session_close


def draft(books: Books, ticket: Ticket, moment: Moment, current: Decimal) -> SimOrder:
    """Return the main order of a ticket, not in the books yet and without a `seq`; `current` is
    the price that an order without one is reckoned at.
    """
    at = books.stamp(moment.at)
    name = books.new_name()
    exits = ticket.order_class is OrderClass.OCO
    role = LegRole.SINGLE
    if ticket.order_class is not OrderClass.SIMPLE:
        role = LegRole.TARGET if exits else LegRole.ENTRY
    order = SimOrder(
        id=name,
        client_order_id=ticket.client_order_id or books.new_name(),
        seq=0,
        symbol=ticket.symbol,
        side=ticket.side,
        qty=_shares(ticket, current),
        type=ticket.type,
        order_class=ticket.order_class,
        time_in_force=ticket.time_in_force,
        status=_first_status(ticket, moment),
        created_at=at,
        submitted_at=at,
        updated_at=at,
        role=role,
        group_id=None if role is LegRole.SINGLE else name,
        limit_price=ticket.take_profit if exits else ticket.limit_price,
        stop_price=ticket.stop_price,
        notional=ticket.notional,
        trail_price=ticket.trail_price,
        trail_percent=ticket.trail_percent,
        extended_hours=ticket.extended_hours,
        position_intent=_intent(books, ticket),
    )
    return marked(replace(order, expires_at=expiry(order, moment)), current)


def _shares(ticket: Ticket, current: Decimal) -> Decimal:
    if ticket.notional is None:
        return ticket.qty
    qty = notional_qty(ticket.notional, ticket.limit_price or ticket.stop_price or current)
    if qty <= 0:
        raise bad_form("notional is too small for the price")
    return qty


def _first_status(ticket: Ticket, moment: Moment) -> OrderStatus:
    works = moment.is_open and ticket.time_in_force is not TimeInForce.OPG
    extended = moment.is_extended and ticket.extended_hours
    return OrderStatus.PENDING_NEW if works or extended else OrderStatus.ACCEPTED


def _intent(books: Books, ticket: Ticket) -> str:
    position = books.positions.get(ticket.symbol)
    buys = ticket.side is Side.BUY
    closes = position is not None and (position.qty > 0) is not buys
    intent = f"{ticket.side.value}_to_{'close' if closes else 'open'}"
    if ticket.position_intent not in ("", intent):
        raise bad_order(
            f"position intent mismatch, inferred: {intent}, specified: {ticket.position_intent}"
        )
    return intent


def draft_legs(books: Books, ticket: Ticket, parent: SimOrder) -> list[SimOrder]:
    """Return the legs of a group, with ids and client ids of their own."""
    exits = ticket.order_class is OrderClass.OCO
    legs = []
    if ticket.take_profit is not None and not exits:
        legs.append(_leg(books, parent, LegRole.TARGET, (ticket.take_profit, None)))
    if ticket.stop_loss is not None:
        prices = (ticket.stop_loss_limit, ticket.stop_loss)
        legs.append(_leg(books, parent, LegRole.STOP, prices))
    return legs


def _leg(
    books: Books,
    parent: SimOrder,
    role: LegRole,
    prices: tuple[Decimal | None, Decimal | None],
) -> SimOrder:
    limit, stop = prices
    of_entry = parent.role is LegRole.ENTRY
    kind = OrderType.LIMIT
    if role is LegRole.STOP:
        kind = OrderType.STOP_LIMIT if limit is not None else OrderType.STOP
    side = parent.side.opposite if of_entry else parent.side
    return replace(
        parent,
        id=books.new_name(),
        client_order_id=books.new_name(),
        seq=books.next_order_seq(),
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
