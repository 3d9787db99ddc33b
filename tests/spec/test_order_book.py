"""The book of orders: whatever is put, its indexes say what a look at every order would say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.order_book import OrderBook
from shared.models.orders import Order, OrderStatus
from tests.support.builders import an_entry

pytestmark = pytest.mark.unit

PUTS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(("AAPL", "SPY")),
        st.sampled_from(("", "one", "two")),
        st.sampled_from(tuple(OrderStatus)),
        st.booleans(),
    ),
    max_size=25,
)


def _order(number: int, symbol: str, key: str, status: OrderStatus, has_id: bool) -> Order:
    entry = an_entry(symbol, client_order_id=f"own-{number}-{symbol}", position_key=key)
    return replace(entry, status=status, broker_order_id=f"broker-{number}" if has_id else "")


def _check(book: OrderBook) -> None:
    orders = list(book.values())
    assert dict(book.items()) == {order.client_order_id: order for order in orders}
    assert sorted(order.client_order_id for order in book.open()) == sorted(
        order.client_order_id for order in orders if not order.status.is_terminal
    )
    assert {order.client_order_id for order in book.live()} == {
        order.client_order_id for order in orders if order.status.is_live
    }
    for symbol in ("AAPL", "SPY"):
        assert book.of_symbol(symbol) == tuple(one for one in orders if one.symbol == symbol)
    for key in ("one", "two"):
        expected = {one.client_order_id for one in orders if one.position_key == key}
        assert {one.client_order_id for one in book.group(key)} == expected


@given(PUTS)
def test_book_when_orders_are_put_then_every_index_agrees_and_the_old_book_stays(
    puts: list[tuple[int, str, str, OrderStatus, bool]],
) -> None:
    """A book shares indexes with the one before it, and still neither changes the other."""
    books = [OrderBook()]
    for put in puts:
        order = _order(*put)
        books.append(books[-1].put(order))
        if order.broker_order_id:
            assert books[-1].by_broker_id(order.broker_order_id) == order
    seen = [dict(book.items()) for book in books]
    for book, orders in zip(books, seen, strict=True):
        _check(book)
        assert dict(book.items()) == orders
    if puts:
        gone = books[-1].without([next(iter(books[-1]))])
        assert len(gone) == len(books[-1]) - 1
        _check(gone)
