"""Market data when the stream fails: mute, refused, limited, poisoned; and when the store goes."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from shared.clock import SystemClock
from shared.models.market import FEED_DRIFT
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.websocket_link import (
    BACKOFF_FIRST_S,
    BACKOFF_MAX_S,
    JITTER,
    LIMIT_PAUSE_S,
    WebsocketLink,
)
from tests.support.daemon_process import DaemonProcess
from tests.support.exchange_process import ExchangeProcess
from tests.support.stream_server import StreamServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KEYS = ("key-of-the-test", "secret-of-the-test")
SYMBOLS = ("AAPL", "MSFT", "SPY")
WAIT_S = 20.0
Pair = tuple[ExchangeProcess, DaemonProcess]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    options = ("--speed", "60", "--db", str(tmp_path / "x.db"), "--symbols", ",".join(SYMBOLS))
    with (
        ExchangeProcess(tmp_path / "exchange", *options) as exchange,
        DaemonProcess(tmp_path, exchange.port, speed="60", keys=KEYS) as daemon,
    ):
        daemon.wait_for("X_HEALTH", "OK")
        wait_until(lambda: len(daemon.reader.last_candles("SPY", 400)) >= 300, WAIT_S)
        yield exchange, daemon


def switch_on(exchange: ExchangeProcess, kind: str, **more: object) -> None:
    reply = exchange.call("POST", "/sim/faults", json={"kind": kind, "lease_s": 300, **more})
    assert reply.status_code == 201, reply.text


def feed_reasons(daemon: DaemonProcess) -> dict[str, tuple[str, str]]:
    return {feed.feed: (feed.state, feed.reason) for feed in daemon.reader.feed_status()}


def newest(daemon: DaemonProcess, symbol: str = "SPY") -> datetime:
    return daemon.reader.last_candles(symbol, 1)[0].start


def is_gapless(daemon: DaemonProcess) -> bool:
    """Whether each symbol's last hour has every minute: the seeded market trades in each."""
    for symbol in SYMBOLS:
        starts = [candle.start for candle in daemon.reader.last_candles(symbol, 60)]
        if starts[-1] - starts[0] != timedelta(minutes=59):
            return False
    return True


@pytest.mark.parametrize("kind", ["stream_mute", "connection_limit", "handshake_refused"])
def test_stream_when_it_fails_then_rest_brings_prices_and_no_bar_is_missing(
    pair: Pair, kind: str
) -> None:
    """Bars and quotes go on over REST while the stream is mute or refused; then it takes over."""
    exchange, daemon = pair
    switch_on(exchange, kind, scope={"dialect": "data_stream"})
    if kind != "stream_mute":
        cut_streams(exchange)
    wait_until(lambda: "REST" in feed_reasons(daemon)["bars"][1], WAIT_S, "fallback")
    begun = newest(daemon)
    wait_until(lambda: newest(daemon) > begun + timedelta(minutes=5), WAIT_S, "bars by REST")
    assert "SPY" in daemon.reader.quotes()
    exchange.call("DELETE", "/sim/faults")
    wait_until(lambda: feed_reasons(daemon)["bars"] == ("live", ""), WAIT_S, "stream again")
    begun = newest(daemon)
    wait_until(lambda: newest(daemon) > begun + timedelta(minutes=3), WAIT_S)
    wait_until(lambda: is_gapless(daemon), WAIT_S, "gap filled")
    assert daemon.stop() == 0


def cut_streams(exchange: ExchangeProcess) -> None:
    """Reset every connection: the port refuses for a moment."""
    reply = exchange.call("POST", "/sim/faults", json={"kind": "refuse_connection", "lease_s": 0.3})
    assert reply.status_code == 201, reply.text


