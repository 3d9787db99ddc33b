"""Which orders a list holds: status, time, symbols, nesting, pages. Pure.

Lists are sorted and bounded by when an order was submitted, and that moves: when a queued order is
released, a leg activated, a replacement put in its place. Whoever pages from old to new, a little
back each time, meets every order; from new to old one that moves meanwhile is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from services.exchange_sim import groups
from services.exchange_sim.books import Books
from services.exchange_sim.records import Place, SimOrder
from services.exchange_sim.store_orders import OrderScan
from shared.models.orders import OrderStatus, Side

ORDERS_MAX = 500
ORDERS_DEFAULT = 50


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
    behind: Place | None = None
    """Only those that stand later than there: `after_order_id`, wherever that one is now."""
    before: Place | None = None


def _has_status(order: SimOrder, status: str) -> bool:
    if status == "all":
        return True
    if status == "closed":
        return not order.is_live
    return order.is_live and order.status is not OrderStatus.HELD


def list_orders(books: Books, query: OrderQuery) -> list[SimOrder]:
    """Return the orders of the list, sorted; nested legs stand under their parents only."""
    matching = (order for order in _pool(books, query) if _matches(books, order, query))
    return list(islice(matching, query.limit))


def _pool(books: Books, query: OrderQuery) -> Iterator[SimOrder]:
    """Yield what the list may hold, in its order."""
    if query.status == "open" or books.archive is None:
        known = books.live_orders() if query.status == "open" else books.orders.values()
        yield from sorted(known, key=lambda one: one.place, reverse=not query.ascending)
        return
    scan = OrderScan(
        ascending=query.ascending,
        behind=query.behind,
        before=query.before,
        symbols=query.symbols,
        after=query.after,
        until=query.until,
        live=False if query.status == "closed" else None,
    )
    yield from books.archive.scan(scan, books.orders)


def is_visible(books: Books, order: SimOrder) -> bool:
    """Whether look-ups and lists show the order yet."""
    lag_s = books.switches.lookup_lag_s
    return lag_s <= 0 or books.account.now - order.created_at >= timedelta(seconds=lag_s)


def _matches(books: Books, order: SimOrder, query: OrderQuery) -> bool:
    return (
        _has_status(order, query.status)
        and is_visible(books, order)
        and (query.after is None or order.submitted_at > query.after)
        and (query.until is None or order.submitted_at < query.until)
        and (query.behind is None or order.place > query.behind)
        and (query.before is None or order.place < query.before)
        and (not query.symbols or order.symbol in query.symbols)
        and (query.side is None or order.side is query.side)
        and not (query.nested and groups.is_nested(books, order))
    )
