"""The data stream of a real exchange-sim process: alpaca-py's whole client, and plain sockets."""

from __future__ import annotations

import inspect
import json
import socket as plain_socket
import time
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from alpaca.data.live.stock import StockDataStream
from alpaca.data.live.websocket import DataStream
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.exchange_process import HEADERS, ExchangeProcess, StreamThread

pytestmark = pytest.mark.integration
WAIT_S = 20
AUTH = {"action": "auth", "key": "k", "secret": "s"}
PACKED = {"Content-Type": "application/msgpack"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange")) as process:
        yield process


@pytest.fixture(scope="module")
def basic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with ExchangeProcess(tmp_path_factory.mktemp("basic"), "--data-plan", "basic") as process:
        yield process


SUBSCRIBING = {
    "subscribe_trades": "Trade",
    "subscribe_quotes": "Quote",
    "subscribe_bars": "Bar",
    "subscribe_updated_bars": "Bar",
    "subscribe_daily_bars": "Bar",
    "subscribe_trading_statuses": "TradingStatus",
}
REGISTERING = {
    "register_trade_corrections": "TradeCorrection",
    "register_trade_cancels": "TradeCancel",
}
UNSUBSCRIBING = {name.replace("subscribe", "unsubscribe", 1) for name in SUBSCRIBING}
OWN = {"run", "stop", "stop_ws", "close"}


def test_client_when_it_grows_a_method_then_this_table_misses_it() -> None:
    """Every public method of alpaca-py's stock stream stands in the tables."""
    public = {
        name
        for one in (StockDataStream, DataStream)
        for name, value in vars(one).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert public == set(SUBSCRIBING) | set(REGISTERING) | UNSUBSCRIBING | OWN


def test_client_when_it_subscribes_to_everything_then_each_kind_arrives(
    exchange: ExchangeProcess,
) -> None:
    """Trades with corrections and cancellations, quotes, bars of three kinds and a halt parse."""
    stream = StockDataStream("key", "secret", url_override=f"ws://127.0.0.1:{exchange.port}/v2/sip")
    thread = StreamThread(stream)
    for name in SUBSCRIBING:
        getattr(stream, name)(thread.handle, "*")
    for name in REGISTERING:
        getattr(stream, name)(thread.handle)

    seen: set[str] = set()
    with thread:
        thread.next()
        switched = exchange.call("PATCH", "/sim/switches", json={"halted": "BAC"})
        assert switched.status_code == 200, switched.text
        deadline = time.monotonic() + 2 * WAIT_S
        while seen < {*SUBSCRIBING.values(), *REGISTERING.values()}:
            assert time.monotonic() < deadline, f"only {seen} came"
            seen.add(type(thread.next()).__name__)
        for name in UNSUBSCRIBING:
            getattr(stream, name)("*")
    exchange.call("PATCH", "/sim/switches", json={"halted": ""})


class Talk:
    """One raw connection in one dialect."""

    def __init__(self, socket: ClientConnection, *, packed: bool) -> None:
        self.socket = socket
        self._packed = packed

    def say(self, message: Any, pieces: int = 1) -> None:
        """Send a message, in so many fragments."""
        raw: Any = msgpack.packb(message) if self._packed else json.dumps(message)
        size = -(-len(raw) // pieces)
        parts = [raw[first : first + size] for first in range(0, len(raw), size)]
        self.socket.send(parts if pieces > 1 else raw)

    def hear(self) -> list[Any]:
        """Return the messages of the next frame."""
        frame = self.socket.recv(WAIT_S)
        assert isinstance(frame, bytes) is self._packed
        heard: list[Any] = msgpack.unpackb(frame) if self._packed else json.loads(frame)
        return heard

    def hear_of(self, kind: str) -> Any:
        """Return the next message of a type."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for message in self.hear():
                if message["T"] == kind:
                    return message
        raise AssertionError(f"no {kind} came")


def _url(exchange: ExchangeProcess, feed: str = "iex") -> str:
    return f"ws://127.0.0.1:{exchange.port}/v2/{feed}"


@pytest.mark.parametrize("packed", [False, True])
def test_dialect_when_spoken_then_greeting_subscriptions_and_data_follow(
    exchange: ExchangeProcess, packed: bool
) -> None:
    """Fragmented and doubled subscriptions, deflated frames, wildcard, unsubscribe; moments with
    nine digits or as msgpack timestamps.
    """
    headers = PACKED if packed else {}
    with connect(_url(exchange), additional_headers=headers, compression="deflate") as socket:
        talk = Talk(socket, packed=packed)
        assert socket.response is not None
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        assert talk.hear() == [{"T": "success", "msg": "connected"}]
        talk.say(AUTH, pieces=3)
        assert talk.hear() == [{"T": "success", "msg": "authenticated"}]
        many = [f"SYM{number}" for number in range(9_000)]
        talk.say({"action": "subscribe", "bars": [*many, "AAPL"], "trades": ["aapl"]}, pieces=4)
        first = talk.hear_of("subscription")
        talk.say({"action": "subscribe", "bars": ["AAPL"]})
        assert talk.hear_of("subscription") == first
        assert first["corrections"] == first["cancelErrors"] == ["AAPL"]
        trade = talk.hear_of("t")
        if packed:
            assert trade["t"].to_unix_nano() > 0
        else:
            assert len(trade["t"]) == len("2026-01-05T14:30:00.123456789Z")
        talk.say({"action": "unsubscribe", "bars": many, "trades": ["AAPL"]})
        left = talk.hear_of("subscription")
        assert (left["bars"], left["trades"], left["corrections"]) == (["AAPL"], [], [])
        assert talk.hear_of("b")["S"] == "AAPL"


def test_delayed_feed_when_heard_then_is_a_quarter_of_an_hour_behind(
    exchange: ExchangeProcess,
) -> None:
    """The same trades, fifteen market minutes later."""
    with connect(_url(exchange, "delayed_sip"), additional_headers=HEADERS) as socket:
        talk = Talk(socket, packed=False)
        assert [message["msg"] for message in (*talk.hear(), *talk.hear())] == [
            "connected",
            "authenticated",
        ]
        talk.say({"action": "subscribe", "bars": ["SPY"]})
        late = talk.hear_of("b")["t"]
        newest = exchange.call("GET", "/v2/stocks/SPY/bars/latest").json()["bar"]["t"]
        minutes = (
            (int(newest[11:13]) - int(late[11:13])) * 60 + int(newest[14:16]) - int(late[14:16])
        )
        assert 13 <= minutes % 1440 <= 18


def test_handshake_when_it_carries_keys_then_no_auth_is_needed(exchange: ExchangeProcess) -> None:
    """Authentication by header; saying it again is 403, and an unknown feed is no stream."""
    with connect(_url(exchange), additional_headers=HEADERS) as socket:
        talk = Talk(socket, packed=False)
        assert talk.hear()[0]["msg"] == "connected"
        assert talk.hear()[0]["msg"] == "authenticated"
        talk.say(AUTH)
        assert talk.hear()[0]["code"] == 403
    with pytest.raises(InvalidStatus) as refused, connect(_url(exchange, "nyse")):
        pass
    assert refused.value.response.status_code == 404


def _code(exchange: ExchangeProcess, feed: str = "iex") -> int | None:
    """Authenticate on a connection of its own, and return the code that refused it."""
    with connect(_url(exchange, feed)) as socket:
        talk = Talk(socket, packed=False)
        talk.hear()
        talk.say(AUTH)
        code: int | None = talk.hear()[0].get("code")
        if code is not None:
            with pytest.raises(ConnectionClosed):
                socket.recv(WAIT_S)
        return code


def test_plan_when_basic_then_connections_and_symbols_are_limited(basic: ExchangeProcess) -> None:
    """One connection per feed: 406 while it lives, and for the time of a zombie after its line was
    cut; 405 over thirty symbols; 409 on the consolidated feed.
    """
    assert _code(basic, "sip") == 409
    with connect(_url(basic)) as socket:
        talk = Talk(socket, packed=False)
        talk.hear()
        talk.say(AUTH)
        assert talk.hear()[0]["msg"] == "authenticated"
        assert _code(basic) == 406
        talk.say({"action": "subscribe", "quotes": [f"S{number}" for number in range(31)]})
        assert talk.hear()[0] == {"T": "error", "code": 405, "msg": "symbol limit exceeded"}
    assert _code(basic) is None

    with connect(_url(basic)) as cut:
        talk = Talk(cut, packed=False)
        talk.hear()
        talk.say(AUTH)
        assert talk.hear()[0]["msg"] == "authenticated"
        cut.socket.shutdown(plain_socket.SHUT_RDWR)
    assert _code(basic) == 406


def test_stranger_when_silent_then_404_after_ten_seconds_and_the_end(
    exchange: ExchangeProcess,
) -> None:
    """Who does not authenticate in time is told so and sent away, at both streams; wrong words are
    no excuse, and who did authenticate stays.
    """
    begun = time.monotonic()
    trading = f"ws://127.0.0.1:{exchange.port}/stream"
    with connect(_url(exchange)) as socket, connect(trading) as silent, connect(trading) as known:
        known.send(json.dumps({"action": "auth", "key": "key", "secret": "secret"}))
        assert json.loads(known.recv(WAIT_S))["data"]["status"] == "authorized"
        silent.send(json.dumps({"action": "auth", "key": "", "secret": ""}))
        assert json.loads(silent.recv(WAIT_S))["data"]["status"] == "unauthorized"
        talk = Talk(socket, packed=False)
        talk.hear()
        assert talk.hear() == [{"T": "error", "code": 404, "msg": "auth timeout"}]
        told = json.loads(silent.recv(WAIT_S))
        assert told == {"stream": "error", "data": {"code": 404, "message": "auth timeout"}}
        assert time.monotonic() - begun > 9
        for ended in (socket, silent):
            with pytest.raises(ConnectionClosed):
                ended.recv(WAIT_S)
        known.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert json.loads(known.recv(WAIT_S))["stream"] == "listening"