def test_prices_when_they_break_their_contract_then_the_store_says_so_until_they_hold(
    pair: Pair,
) -> None:
    """The word that makes the bot reduce: quotes without a bid, by REST without the stream."""
    exchange, daemon = pair
    switch_on(exchange, "handshake_refused", scope={"dialect": "data_stream"})
    scope = {"dialect": "data"}
    switch_on(exchange, "field_removed", scope=scope, parameters={"path": "quotes.*.bp"})
    cut_streams(exchange)

    def states() -> list[str]:
        return [feed_reasons(daemon)[feed][0] for feed in ("bars", "quotes")]

    wait_until(lambda: states() == [FEED_DRIFT] * 2, WAIT_S, "drift")
    assert "alpaca_rest" in feed_reasons(daemon)["quotes"][1]

    exchange.call("DELETE", "/sim/faults")
    wait_until(lambda: feed_reasons(daemon)["quotes"] == ("live", ""), 2 * WAIT_S, "whole again")


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_store_when_it_is_removed_under_a_running_daemon_then_made_anew(
    pair: Pair, suffixes: tuple[str, ...]
) -> None:
    """SQLite would write into the removed file for ever; the next process fills a new one."""
    _, daemon = pair
    for suffix in suffixes:
        path = daemon.state / f"market.db{suffix}"
        path.unlink()
    assert daemon.exit_code() == os.EX_TEMPFAIL
    words = json.loads((daemon.logs / "last_words/data-daemon.json").read_text())
    assert "market.db is gone" in words["message"]
    daemon.start()
    daemon.wait_for("X_HEALTH", "OK")
    wait_until(lambda: len(daemon.reader.last_candles("SPY", 400)) >= 300, WAIT_S)
    assert daemon.stop() == 0


def test_keys_when_refused_while_running_then_config_exit(pair: Pair) -> None:
    """Keys that are taken away are found over REST, not waited for on the stream."""
    exchange, daemon = pair
    switch_on(exchange, "refused_keys")
    cut_streams(exchange)
    assert daemon.exit_code() == os.EX_CONFIG


class Impatient(SystemClock):
    """Notes the pauses that are asked for and does not wait them out."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.pauses.append(timeout_s)
        return super().wait(event, 0.01)


def link_to(url: str, clock: SystemClock) -> WebsocketLink:
    session = DataStreamSession(KEYS, ["SPY"], lambda _: None, lambda *_: None, lambda: 0.3)
    return WebsocketLink(url, session, clock)


def test_link_when_nobody_answers_then_pauses_double_from_one_second_to_sixty() -> None:
    """With jitter on top, and the tries counted."""
    with StreamServer() as gone:
        url = gone.data_url
    clock = Impatient()
    link = link_to(url, clock)
    link.start()
    wait_until(lambda: len(clock.pauses) >= 9, WAIT_S)
    link.stop(5)
    for number, pause_s in enumerate(clock.pauses[:9]):
        bare_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**number)
        assert bare_s <= pause_s <= bare_s * (1 + JITTER)
    assert (BACKOFF_FIRST_S, BACKOFF_MAX_S) == (1.0, 60.0)
    assert link.failed_tries >= 9


def test_link_when_connections_are_mute_then_they_count_as_failed() -> None:
    """A good handshake followed by silence is no recovery."""
    clock = Impatient()
    with StreamServer() as server:
        link = link_to(server.data_url, clock)
        link.start()
        wait_until(lambda: link.failed_tries >= 3, WAIT_S)
        link.stop(5)
    assert "silent" in link.state.reason or link.state.reason == "stopped"
    assert clock.pauses[2] >= 4 * BACKOFF_FIRST_S


def limited(connection: ServerConnection) -> None:
    """Refuse by the stream's own code, as the real server does after an unclean end."""
    import msgpack

    with suppress(ConnectionClosed, OSError):
        connection.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        connection.recv()
        refusal = {"T": "error", "code": 406, "msg": "connection limit exceeded"}
        connection.send(msgpack.packb([refusal]))


@pytest.mark.parametrize("way", ["406", "429"])
def test_link_when_the_connection_limit_is_reached_then_it_is_waited_out(way: str) -> None:
    """Quick tries would keep the dead connection's place busy."""
    clock = Impatient()

    def refuse(connection: ServerConnection, _request: object) -> object:
        return connection.respond(429, "too many") if way == "429" else None

    with serve(limited, "127.0.0.1", 0, process_request=refuse) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        link = link_to(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v2/iex", clock)
        link.start()
        wait_until(lambda: len(clock.pauses) >= 2, WAIT_S)
        link.stop(5)
        server.shutdown()
        thread.join(5)
    assert all(pause_s >= LIMIT_PAUSE_S for pause_s in clock.pauses[:2])
