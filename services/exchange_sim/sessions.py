"""What a trading day's openings and closings do to the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.exchange_sim import groups
from services.exchange_sim.account import FillEffect, Worth
from services.exchange_sim.books import Books
from services.exchange_sim.desk import Desk
from services.exchange_sim.market.port import Session
from services.exchange_sim.records import ZERO, EquityDay, SimOrder
from shared.models.orders import OrderStatus, TimeInForce


def open_early(books: Books, desk: Desk, at: datetime) -> None:
    """Make the orders for extended hours that were queued overnight work from the pre-market on."""
    _end_due(books, at)
    for order in books.live_orders():
        if order.status is OrderStatus.ACCEPTED and order.extended_hours:
            desk.activate(order, at)


def close_late(books: Books, at: datetime) -> None:
    """Expire the orders that were good until the end of the after-hours."""
    _end_due(books, at)


def open_session(books: Books, desk: Desk, at: datetime) -> None:
    """Make the orders that were queued overnight work, before the first trade."""
    books.update_account(session_open=True)
    books.roll_day()
    for symbol, position in list(books.positions.items()):
        held = replace(position, today_qty=ZERO, today_cost=ZERO)
        books.book(symbol, FillEffect(held, ZERO))
    _end_due(books, at)
    for order in books.live_orders():
        if order.status is OrderStatus.ACCEPTED:
            desk.activate(order, at)


def close_session(books: Books, session: Session, worth: Worth) -> None:
    """Expire day orders and old GTC orders, and note the day's equity."""
    at = session.closes_at
    books.update_account(session_open=False)
    _end_due(books, at)
    books.close_day(EquityDay(session.day.isoformat(), at, worth.equity, worth.maintenance_margin))


def _end_due(books: Books, at: datetime) -> None:
    stuck = books.switches.stuck_cancels
    for order in books.live_orders():
        current = books.orders[order.id]
        waits = stuck and current.status is OrderStatus.PENDING_CANCEL
        if current.is_live and not waits and _is_due(books, current, at):
            status = OrderStatus.CANCELED if current.is_auction else OrderStatus.EXPIRED
            groups.end_with_group(books, current, status, at)


def _is_due(books: Books, order: SimOrder, at: datetime) -> bool:
    if order.inert or order.status is OrderStatus.ACCEPTED:
        return False  # legs follow their entry; a queued order waits for its session
    if order.expires_at is None or order.expires_at > at:
        return False
    return order.time_in_force is not TimeInForce.GTC or not groups.is_entry_open(books, order)
