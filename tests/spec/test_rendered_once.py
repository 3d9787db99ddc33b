"""What is kept from the last time is never older than what it was made of."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from services.exchange_sim.wire import order_document
from services.trading_bot.coverage import coverage
from shared.contracts.alpaca_orders import ReadRows, is_own_client_id, read_orders
from shared.contracts.drift import SchemaDrift
from shared.models.orders import OrderStatus
from tests.spec.test_coverage import holding
from tests.support.alpaca_payloads import raw_bracket, raw_order
from tests.support.builders import at
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


def test_document_when_its_order_or_a_switch_changes_then_rendered_anew() -> None:
    """A reply shows the order and the switches of now; a caller's change harms nobody."""
    venue = Venue()
    order = venue.send(qty="2", type="stop", stop_price="120")
    books = venue.books
    first = order_document(books, books.orders[order.id])
    first["qty"] = "spoiled"
    assert order_document(books, books.orders[order.id])["qty"] == "2"
    books.switches = replace(books.switches, buy_stop_shown_as_limit=True)
    assert order_document(books, books.orders[order.id])["type"] == "stop_limit"
    books.switches = replace(books.switches, buy_stop_shown_as_limit=False)
    books.put(replace(books.orders[order.id], status=OrderStatus.CANCELED))
    assert order_document(books, books.orders[order.id])["status"] == "canceled"
    assert order_document(books, replace(order, qty=order.qty + 1))["qty"] == "3"
    assert order_document(books, books.orders[order.id])["qty"] == "2"


def test_rows_when_equal_to_the_last_list_then_the_same_orders() -> None:
    """An equal row is not read again; a row that differs anywhere is, its legs included."""
    rows = ReadRows()
    raw = [raw_bracket()]
    (first,) = read_orders(raw, is_own_client_id, rows).orders
    (again,) = read_orders(copy.deepcopy(raw), is_own_client_id, rows).orders
    assert again is first
    changed = copy.deepcopy(raw)
    changed[0]["legs"][0]["updated_at"] = "2026-01-05T15:00:00.5Z"
    (other,) = read_orders(changed, is_own_client_id, rows).orders
    assert other.legs[0].updated_at != first.legs[0].updated_at
    assert read_orders(changed, is_own_client_id).orders == (other,)


def _is_ours(_broker_order_id: str, _client_order_id: str) -> bool:
    return True


def test_rows_when_one_breaks_its_contract_then_each_time_anew() -> None:
    """A drift is never kept as if it had been read."""
    rows = ReadRows()
    good = raw_order()
    bad = {**good, "status": "a new word"}
    read_orders([good], _is_ours, rows)
    for _ in range(2):
        with pytest.raises(SchemaDrift):
            read_orders([bad], _is_ours, rows)


def test_coverage_when_state_or_moment_changes_then_told_anew() -> None:
    """Two states asked in turn, and one state at two moments, never answer for each other."""
    held, more = holding(10), holding(4)
    for _ in range(2):
        assert coverage(held, at(2))["AAPL"].open_qty == 10
        assert coverage(more, at(2))["AAPL"].open_qty == 4
    stop = held.orders["leg-s-AAPL"]
    state = replace(held, orders=held.orders.put(replace(stop, expires_at=at(5))))
    assert coverage(state, at(4))["AAPL"].is_covered
    assert not coverage(state, at(6))["AAPL"].is_covered
    coverage(state, at(4)).clear()
    assert coverage(state, at(4))["AAPL"].is_covered
