"""Streams over real websockets: they come back by themselves and say truthfully how they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from shared.clock import SystemClock
from shared.contracts.drift import SchemaDrift
from shared.models.market import Candle, Quote
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.alpaca_stream import QUEUE_MAX, TradeStream
from shared.vendors.websocket_link import WebsocketLink
from tests.support.alpaca_payloads import raw_order, raw_trade_update
from tests.support.stream_server import StreamServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

WAIT_S = 10.0


class _PatientNowhere(SystemClock):
    """Waits between two connections are cut short; everything else is real."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return super().wait(event, min(timeout_s, 0.05))


def update(number: int) -> dict[str, object]:
    order = raw_order(client_order_id=f"sht-h5salyam-momentum-{number:012x}")
    return {"stream": "trade_updates", "data": raw_trade_update(order=order)}


@pytest.fixture
def server() -> Iterator[StreamServer]:
    with StreamServer() as running:
        yield running


@pytest.fixture
def stream(server: StreamServer) -> Iterator[TradeStream]:
    trades = TradeStream(server.url, ("key", "secret"), _PatientNowhere())
    yield trades
    trades.stop(WAIT_S)


def drain(stream: TradeStream, count: int) -> list[str]:
    """Collect that many updates and return the number at the end of each id."""
    found: list[str] = []

    def enough() -> bool:
        found.extend(u.order.client_order_id[-3:] for u in stream.drain())
        return len(found) >= count

    wait_until(enough, WAIT_S, f"{count} updates")
    return found


def test_websocket_reconnect(server: StreamServer, stream: TradeStream) -> None:
    """The trade stream listens again after each cut, brings what follows, and shows the gap."""
    stream.start()
    server.connected.get(timeout=WAIT_S)
    wait_until(lambda: stream.listening, WAIT_S)
    server.push(update(1))
    assert drain(stream, 1) == ["001"]
    for round_number in (2, 3):
        gaps = stream.gaps
        server.cut()
        server.connected.get(timeout=WAIT_S)
        wait_until(lambda: stream.listening, WAIT_S)
        assert stream.gaps > gaps
        server.push(update(round_number))
        assert drain(stream, 1) == [f"00{round_number}"]
    age_s = stream.last_message_age_s
    assert age_s is not None
    assert age_s < WAIT_S


def test_trade_stream_when_server_is_away_then_waits_and_connects(stream: TradeStream) -> None:
    """Nobody listens at first; as soon as somebody does, the stream is there."""
    with StreamServer() as gone:
        port = gone.port
    trades = TradeStream(f"ws://127.0.0.1:{port}/stream", ("k", "s"), _PatientNowhere())
    trades.start()
    wait_until(lambda: trades.state.state == "down", WAIT_S)
    assert not trades.listening
    assert "refused" in trades.state.reason
    with StreamServer(port) as back:
        back.connected.get(timeout=WAIT_S)
        wait_until(lambda: trades.listening, WAIT_S)
        trades.stop(WAIT_S)
    assert not trades.listening


def test_trade_stream_when_listening_is_not_confirmed_then_not_listening(
    server: StreamServer, stream: TradeStream
) -> None:
    """Being connected is not enough: only the server's acknowledgement counts."""
    server.confirm_listening = False
    stream.start()
    wait_until(lambda: server.attempts >= 1, WAIT_S)
    assert not stream.listening
    assert stream.gaps == 0


def test_trade_stream_when_keys_are_refused_then_says_so_and_keeps_trying(
    server: StreamServer, stream: TradeStream
) -> None:
    """A refusal is shown as such and tried again; REST decides whether it is final."""
    server.refuse_keys = True
    stream.start()
    wait_until(lambda: server.attempts >= 2, WAIT_S)
    wait_until(lambda: "refused our keys" in stream.state.reason, WAIT_S)
    server.refuse_keys = False
    wait_until(lambda: stream.listening, WAIT_S)


def test_trade_stream_when_update_is_broken_then_counted_and_the_rest_passes(
    server: StreamServer, stream: TradeStream
) -> None:
    """A broken update of ours is noted as drift, a foreign one ignored; the stream goes on."""
    stream.start()
    server.connected.get(timeout=WAIT_S)
    ours = raw_trade_update(order=raw_order(status="teleported"))
    foreign = raw_trade_update(order=raw_order(client_order_id="other", status="teleported"))
    messages = [{"stream": "trade_updates", "data": data} for data in (ours, foreign)]
    server.push(*messages, {"stream": "something_new", "data": 3}, update(5))
    assert drain(stream, 1) == ["005"]
    assert stream.drifts == 1
    assert isinstance(stream.last_drift, SchemaDrift)


def test_trade_stream_when_nobody_drains_then_bounded_and_gap_shown(
    server: StreamServer, stream: TradeStream
) -> None:
    """The queue never grows without end; what is lost shows as a gap."""
    stream.start()
    server.connected.get(timeout=WAIT_S)
    wait_until(lambda: stream.listening, WAIT_S)
    gaps = stream.gaps
    message = update(1)
    for _ in range(QUEUE_MAX + 5):
        server.push(message)
    server.push(update(2))
    wait_until(lambda: stream.gaps == gaps + 6, 30)
    updates = stream.drain()
    assert len(updates) == QUEUE_MAX
    assert updates[-1].order.client_order_id.endswith("2")


