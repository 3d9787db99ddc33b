"""What a real exchange process remembers, and what it does not: client ids for ever, no events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.exchange_orders import FAR_BUY, send, until_status
from tests.support.exchange_process import CALL_S, ExchangeProcess

pytestmark = pytest.mark.integration
AUTH = {"action": "auth", "key": "key", "secret": "secret"}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


def listening(exchange: ExchangeProcess) -> ClientConnection:
    """Return a connection that is told of every event from now on."""
    socket = connect(f"ws://127.0.0.1:{exchange.port}/stream")
    for message, answer in ((AUTH, "authorization"), (LISTEN, "listening")):
        socket.send(json.dumps(message))
        assert json.loads(socket.recv(CALL_S))["stream"] == answer
    return socket


def told(socket: ClientConnection) -> tuple[str, str]:
    """Return the next event and the id of its order."""
    data: dict[str, Any] = json.loads(socket.recv(CALL_S))["data"]
    return data["event"], data["order"]["id"]


def canceled(exchange: ExchangeProcess, **fields: Any) -> dict[str, Any]:
    """Send an order and see it cancelled."""
    order = send(exchange, **FAR_BUY | fields)
    until_status(exchange, order["id"], "new")
    assert exchange.call("DELETE", f"/v2/orders/{order['id']}").status_code == 204
    return until_status(exchange, order["id"], "canceled")


def test_stream_when_it_comes_back_then_nothing_that_happened_meanwhile_is_told(
    exchange: ExchangeProcess,
) -> None:
    """No replay: not what was told before, not what was missed; the first news is new."""
    with listening(exchange) as socket:
        before = send(exchange, **FAR_BUY)
        assert told(socket) == ("new", before["id"])
    missed = canceled(exchange)

    with listening(exchange) as socket:
        after = send(exchange, **FAR_BUY)

        assert told(socket) == ("new", after["id"])
    path = f"/v2/orders/{missed['id']}"
    assert exchange.call("GET", path).json()["status"] == "canceled"


def test_client_id_when_its_order_ended_before_a_kill_then_it_is_taken_for_ever(
    exchange: ExchangeProcess,
) -> None:
    """For a new order and for a replacement; the old order is found by it, nothing is written."""
    old = canceled(exchange, client_order_id="once")
    open_one = send(exchange, **FAR_BUY)
    until_status(exchange, open_one["id"], "new")
    exchange.kill()
    exchange.start()

    path = f"/v2/orders/{open_one['id']}"
    change = {"limit_price": "4", "client_order_id": "once"}
    answers = [
        exchange.call("POST", "/v2/orders", json=FAR_BUY | {"client_order_id": "once"}),
        exchange.call("PATCH", path, json=change),
    ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
        assert answer.json()["message"] == "client_order_id must be unique"
    found = exchange.call("GET", "/v2/orders:by_client_order_id?client_order_id=once").json()
    assert found == old
    assert exchange.call("GET", path).json()["status"] == "new"
