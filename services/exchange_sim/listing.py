"""Which orders and activities a list holds: status, time, symbols, nesting, pages. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.exchange_sim import groups
from services.exchange_sim.books import Books
from services.exchange_sim.records import SimFill, SimOrder
from services.exchange_sim.wire import activity_id
from shared.models.orders import OrderStatus, Side

ORDERS_MAX = 500
ORDERS_DEFAULT = 50
ACTIVITIES_MAX = 100


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """GET /v2/orders."""

    status: str = "open"
    limit: int = ORDERS_DEFAULT
    after: datetime | None = None
    until: datetime | None = None
    ascending: bool = False
    nested: bool = False
    symbols: frozenset[str] = frozenset()
    side: Side | None = None
    after_seq: int | None = None
    before_seq: int | None = None


def _has_status(order: SimOrder, status: str) -> bool:
    if status == "all":
        return True
    if status == "closed":
        return not order.is_live
    return order.is_live and order.status is not OrderStatus.HELD


def list_orders(books: Books, query: OrderQuery) -> list[SimOrder]:
    """Return the orders of the list, sorted; nested legs stand under their parents only."""
    pool: Iterable[SimOrder] = (
        books.live_orders() if query.status == "open" else books.orders.values()
    )
    found = [order for order in pool if _matches(books, order, query)]
    found.sort(key=lambda order: order.seq, reverse=not query.ascending)
    return found[: query.limit]


def _matches(books: Books, order: SimOrder, query: OrderQuery) -> bool:
    return (
        _has_status(order, query.status)
        and (query.after is None or order.submitted_at > query.after)
        and (query.until is None or order.submitted_at < query.until)
        and (query.after_seq is None or order.seq > query.after_seq)
        and (query.before_seq is None or order.seq < query.before_seq)
        and (not query.symbols or order.symbol in query.symbols)
        and (query.side is None or order.side is query.side)
        and not (query.nested and groups.is_nested(books, order))
    )


@dataclass(frozen=True, slots=True)
class ActivityQuery:
    """GET /v2/account/activities: fills only, since this exchange knows no other kind."""

    after: datetime | None = None
    until: datetime | None = None
    ascending: bool = False
    page_size: int = ACTIVITIES_MAX
    page_token: str | None = None


def list_activities(fills: list[SimFill], query: ActivityQuery) -> list[SimFill]:
    """Return one page of fills, after the one whose id the token names."""
    found = [
        fill
        for fill in fills
        if (query.after is None or fill.at > query.after)
        and (query.until is None or fill.at < query.until)
    ]
    found.sort(key=lambda fill: fill.seq, reverse=not query.ascending)
    if query.page_token is not None:
        found = _after_token(found, query.page_token)
    return found[: query.page_size]


def _after_token(found: list[SimFill], token: str) -> list[SimFill]:
    for place, fill in enumerate(found):
        if activity_id(fill) == token:
            return found[place + 1 :]
    return []
