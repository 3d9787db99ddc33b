"""Streams that say anything at all: memory and time are bounded, and data goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from services.data_daemon.feeds.alpaca_stream_feed import AlpacaStreamFeed
from services.data_daemon.plan import AGE_LIMIT_MARKET_S, BARS
from services.data_daemon.sink import REASONS_MAX, StoreSink
from shared.clock import SystemClock
from shared.vendors.websocket_opening import MESSAGE_BYTES_MAX
from tests.support.hostile_streams import (
    AT,
    BAR,
    QUOTE,
    SECRET,
    WAIT_S,
    Data,
    answering,
    let_in,
    trades_at,
)
from tests.support.stream_server import StreamServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[StreamServer]:
    with StreamServer() as running:
        yield running


@pytest.mark.parametrize(
    "message",
    [
        b"x" * (MESSAGE_BYTES_MAX + 1),
        b"\0" * 4 * MESSAGE_BYTES_MAX,
        [b"x" * 2**20] * 6,
        [b""] * 100_000,
    ],
    ids=["oversized", "compressed bomb", "fragments", "empty fragments"],
)
def test_stream_when_a_message_is_beyond_all_then_given_up_and_connected_anew(
    message: bytes | list[bytes],
) -> None:
    """Whole, packed or in fragments: more than the bound is never held; the stream comes back."""
    times = iter(range(100))

    def handle(connection: ServerConnection) -> None:
        let_in(connection)
        if next(times) == 0:
            connection.send(message)
        connection.send(msgpack.packb([QUOTE], datetime=True))
        connection.recv()

    with answering(handle) as url, Data(url) as data:
        wait_until(lambda: data.link.connections >= 2 and bool(data.items), WAIT_S)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x93\x01\x02\x03",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        msgpack.packb([{"T": "q", "S": "SPY", "bp": float("nan"), "ap": float("inf")}]),
        msgpack.packb([{"T": "b", "S": "SPY", "t": AT, "o": 1e308, "v": 2**63}], datetime=True),
        msgpack.packb([{"T": "q", "S": "\0" * 5, "t": 7, "bp": {}, "ap": []}]),
        msgpack.packb([{"T": ["q"]}, {"S": "SPY"}, None, 7]),
        msgpack.packb({1: 2}),
        b"\x91\xc7\x0c\xff" + b"\xff" * 12,  # a stamp beyond every calendar
    ],
)
def test_data_stream_when_a_frame_is_nonsense_then_the_next_good_one_comes(
    server: StreamServer, frame: bytes
) -> None:
    """A garbled frame costs the connection at most, a broken item itself alone."""
    with Data(server.data_url) as data:
        server.connected.get(timeout=WAIT_S).send(frame)

        def has_come() -> bool:
            server.push(QUOTE)
            return bool(data.items)

        wait_until(has_come, WAIT_S)


EMPTY: tuple[object, ...] = (None, [], 7, {})


def test_trade_stream_when_frames_are_nonsense_then_it_listens_again(server: StreamServer) -> None:
    """No JSON, halves of it, depth without end, numbers without end: the thread lives on."""
    odd = ["", "{", "[" * 99_999, "null", "7", '"trade_updates"', "\ufeff{}", "{" * 9]
    odd += [json.dumps({"stream": "trade_updates", "data": data}) for data in EMPTY]
    odd += ['{"stream": "trade_updates", "data": {"event": "fill", "qty": 1e999, "order": {}}}']
    odd += ['{"stream": {"a": 1}, "data": "x"}', "9" * 5_000, '{"stream": "error", "data": null}']
    with trades_at(server.url) as trades:
        for text in odd:
            connection = server.connected.get(timeout=WAIT_S)
            # The first form may have cost the connection already.
            with suppress(ConnectionClosed):
                for form in (text, text.encode()):
                    connection.send(form)
            server.cut()
        wait_until(lambda: trades.gaps >= len(odd) and trades.listening, WAIT_S)
        assert trades.drain() == ()


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1013, 3000, 4999])
def test_stream_when_closed_with_any_code_then_connected_anew(
    server: StreamServer, code: int
) -> None:
    """No code of a close ends a stream for good, whatever it is said to mean."""
    with Data(server.data_url) as data:
        server.connected.get(timeout=WAIT_S).close(code, "because" * 10)
        server.connected.get(timeout=WAIT_S)
        wait_until(lambda: data.link.is_live, WAIT_S)


def test_data_stream_when_it_chats_and_brings_nothing_then_given_up_as_mute(
    server: StreamServer,
) -> None:
    """Empty batches, unknown kinds and quotes that nobody asked for are no data: a stream that
    brings nothing else is mute, however busy it is.
    """
    chat = [{"T": "hello"}, QUOTE | {"S": "OTHER"}]
    done = threading.Event()
    with Data(server.data_url, lambda: 0.5) as data:
        server.connected.get(timeout=WAIT_S)

        def chatter() -> None:
            while not done.wait(0.02):
                server.push(*chat)
                server.push()

        talker = threading.Thread(target=chatter, daemon=True)
        talker.start()
        server.connected.get(timeout=WAIT_S)
        done.set()
        talker.join(WAIT_S)
        assert data.link.failed_tries >= 1


def test_feed_when_one_of_its_channels_falls_silent_then_rest_is_asked_as_well(
    server: StreamServer,
) -> None:
    """Quotes that go on prove nothing of bars: what is silent for longer than its age limit in an
    open market is fetched, and in a closed one nothing is due.
    """

    class Ahead(SystemClock):
        """A clock that can be put forward."""

        by_s = 0.0

        def monotonic_s(self) -> float:
            return super().monotonic_s() + self.by_s

    clock, sink = Ahead(), StoreSink(SystemClock())
    feed = AlpacaStreamFeed(server.data_url, ("key", SECRET), clock, lambda: None)
    feed.start(["SPY"], sink)
    try:
        assert feed.needs_help(1.0, is_open=True)
        server.connected.get(timeout=WAIT_S)
        server.push(QUOTE, BAR)
        wait_until(lambda: not feed.needs_help(1.0, is_open=True), WAIT_S)
        clock.by_s = 1.0 + AGE_LIMIT_MARKET_S[BARS]
        seen = sink.counts["quotes"]
        server.push(QUOTE)
        wait_until(lambda: sink.counts["quotes"] > seen, WAIT_S)
        assert feed.needs_help(1.0, is_open=True)
        assert not feed.needs_help(1.0, is_open=False)
        server.push(BAR)
        wait_until(lambda: not feed.needs_help(1.0, is_open=True), WAIT_S)
    finally:
        feed.stop(WAIT_S)


def test_feed_when_every_item_is_broken_in_its_own_way_then_the_kinds_are_counted_not_the_values(
    server: StreamServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Crossed quotes come every day, each with other prices: neither memory nor log grows by them;
    of reasons without end most count as one.
    """
    sink = StoreSink(SystemClock())
    feed = AlpacaStreamFeed(server.data_url, ("key", SECRET), SystemClock(), lambda: None)
    feed.start(["SPY"], sink)
    try:
        server.connected.get(timeout=WAIT_S)
        server.push(*({**QUOTE, "bp": 100.0 + n} for n in range(500)))
        wait_until(lambda: sink.counts["dropped"] == 500, WAIT_S)
    finally:
        feed.stop(WAIT_S)
    assert [name for name in sink.counts if name.startswith("dropped ")] == [
        "dropped message.q is not a quote that fits together"
    ]
    assert len([one for one in caplog.records if "item_dropped" in vars(one).values()]) == 10
    for n in range(2 * REASONS_MAX):
        sink.dropped("flow", f"reason {n}", "")
    assert len(sink.counts) <= REASONS_MAX + 1