class DataStream:
    """A data stream into lists."""

    def __init__(
        self,
        url: str,
        silence_s: float | None = None,
        on_item: Callable[[Candle | Quote], None] | None = None,
    ) -> None:
        self.items: list[Candle | Quote] = []
        self.dropped: list[SchemaDrift] = []
        session = DataStreamSession(
            ("key", "secret"),
            ["SPY"],
            on_item or self.items.append,
            lambda drift, raw: self.dropped.append(drift),
            lambda: silence_s,
        )
        self.link = WebsocketLink(url, session, _PatientNowhere())

    def __enter__(self) -> DataStream:
        self.link.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop(WAIT_S)


BAR = {"T": "b", "S": "SPY", "o": 10.1, "h": 10.5, "l": 10.0, "c": 10.25, "v": 7}
QUOTE = {"T": "q", "S": "SPY", "bp": 10.1, "ap": 10.2, "bs": 1, "as": 2}
AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def test_data_stream_when_batch_comes_then_items_and_drops(server: StreamServer) -> None:
    """Binary stamps become UTC, a bad quote is dropped by name, trades are passed over."""
    with DataStream(server.data_url) as data:
        server.connected.get(timeout=WAIT_S)
        server.push(
            {**BAR, "t": AT},
            {**QUOTE, "t": AT, "bp": 99.0},
            {"T": "t", "S": "SPY"},
            QUOTE | {"t": AT},
        )
        wait_until(lambda: len(data.items) == 2, WAIT_S)
        candle, quote = data.items
        assert isinstance(candle, Candle)
        assert candle.start == AT
        assert str(candle.open) == "10.1"
        assert isinstance(quote, Quote)
        assert [drift.path for drift in data.dropped] == ["message.q"]
        assert server.subscriptions[0]["quotes"] == ["SPY"]


def test_data_stream_when_cut_or_error_then_reconnects(server: StreamServer) -> None:
    """A cut and an error message (slow client) both end the connection and begin a new one."""
    with DataStream(server.data_url) as data:
        server.connected.get(timeout=WAIT_S)
        server.cut()
        server.connected.get(timeout=WAIT_S)
        server.push({"T": "error", "code": 407, "msg": "slow client"})
        server.connected.get(timeout=WAIT_S)
        wait_until(lambda: data.link.is_live, WAIT_S)
        assert data.link.connections == 3


@pytest.mark.parametrize("code", [[407], {"is": 407}, None, "407"])
def test_data_stream_when_an_error_has_an_odd_code_then_the_link_lives_on(
    server: StreamServer, code: object
) -> None:
    """Whatever a frame does to its reader, the thread that listens must never die of it."""
    with DataStream(server.data_url) as data:
        server.connected.get(timeout=WAIT_S)
        server.push({"T": "error", "code": code, "msg": "odd"})
        server.connected.get(timeout=WAIT_S)
        wait_until(lambda: data.link.is_live, WAIT_S)


def _broken(item: Candle | Quote) -> None:
    raise KeyError(item.symbol)


def test_link_when_the_session_breaks_then_connects_anew_and_says_why(server: StreamServer) -> None:
    """A defect of ours in taking a message costs the connection, not the stream."""
    with DataStream(server.data_url, on_item=_broken) as data:
        server.connected.get(timeout=WAIT_S)
        server.push(BAR | {"t": AT})
        server.connected.get(timeout=WAIT_S)
        wait_until(lambda: data.link.is_live, WAIT_S)
        assert data.link.connections == 2


def test_data_stream_when_silent_although_due_then_given_up(server: StreamServer) -> None:
    """A socket that answers pings but brings nothing is dropped where data is due."""
    with DataStream(server.data_url, silence_s=0.3) as data:
        server.connected.get(timeout=WAIT_S)
        server.connected.get(timeout=WAIT_S)
        assert data.link.connections >= 1


def test_data_stream_when_keys_are_refused_then_down_with_reason(server: StreamServer) -> None:
    """The vendor's own client would only log; the link says it."""
    server.refuse_keys = True
    with DataStream(server.data_url) as data:
        wait_until(lambda: "refuses our keys" in data.link.state.reason, WAIT_S)
        assert not data.link.is_live


def test_link_when_stopped_then_thread_ends_at_once(server: StreamServer) -> None:
    """Stopping takes a moment, not the vendor's five seconds."""
    clock = SystemClock()
    trades = TradeStream(server.url, ("k", "s"), clock)
    trades.start()
    server.connected.get(timeout=WAIT_S)
    begun_s = clock.monotonic_s()
    trades.stop(5)
    assert clock.monotonic_s() - begun_s < 2
    assert trades.state.state == "down"
    assert not [t for t in threading.enumerate() if t.name == "stream-trade_updates"]
