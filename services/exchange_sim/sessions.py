"""What a session's opening and closing do to the books."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from services.exchange_sim import groups
from services.exchange_sim.books import Books
from services.exchange_sim.desk import Desk
from services.exchange_sim.market.port import Session
from services.exchange_sim.records import EquityDay, SimOrder
from shared.models.orders import OrderStatus, TimeInForce


def open_session(books: Books, desk: Desk, at: datetime) -> None:
    """Make the orders that were queued overnight work, before the first trade."""
    books.update_account(session_open=True)
    for order in books.live_orders():
        if order.status is OrderStatus.ACCEPTED:
            desk.activate(order, at)


def close_session(books: Books, session: Session, equity: Decimal) -> None:
    """Expire day orders and old GTC orders, and note the day's equity."""
    at = session.closes_at
    books.update_account(session_open=False)
    for order in books.live_orders():
        current = books.orders[order.id]
        if current.is_live and _expires(books, current, at):
            groups.end_with_group(books, current, OrderStatus.EXPIRED, at)
    books.close_day(EquityDay(day=session.day.isoformat(), at=at, equity=equity))


def _expires(books: Books, order: SimOrder, at: datetime) -> bool:
    if order.inert or order.status is OrderStatus.ACCEPTED:
        return False  # legs follow their entry; a queued order waits for its session
    old = order.expires_at is not None and order.expires_at <= at
    return order.time_in_force is TimeInForce.DAY or (
        old and not groups.is_entry_open(books, order)
    )
