"""Orders over the wire of a real exchange process: shapes, filters, codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.exchange_orders import BRACKET, FAR_BUY, listed, send, until_status
from tests.support.exchange_process import HEADERS, ExchangeProcess

pytestmark = pytest.mark.integration

WAIT_S = 20
NINE_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path, "--speed", "1") as process:
        yield process


def test_order_when_sent_then_its_document_is_alpacas(exchange: ExchangeProcess) -> None:
    """Money is text, moments have nine digits, a simple order has an empty class, and the
    newer fields are there.
    """
    document = send(exchange, **FAR_BUY, client_order_id="mine")

    assert document["status"] == "pending_new"
    assert (document["qty"], document["limit_price"], document["notional"]) == ("1", "5", None)
    assert (document["order_class"], document["legs"]) == ("", None)
    assert (document["position_intent"], document["subtag"], document["source"]) == (
        "buy_to_open",
        None,
        None,
    )
    for name in ("created_at", "updated_at", "submitted_at", "expires_at"):
        assert NINE_DIGITS.fullmatch(document[name])
    later = until_status(exchange, document["id"], "new")
    assert later["submitted_at"] > document["submitted_at"]
    by_client = exchange.call("GET", "/v2/orders:by_client_order_id?client_order_id=mine").json()
    assert by_client["id"] == document["id"]


def test_trailing_and_notional_orders_when_sent_then_their_fields_are_shown(
    exchange: ExchangeProcess,
) -> None:
    """Numbers or text, the answer is text; what an order has not is null."""
    trailing = send(
        exchange,
        symbol="AAPL",
        side="buy",
        qty=1.0,
        type="trailing_stop",
        trail_percent=5,
        time_in_force="day",
    )
    amount = send(
        exchange, symbol="MSFT", side="buy", notional=50, type="market", time_in_force="day"
    )

    assert (trailing["trail_percent"], trailing["trail_price"]) == ("5", None)
    assert float(trailing["stop_price"]) > float(trailing["hwm"])
    assert (amount["notional"], amount["qty"]) == ("50", None)
    assert float(until_status(exchange, amount["id"], "filled")["filled_qty"]) > 0


def test_list_when_filtered_then_ends_are_exclusive_and_legs_nested(
    exchange: ExchangeProcess,
) -> None:
    """Status, direction, symbols, side, ids and limit; a nested list hides legs below parents."""
    first = send(exchange, **FAR_BUY)
    group = send(exchange, **BRACKET)
    last = send(exchange, **FAR_BUY | {"symbol": "MSFT"})
    for order in (first, group, last):
        until_status(exchange, order["id"], "new")
    legs = [leg["id"] for leg in group["legs"]]

    assert listed(exchange, "") == [last["id"], group["id"], first["id"]]
    everything = listed(exchange, "status=all&direction=asc")
    assert everything == [first["id"], group["id"], *legs, last["id"]]
    assert listed(exchange, "status=all&nested=True&symbols=AAPL") == [group["id"], first["id"]]
    assert listed(exchange, "status=all&side=sell&direction=asc") == legs
    assert listed(exchange, "status=all&direction=asc&asset_class=crypto,US_EQUITY") == everything
    assert listed(exchange, "status=all&direction=asc&asset_class=all") == everything
    assert listed(exchange, "status=all&asset_class=crypto&asset_class=us_option") == []
    assert listed(exchange, f"after_order_id={first['id']}&limit=1&direction=asc") == [group["id"]]
    assert listed(exchange, f"before_order_id={group['id']}") == [first["id"]]
    shown = exchange.call("GET", f"/v2/orders/{first['id']}").json()["submitted_at"]
    assert first["id"] not in listed(exchange, f"after={shown[:26]}Z")
    assert first["id"] not in listed(exchange, f"until={shown[:26]}Z")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=501", "limit must be between 1 and 500"),
        ("limit=0", "limit must be between 1 and 500"),
        ("status=odd", "invalid order status"),
        ("direction=up", "invalid direction"),
        ("side=hold", "invalid side"),
        ("asset_class=us_equity,shoes", "invalid asset_class: shoes"),
        ("after_order_id=a&before_order_id=b", "only one of before_order_id or after_order_id"),
    ],
)
def test_list_when_its_query_is_wrong_then_422(
    exchange: ExchangeProcess, query: str, words: str
) -> None:
    """The first fault is named."""
    answer = exchange.call("GET", f"/v2/orders?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert words in answer.json()["message"]


def test_unknown_order_when_asked_for_then_404_everywhere(exchange: ExchangeProcess) -> None:
    """Reading, replacing and cancelling what never was have one answer."""
    for method, path in (
        ("GET", "/v2/orders/none"),
        ("GET", "/v2/orders:by_client_order_id?client_order_id=none"),
        ("PATCH", "/v2/orders/none"),
        ("DELETE", "/v2/orders/none"),
        ("GET", "/v2/orders?after_order_id=none"),
    ):
        answer = exchange.call(method, path, json={"qty": "2"} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, 40410000), path
        assert answer.json()["message"] == "order not found for none"


def test_order_when_done_then_cancel_and_replace_say_its_state(exchange: ExchangeProcess) -> None:
    """204 is empty; a second cancel of what has ended, and a PATCH of it, are 422."""
    order = send(exchange, **FAR_BUY)
    until_status(exchange, order["id"], "new")
    path = f"/v2/orders/{order['id']}"

    answer = exchange.call("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    until_status(exchange, order["id"], "canceled")

    again = exchange.call("DELETE", path)
    assert (again.status_code, again.json()) == (
        422,
        {"code": 42210000, "message": 'order is already in "canceled" state'},
    )
    changed = exchange.call("PATCH", path, json={"limit_price": "6"})
    assert (changed.status_code, changed.json()["code"]) == (422, 42210000)
    assert "canceled" in changed.json()["message"]


def test_client_ids_when_the_process_was_killed_then_still_taken(tmp_path: Path) -> None:
    """Ids are unique for ever: ended orders, replacements and legs, over SIGKILL."""
    exchange = ExchangeProcess(tmp_path, "--speed", "1")
    with exchange:
        order = send(exchange, **FAR_BUY, client_order_id="first")
        until_status(exchange, order["id"], "new")
        body = {"limit_price": "5.5", "client_order_id": "second"}
        new = exchange.call("PATCH", f"/v2/orders/{order['id']}", json=body).json()
        until_status(exchange, order["id"], "replaced")
        exchange.call("DELETE", f"/v2/orders/{new['id']}")
        until_status(exchange, new["id"], "canceled")
        leg = send(exchange, **BRACKET)["legs"][0]["client_order_id"]
        exchange.kill()
        exchange.start()

        for name in ("first", "second", leg):
            answer = exchange.call("POST", "/v2/orders", json=FAR_BUY | {"client_order_id": name})
            assert (answer.status_code, answer.json()["code"]) == (422, 40010001)


def test_any_content_type_when_it_carries_json_then_read(exchange: ExchangeProcess) -> None:
    """Clients say anything about their JSON, or nothing."""
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        answer = requests.post(
            f"{exchange.url}/v2/orders",
            data=b'{"symbol":"aapl","side":"BUY","qty":1,"type":"limit","limit_price":5,'
            b'"time_in_force":"DAY","extended_hours":"False","unknown":{}}',
            headers=HEADERS | {"Content-Type": kind},
            timeout=WAIT_S,
        )
        assert answer.status_code == 200, answer.text