def test_data_stream_when_silence_becomes_suspicious_then_it_counts_from_then(
    server: StreamServer,
) -> None:
    """A night without a word is no reason to break the connection as the market opens."""
    limit_s: list[float | None] = [None]
    with Data(server.data_url, lambda: limit_s[0]) as data:
        server.connected.get(timeout=WAIT_S)
        threading.Event().wait(1.2)
        limit_s[0] = 1.0
        threading.Event().wait(0.6)
        assert data.link.connections == 1
        wait_until(lambda: data.link.connections >= 2, WAIT_S)


def test_stream_when_pings_flood_and_nobody_reads_then_given_up_and_connected_anew() -> None:
    """Answers to pings that nobody takes would block the reader for ever, and its end with it."""
    held = threading.Event()
    times = iter(range(100))

    def handle(connection: ServerConnection) -> None:
        let_in(connection)
        if next(times):
            connection.send(msgpack.packb([QUOTE], datetime=True))
            connection.recv()
            return
        sock = connection.socket
        connection.recv_messages.paused = True
        connection.recv_flow_control.acquire()  # nothing that the client says is read any more
        ping = b"\x89\x7d" + b"p" * 125
        sock.settimeout(0.5)
        try:
            while not held.is_set():
                sock.sendall(ping * 100)
        except OSError:
            held.wait(WAIT_S)

    with answering(handle) as url, Data(url) as data:
        try:
            wait_until(lambda: data.link.connections >= 2 and bool(data.items), WAIT_S)
        finally:
            held.set()
