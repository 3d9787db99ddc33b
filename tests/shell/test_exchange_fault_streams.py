"""Each fault of the streams on a real exchange-sim."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgpack
import pytest
from alpaca.data.live.stock import StockDataStream
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.exchange_faults import RESTING, acted, clear, heal, switch_on
from tests.support.exchange_process import CALL_S, ExchangeProcess, StreamThread, wait_until

pytestmark = pytest.mark.integration


TRADING = {"dialect": "trading_stream"}


DATA = {"dialect": "data_stream"}


SILENCE_S = 0.5


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as one:
        yield one


@pytest.fixture
def exchange(process: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield process
    clear(process)


def listening(exchange: ExchangeProcess) -> ClientConnection:
    """Open the trading stream and listen."""
    stream = connect(f"ws://127.0.0.1:{exchange.port}/stream", close_timeout=1)
    stream.send(json.dumps({"action": "auth", "key": "key", "secret": "secret"}))
    stream.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    for _ in range(2):
        stream.recv(CALL_S)
    return stream


def named(exchange: ExchangeProcess, name: str, **words: Any) -> str:
    """Send a resting order; return its id."""
    answer = exchange.call("POST", "/v2/orders", json=RESTING | {"client_order_id": name} | words)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def told(stream: ClientConnection, count: int) -> list[tuple[str, str]]:
    """Return so many messages as event and client order id."""
    found = []
    for _ in range(count):
        data = json.loads(stream.recv(CALL_S))["data"]
        found.append((data["event"], data["order"]["client_order_id"]))
    return found


def silent(stream: ClientConnection) -> bool:
    """Whether nothing comes for a while."""
    try:
        stream.recv(SILENCE_S)
    except TimeoutError:
        return True
    return False


def test_event_when_lost_then_only_that_one_is_missing(exchange: ExchangeProcess) -> None:
    """REST knows better; the message after it comes."""
    with listening(exchange) as stream:
        fault = switch_on(exchange, "events_lost", scope=TRADING, times=1)
        lost = named(exchange, "event-lost")
        wait_until(lambda: acted(exchange, fault) == 1)
        named(exchange, "event-kept")

        assert told(stream, 1) == [("new", "event-kept")]
        assert exchange.call("GET", f"/v2/orders/{lost}").json()["status"] == "new"


def test_event_when_doubled_then_it_comes_twice_alike(exchange: ExchangeProcess) -> None:
    """The same execution id: a client that books twice is wrong."""
    with listening(exchange) as stream:
        fault = switch_on(exchange, "events_doubled", scope=TRADING | {"symbol": "XOM"}, times=1)
        named(exchange, "event-doubled")

        first, second = stream.recv(CALL_S), stream.recv(CALL_S)

        assert first == second
        assert acted(exchange, fault) == 1


def test_event_when_reordered_then_its_successor_comes_first(exchange: ExchangeProcess) -> None:
    """And one without a successor comes when the lease ends."""
    with listening(exchange) as stream:
        fault = switch_on(exchange, "events_reordered", scope=TRADING)
        named(exchange, "event-first")
        assert silent(stream)
        named(exchange, "event-second")
        assert told(stream, 2) == [("new", "event-second"), ("new", "event-first")]
        assert acted(exchange, fault) == 1

        named(exchange, "event-late")
        assert silent(stream)
        heal(exchange)
        assert told(stream, 1) == [("new", "event-late")]


def test_event_when_its_words_are_bent_then_the_stream_carries_them(
    exchange: ExchangeProcess,
) -> None:
    """Unknown words and foreign types reach stream messages too."""
    with listening(exchange) as stream:
        switch_on(
            exchange,
            "unknown_word",
            scope=TRADING,
            parameters={"path": "data.event", "word": "dreamt"},
        )
        named(exchange, "event-bent")

        assert told(stream, 1) == [("dreamt", "event-bent")]


def test_stream_when_mute_then_pings_are_answered_and_nothing_comes(
    exchange: ExchangeProcess,
) -> None:
    """The socket lives: only the age of the last message tells."""
    with listening(exchange) as stream:
        fault = switch_on(exchange, "stream_mute", scope=TRADING)
        named(exchange, "mute-1")
        wait_until(lambda: acted(exchange, fault) >= 1)
        assert stream.ping().wait(CALL_S)
        assert silent(stream)

        heal(exchange)
        named(exchange, "mute-2")
        assert told(stream, 1) == [("new", "mute-2")]


def test_stream_when_half_open_then_not_even_pings_pass_and_it_ends_with_a_reset(
    exchange: ExchangeProcess,
) -> None:
    """What a dropped cable looks like; new connections are as deaf."""
    with listening(exchange) as stream:
        fault = switch_on(exchange, "half_open", scope=TRADING)
        wait_until(lambda: acted(exchange, fault) == 1)
        named(exchange, "half-1")
        assert not stream.ping().wait(SILENCE_S)
        assert silent(stream)

        heal(exchange)
        with pytest.raises(ConnectionClosed):
            stream.recv(CALL_S)
    with listening(exchange) as again:
        named(exchange, "half-2")
        assert told(again, 1) == [("new", "half-2")]


@pytest.mark.parametrize(
    ("kind", "parameters", "status"),
    [
        ("handshake_refused", {}, 429),
        ("handshake_refused", {"status": 503}, 503),
        ("rate_limited", {}, 429),
        ("server_error", {"status": 502}, 502),
    ],
)
def test_handshake_when_refused_then_by_the_status_of_http(
    exchange: ExchangeProcess, kind: str, parameters: dict[str, Any], status: int
) -> None:
    """A reconnect that comes too soon meets 429 before the stream begins."""
    fault = switch_on(exchange, kind, scope=TRADING, parameters=parameters)

    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{exchange.port}/stream")

    assert caught.value.response.status_code == status
    assert acted(exchange, fault) == 1


@pytest.mark.parametrize("asked", ["application/json", "application/msgpack"])
def test_data_stream_when_the_connection_limit_is_met_then_406_in_the_clients_own_form(
    exchange: ExchangeProcess, asked: str
) -> None:
    """Connected, then refused in the stream's own words, then closed: all of it in the form that
    the handshake asked for, the greeting included.
    """
    fault = switch_on(exchange, "connection_limit", scope=DATA)
    write, read = (json.dumps, json.loads) if "json" in asked else (msgpack.packb, msgpack.unpackb)
    address = f"ws://127.0.0.1:{exchange.port}/v2/iex"
    with connect(address, close_timeout=1, additional_headers={"Content-Type": asked}) as stream:
        assert read(stream.recv(CALL_S)) == [{"T": "success", "msg": "connected"}]
        stream.send(write({"action": "auth", "key": "key", "secret": "secret"}))
        refusal = [{"T": "error", "code": 406, "msg": "connection limit exceeded"}]
        assert read(stream.recv(CALL_S)) == refusal
        with pytest.raises(ConnectionClosed):
            stream.recv(CALL_S)
    assert acted(exchange, fault) == 1


def test_stream_when_the_keys_are_refused_then_it_says_so_and_stays(
    exchange: ExchangeProcess,
) -> None:
    """The real server answers `unauthorized` and leaves the client to go."""
    switch_on(exchange, "refused_keys")
    with connect(f"ws://127.0.0.1:{exchange.port}/stream", close_timeout=1) as stream:
        stream.send(json.dumps({"action": "authenticate", "data": {"key_id": "key"}}))
        answer = json.loads(stream.recv(CALL_S))

        assert answer["data"]["status"] == "unauthorized"
        assert silent(stream)


@pytest.mark.parametrize("kind", ["silence", "reset"])
def test_handshake_when_the_server_is_mute_or_resets_then_no_stream_begins(
    exchange: ExchangeProcess, kind: str
) -> None:
    """No answer at all until the lease ends, or RST at once."""
    switch_on(exchange, kind, scope=TRADING, lease_s=0.5)
    begun = time.monotonic()

    with pytest.raises((OSError, EOFError, ConnectionClosed, InvalidHandshake)):
        connect(f"ws://127.0.0.1:{exchange.port}/stream", open_timeout=CALL_S)

    assert kind == "reset" or time.monotonic() - begun > 0.4


def test_half_open_stream_when_the_exchange_is_asked_to_stop_then_it_does(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """No fault keeps the process from its end."""
    with (
        ExchangeProcess(tmp_path_factory.mktemp("ending")) as exchange,
        listening(exchange) as stream,
    ):
        fault = switch_on(exchange, "half_open", scope=TRADING)
        switch_on(exchange, "silence", scope={"endpoint": "/v2/account"})
        wait_until(lambda: acted(exchange, fault) == 1)
        with socket.create_connection(("127.0.0.1", exchange.port), CALL_S) as waiting:
            waiting.sendall(b"GET /v2/account HTTP/1.1\r\nHost: x\r\n\r\n")
            assert exchange.stop() == 0
        with suppress(ConnectionClosed):
            stream.recv(SILENCE_S)


def test_quotes_when_zero_on_the_packed_stream_then_alpaca_py_reads_them(
    exchange: ExchangeProcess,
) -> None:
    """Faults reach msgpack batches too: one symbol's quotes are zero, the other's are whole."""
    fault = switch_on(exchange, "zero_quotes", scope=DATA | {"symbol": "AAPL"})
    stream = StockDataStream("key", "secret", url_override=f"ws://127.0.0.1:{exchange.port}/v2/iex")
    thread = StreamThread(stream)
    stream.subscribe_quotes(thread.handle, "AAPL", "MSFT")
    asks: dict[str, float] = {}

    with thread:
        while set(asks) != {"AAPL", "MSFT"}:
            quote = thread.next()
            asks[quote.symbol] = quote.ask_price

    assert asks["AAPL"] == 0
    assert asks["MSFT"] > 0
    assert acted(exchange, fault) >= 1
