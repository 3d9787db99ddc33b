"""Orders that have ended leave the memory of the simulated exchange, and are still found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.exchange_sim.books import ENDED_GROUPS_KEPT
from services.exchange_sim.exchange import Exchange, Pace
from services.exchange_sim.listing import OrderQuery, list_orders
from services.exchange_sim.market.seeded import SeededMarket
from services.exchange_sim.opening import open_books
from services.exchange_sim.records import Refusal, SimOrder
from services.exchange_sim.store import Store
from services.exchange_sim.wire import order_document

pytestmark = pytest.mark.integration

BRACKETS = 400
LEGS = 3


@contextmanager
def opened(folder: Path) -> Iterator[Exchange]:
    """Open the exchange of a folder at speed one, and close its file again."""
    market = SeededMarket(1, ("AAPL", "MSFT"), Decimal(2))
    store = Store(folder / "exchange.db")
    exchange = Exchange(market, store, open_books(store, market, 1, Decimal(100_000)), Pace(1.0))
    try:
        yield exchange
    finally:
        store.close()


def bracket(exchange: Exchange, number: int) -> SimOrder:
    """Send and cancel a bracket far below the market."""
    body: dict[str, Any] = {
        "symbol": "AAPL" if number % 2 else "MSFT",
        "side": "buy",
        "qty": "1",
        "type": "limit",
        "limit_price": "5",
        "time_in_force": "gtc",
        "order_class": "bracket",
        "take_profit": {"limit_price": "6"},
        "stop_loss": {"stop_price": "4"},
        "client_order_id": f"mine-{number}",
    }
    order = exchange.submit(body)
    exchange.settle_now()
    return order


def ended(exchange: Exchange, count: int) -> list[SimOrder]:
    """Send that many brackets and cancel each."""
    orders = []
    for number in range(count):
        orders.append(bracket(exchange, number))
        exchange.cancel(orders[-1].id)
        exchange.settle_now()
    return orders


def test_orders_when_thousands_have_ended_then_memory_holds_the_newest_and_the_live_ones(
    tmp_path: Path,
) -> None:
    """A live order stays however old; of the ended ones only the newest groups stay."""
    with opened(tmp_path) as exchange:
        working = bracket(exchange, BRACKETS)
        orders = ended(exchange, BRACKETS)
        books = exchange.books

        assert len(books.orders) == LEGS * (ENDED_GROUPS_KEPT + 1)
        assert working.id in books.orders
        assert orders[0].id not in books.orders
        assert books.account.order_count == LEGS * (BRACKETS + 1)


def test_ended_order_when_forgotten_then_every_way_of_asking_finds_it(tmp_path: Path) -> None:
    """By its id, its client id, in lists with each filter, nested with its legs; its client id
    is taken for ever, and a cancel says in which state it is.
    """
    with opened(tmp_path) as exchange:
        orders = ended(exchange, BRACKETS)
        books, first = exchange.books, orders[0]

        found = exchange.desk.order(first.id)
        assert found.status.value == "canceled"
        assert books.find_client_id("mine-0") == found
        assert len(order_document(books, found)["legs"]) == LEGS - 1
        with pytest.raises(Refusal, match="must be unique"):
            bracket(exchange, 0)
        with pytest.raises(Refusal, match=r"already in .canceled. state"):
            exchange.cancel(first.id)
        every = list_orders(books, OrderQuery(status="all", limit=5_000, ascending=True))
        assert sorted(one.seq for one in every) == list(range(1, LEGS * BRACKETS + 1))
        assert [one.place for one in every] == sorted(one.place for one in every)
        nested = list_orders(books, OrderQuery(status="closed", nested=True, limit=5_000))
        assert [one.id for one in nested] == [one.id for one in reversed(orders)]
        apple = list_orders(
            books,
            OrderQuery(status="all", symbols=frozenset({"AAPL"}), nested=True, limit=3),
        )
        assert [one.client_order_id for one in apple] == ["mine-399", "mine-397", "mine-395"]


def test_list_when_bounded_by_time_or_order_then_both_ends_are_exclusive(tmp_path: Path) -> None:
    """`after`, `until`, `after_order_id` and `before_order_id` leave out what they name."""
    with opened(tmp_path) as exchange:
        orders = [exchange.desk.order(one.id) for one in ended(exchange, BRACKETS)]
        low, high = orders[10], orders[20]
        by_time = OrderQuery(
            status="all",
            nested=True,
            limit=500,
            after=low.submitted_at,
            until=high.submitted_at,
        )
        by_order = OrderQuery(
            status="closed", nested=True, limit=500, behind=low.place, before=high.place
        )

        wanted = [one.id for one in reversed(orders[11:20])]
        assert [one.id for one in list_orders(exchange.books, by_time)] == wanted
        assert [one.id for one in list_orders(exchange.books, by_order)] == wanted


def test_books_when_opened_again_then_only_what_may_change_is_in_memory(tmp_path: Path) -> None:
    """A restart loads live orders with their whole groups, and the rest is still found."""
    with opened(tmp_path) as exchange:
        old = ended(exchange, 3)
        working = bracket(exchange, 3)
        group = exchange.books.group(working)

    with opened(tmp_path) as exchange:
        assert set(exchange.books.orders) == {one.id for one in group}
        assert exchange.books.find(old[0].id) is not None
        with pytest.raises(Refusal, match="must be unique"):
            bracket(exchange, 1)
        exchange.advance(timedelta(seconds=1).total_seconds())
        exchange.cancel(working.id)
        exchange.settle_now()
        assert exchange.books.live_orders() == []


def test_live_legs_of_a_filled_entry_when_opened_again_then_they_are_never_forgotten(
    tmp_path: Path,
) -> None:
    """Their group has an ended order in it, and however many others end, it stays whole."""
    with opened(tmp_path) as exchange:
        price = exchange.desk.current_price("AAPL", exchange.now)
        entry = exchange.submit(
            {
                "symbol": "AAPL",
                "side": "buy",
                "qty": "1",
                "type": "market",
                "time_in_force": "gtc",
                "order_class": "bracket",
                "take_profit": {"limit_price": str(round(price * 2, 2))},
                "stop_loss": {"stop_price": str(round(price / 2, 2))},
            }
        )
        exchange.settle_now()
        assert exchange.desk.order(entry.id).status.value == "filled"
        group = {one.id for one in exchange.books.group(entry)}

    with opened(tmp_path) as exchange:
        ended(exchange, ENDED_GROUPS_KEPT + 10)

        assert group <= set(exchange.books.orders)
        assert {one.status.value for one in exchange.books.live_orders()} == {"new", "held"}
        assert {one.id for one in exchange.books.live_orders()} < group
