"""Each fault of HTTP on a real exchange-sim, seen from a socket, and its counter."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.exchange_faults import (
    RawClient,
    acted,
    fault_state,
    heal,
    request_text,
    switch_on,
)
from tests.support.exchange_process import ExchangeProcess, wait_until

pytestmark = pytest.mark.integration


CLOCK = request_text("GET", "/v2/clock")


LIMIT = {"symbol": "BAC", "qty": 1, "side": "buy", "type": "limit", "limit_price": "1"}


LIMIT |= {"time_in_force": "gtc"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as one:
        yield one


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield process
    heal(process)


def clock_through(exchange: ExchangeProcess) -> tuple[str, bytes]:
    """Ask for the clock over a raw socket; return how it ended and the body."""
    with RawClient(exchange) as client:
        client.send(request_text("GET", "/v2/clock", extra="Connection: close\r\n"))
        return client.read_to_the_end(), client.body


@pytest.mark.parametrize(
    ("kind", "parameters", "status", "body"),
    [
        ("rate_limited", {}, 429, {"code": 42910000, "message": "rate limit exceeded"}),
        ("refused_keys", {}, 401, {"message": "unauthorized."}),
        ("refused_keys", {"status": 403}, 403, {"message": "forbidden."}),
        ("server_error", {"status": 500, "form": "json"}, 500, {"code": 50010000}),
        ("server_error", {"status": 502, "form": "html"}, 502, "<h1>Bad Gateway</h1>"),
        ("server_error", {"status": 503, "form": "html"}, 503, "<h1>Service"),
        ("server_error", {"status": 504, "form": "empty"}, 504, ""),
        ("odd_reply", {"form": "html"}, 200, "<html>"),
        ("odd_reply", {"form": "null"}, 200, None),
        ("odd_reply", {"form": "empty"}, 200, ""),
        ("odd_reply", {"form": "list"}, 200, ["maintenance"]),
        ("odd_reply", {"form": "object"}, 200, {}),
        ("moved", {}, 301, ""),
    ],
)
def test_answer_when_a_fault_gives_it_then_it_is_as_seen_in_the_wild_and_counted(
    exchange: ExchangeProcess, kind: str, parameters: dict[str, Any], status: int, body: Any
) -> None:
    """Status, body and container; the counter proves it; without the fault all is well."""
    fault = switch_on(exchange, kind, parameters=parameters)

    answer = exchange.call("GET", "/v2/account", allow_redirects=False)

    assert answer.status_code == status
    if isinstance(body, str):
        assert body in answer.text
        assert bool(body) is bool(answer.text)
    elif isinstance(body, dict) and body:
        assert answer.json().items() >= body.items()
    else:
        assert answer.json() == body
    assert "Retry-After" not in answer.headers
    assert acted(exchange, fault) == 1
    heal(exchange)
    assert exchange.call("GET", "/v2/account").json()["status"] == "ACTIVE"
    assert fault_state(exchange, fault)["state"] == "ended"


def test_rate_limit_when_it_says_how_long_then_retry_after_is_there(
    exchange: ExchangeProcess,
) -> None:
    """Both kinds of 429 exist."""
    switch_on(exchange, "rate_limited", parameters={"retry_after_s": 7})

    assert exchange.call("GET", "/v2/account").headers["Retry-After"] == "7"


def test_reset_when_it_strikes_then_nothing_was_processed(exchange: ExchangeProcess) -> None:
    """RST, not FIN, and the order does not exist."""
    fault = switch_on(exchange, "reset", scope={"method": "POST"})
    with RawClient(exchange) as client:
        body = json.dumps(LIMIT | {"client_order_id": "reset-1"})
        client.send(request_text("POST", "/v2/orders", body))
        ending = client.read_to_the_end()

    found = exchange.call("GET", "/v2/orders:by_client_order_id?client_order_id=reset-1")
    assert (ending, found.status_code, acted(exchange, fault)) == ("reset", 404, 1)


@pytest.mark.parametrize("how", ["reset", "504"])
def test_reply_when_lost_then_the_order_was_booked(exchange: ExchangeProcess, how: str) -> None:
    """The worst answer of all: it worked, and the client cannot know."""
    fault = switch_on(exchange, "reply_lost", parameters={"how": how}, scope={"method": "POST"})
    name = f"lost-{how}"
    with RawClient(exchange) as client:
        client.send(
            request_text("POST", "/v2/orders", json.dumps(LIMIT | {"client_order_id": name}))
        )
        if how == "reset":
            assert client.read_to_the_end() == "reset"
        else:
            client.read_until(b"</html>")
            assert client.received.startswith(b"HTTP/1.1 504 ")

    found = exchange.call("GET", f"/v2/orders:by_client_order_id?client_order_id={name}")
    assert (found.status_code, acted(exchange, fault)) == (200, 1)


@pytest.mark.parametrize(("kind", "ending"), [("reset_mid_body", "reset"), ("truncated", "closed")])
def test_body_when_cut_then_its_beginning_came_and_the_length_promised_more(
    exchange: ExchangeProcess, kind: str, ending: str
) -> None:
    """Half a JSON document, then RST or FIN."""
    fault = switch_on(exchange, kind)

    ended, body = clock_through(exchange)

    assert ended == ending
    assert body.startswith(b'{"timestamp"')
    assert b"next_close" not in body
    assert acted(exchange, fault) == 1


def test_body_when_dribbled_then_each_byte_comes_alone(exchange: ExchangeProcess) -> None:
    """A read timeout never strikes; only a total deadline helps. Healed, the rest comes."""
    fault = switch_on(exchange, "dribble", parameters={"pause_s": 0.05})
    with RawClient(exchange) as client:
        client.send(CLOCK)
        client.read_until(b"\r\n\r\n")
        while len(client.body) < 5:
            piece = client.socket.recv(100)
            assert len(piece) == 1 or not client.body
            client.received += piece
        heal(exchange)
        client.read_until(b'"is_open"')

        client.send(CLOCK)
        client.read_until(b"HTTP/1.1 200", count=2)
    assert acted(exchange, fault) == 1


def test_reply_when_slow_then_it_comes_whole_after_its_time(exchange: ExchangeProcess) -> None:
    """Processed at once, answered late: an impatient client does not know what became of it."""
    fault = switch_on(exchange, "slow_reply", parameters={"delay_s": 0.4})
    begun = time.monotonic()

    answer = exchange.call("GET", "/v2/clock")

    assert 0.4 <= time.monotonic() - begun < 5
    assert "next_close" in answer.json()
    assert acted(exchange, fault) == 1


def test_silence_when_the_lease_ends_then_so_does_the_connection(
    exchange: ExchangeProcess,
) -> None:
    """Accepted, heard, never answered; the lease needs nobody to end it."""
    begun = time.monotonic()
    fault = switch_on(exchange, "silence", lease_s=0.6, scope={"endpoint": "/v2/clock"})
    with RawClient(exchange) as client:
        client.send(CLOCK)
        assert exchange.call("GET", "/v2/account").status_code == 200
        ending = client.read_to_the_end()

    assert ending == "reset"
    assert time.monotonic() - begun >= 0.6
    assert client.received == b""
    assert fault_state(exchange, fault) | {"state": "ended", "acted": 1} == fault_state(
        exchange, fault
    )
    assert exchange.call("GET", "/v2/clock").status_code == 200


def test_connection_when_refused_then_the_kernel_refuses_and_the_lease_reopens(
    exchange: ExchangeProcess,
) -> None:
    """The listening socket is really closed, open connections are reset, and nobody else can
    take the port meanwhile.
    """
    with RawClient(exchange) as standing:
        standing.send(CLOCK)
        standing.read_until(b"next_close")
        fault = switch_on(exchange, "refuse_connection", lease_s=1.5)
        assert standing.read_to_the_end() == "reset"

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", exchange.port), 5)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", exchange.port))

    wait_until(lambda: _is_open(exchange))
    assert acted(exchange, fault) == 1


def test_connections_when_two_leases_overlap_then_the_port_stays_shut_between_them(
    exchange: ExchangeProcess,
) -> None:
    """The second lease takes over without a gap, and is counted."""
    first = switch_on(exchange, "refuse_connection", starts_in_s=0.3, lease_s=0.5)
    second = switch_on(exchange, "refuse_connection", starts_in_s=0.4, lease_s=1.5)

    wait_until(lambda: not _is_open(exchange))
    begun = time.monotonic()
    wait_until(lambda: _is_open(exchange))

    assert time.monotonic() - begun > 1
    assert (acted(exchange, first), acted(exchange, second)) == (1, 1)


def _is_open(exchange: ExchangeProcess) -> bool:
    try:
        return exchange.call("GET", "/v2/clock").status_code == 200
    except requests.ConnectionError:
        return False


def test_fields_when_bent_then_only_on_the_endpoint_that_is_named(
    exchange: ExchangeProcess,
) -> None:
    """Removed, retyped, renamed and unknown words on one endpoint, all at once."""
    scope = {"endpoint": "/v2/account"}
    faults = [
        switch_on(exchange, "field_removed", scope=scope, parameters={"path": "cash"}),
        switch_on(
            exchange, "field_retyped", scope=scope, parameters={"path": "equity", "to": "number"}
        ),
        switch_on(
            exchange, "field_renamed", scope=scope, parameters={"path": "id", "to": "account"}
        ),
        switch_on(
            exchange, "unknown_word", scope=scope, parameters={"path": "status", "word": "NAPPING"}
        ),
    ]
    nowhere = switch_on(exchange, "field_removed", scope=scope, parameters={"path": "no.such"})

    account = exchange.call("GET", "/v2/account").json()

    assert "cash" not in account
    assert "id" not in account
    assert isinstance(account["equity"], float)
    assert (account["status"], bool(account["account"])) == ("NAPPING", True)
    assert exchange.call("GET", "/v2/clock").json()["is_open"] in (True, False)
    assert [acted(exchange, fault) for fault in faults] == [1, 1, 1, 1]
    assert fault_state(exchange, nowhere)["seen"] == 1
    assert acted(exchange, nowhere) == 0


def test_quotes_and_clock_when_bent_then_clients_see_them_so(exchange: ExchangeProcess) -> None:
    """Skewed clock, zero quote of one symbol; the other symbol's quote is whole."""
    switch_on(exchange, "clock_skew", parameters={"seconds": 3600})
    zero = switch_on(exchange, "zero_quotes", scope={"symbol": "SPY"})
    skewed = exchange.call("GET", "/v2/clock").json()["timestamp"]

    quotes = exchange.call("GET", "/v2/stocks/SPY/quotes/latest").json()["quote"]
    whole = exchange.call("GET", "/v2/stocks/QQQ/quotes/latest").json()["quote"]
    heal(exchange)
    true = exchange.call("GET", "/v2/clock").json()["timestamp"]

    assert (quotes["bp"], quotes["ap"]) == (0, 0)
    assert whole["bp"] > 0
    assert skewed > true
    assert acted(exchange, zero) == 1
