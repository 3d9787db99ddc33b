"""data-daemon as a real process beside the real simulated exchange."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from services.data_daemon.feeds.alpaca_stream_feed import AlpacaStreamFeed
from services.data_daemon.sink import StoreSink
from shared.clock import SystemClock
from shared.models.market import Candle
from tests.support.clock import ManualClock
from tests.support.daemon_process import DaemonProcess, LockStepBot
from tests.support.exchange_process import ExchangeProcess
from tests.support.stream_server import StreamServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KEYS = ("key-of-the-test", "secret-of-the-test")
SYMBOLS = ("--symbols", "AAPL,MSFT,SPY")
CLOCK = SystemClock()
WAIT_S = 20.0


@pytest.fixture
def lock_step(tmp_path: Path) -> Iterator[tuple[ExchangeProcess, DaemonProcess]]:
    options = ("--speed", "max", "--db", str(tmp_path / "x.db"), *SYMBOLS)
    with (
        ExchangeProcess(tmp_path / "exchange", *options) as exchange,
        DaemonProcess(tmp_path, exchange.port, speed="max", keys=KEYS) as daemon,
    ):
        yield exchange, daemon


def follow(daemon: DaemonProcess, bot: LockStepBot, minutes: int) -> list[datetime]:
    """Take some minutes; each is stored whole, and nothing later than it, when it is given."""
    seen: list[datetime] = []
    for _ in range(minutes):
        turn = bot.next()
        assert turn.minute is not None
        assert daemon.reader.minute() == turn.minute
        for symbol in ("AAPL", "MSFT", "SPY"):
            newest = daemon.reader.last_candles(symbol, 1)[0]
            assert newest.start == turn.minute
            assert daemon.reader.quotes()[symbol].quote.at <= turn.reading.now
        seen.append(turn.minute)
    return seen


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def exchange_on(daemon: DaemonProcess, folder: Path, *options: str) -> ExchangeProcess:
    """An exchange where the daemon expects it, not yet started."""
    exchange = ExchangeProcess(folder, *options)
    exchange.port = int(daemon.endpoints.trading_url.rpartition(":")[2])
    return exchange


def is_unbroken(minutes: list[datetime]) -> bool:
    steps = {b - a for a, b in pairwise(minutes)}
    return steps == {timedelta(minutes=1)}


def history(daemon: DaemonProcess) -> list[Candle]:
    return [c for s in ("AAPL", "MSFT", "SPY") for c in daemon.reader.last_candles(s, 1_000)]


def test_lock_step_when_followed_then_each_minute_is_whole(
    lock_step: tuple[ExchangeProcess, DaemonProcess],
) -> None:
    """The bot gets a minute only when its bars and quotes are stored, with history before it."""
    _, daemon = lock_step
    assert is_unbroken(follow(daemon, LockStepBot(daemon), 20))
    assert len(daemon.reader.last_candles("SPY", 1_000)) >= 300
    assert len(daemon.reader.daily_candles("SPY", 100)) >= 4
    assert {status.state for status in daemon.reader.feed_status()} == {"live"}
    assert daemon.wait_for("X_HEALTH", "OK")
    assert daemon.stop() == 0


def test_lock_step_when_daemon_is_killed_then_no_minute_is_skipped(
    lock_step: tuple[ExchangeProcess, DaemonProcess],
) -> None:
    """SIGKILL between two minutes: the next process does the minute that was left."""
    _, daemon = lock_step
    bot = LockStepBot(daemon)
    minutes = follow(daemon, bot, 5)
    for _ in range(2):
        daemon.kill()
        daemon.start()
        minutes += follow(daemon, bot, 5)
    assert is_unbroken(minutes)


def test_lock_step_when_exchange_is_killed_then_daemon_waits_and_goes_on(
    lock_step: tuple[ExchangeProcess, DaemonProcess],
) -> None:
    """The exchange dies and returns: DEGRADED in between, the same process, no minute lost."""
    exchange, daemon = lock_step
    bot = LockStepBot(daemon)
    minutes = follow(daemon, bot, 5)
    exchange.kill()
    assert daemon.wait_for("X_HEALTH", "DEGRADED")
    exchange.start()
    minutes += follow(daemon, bot, 5)
    assert is_unbroken(minutes)
    assert daemon.wait_for("X_HEALTH", "OK")
    assert daemon.stop() == 0


def test_store_when_market_changes_then_begun_anew_and_seed_repeats_exactly(
    tmp_path: Path,
) -> None:
    """Another seed is another account whose candles never mix with the first one's; the same
    seed gives the same candles, to the last digit.
    """
    stores: list[list[Candle]] = []
    sources: list[str | None] = []
    for place, seed in (("a", "1"), ("a", "2"), ("b", "1")):
        folder = tmp_path / place
        books = str(folder / f"{seed}.db")
        options = ("--speed", "max", "--seed", seed, "--db", books, *SYMBOLS)
        with (
            DaemonProcess(folder, free_port(), speed="max", keys=KEYS) as daemon,
            exchange_on(daemon, folder / "exchange", *options),
        ):
            follow(daemon, LockStepBot(daemon), 3)
            sources.append(daemon.reader.source())
            stores.append(history(daemon))
    first, other, repeated = stores
    assert first == repeated
    assert not set(first) & set(other)
    assert len(other) <= 3 * 303
    assert sources[0] == sources[2] != sources[1]


def test_free_running_when_exchange_comes_late_dies_and_returns_then_heals(
    tmp_path: Path,
) -> None:
    """READY without an exchange, DEGRADED while it is away, OK again each time, no hand."""
    options = ("--speed", "60", "--db", str(tmp_path / "x.db"), *SYMBOLS)
    with DaemonProcess(tmp_path, free_port(), speed="60", keys=KEYS) as daemon:
        exchange = exchange_on(daemon, tmp_path / "exchange", *options)
        assert daemon.wait_for("READY", "1")
        assert "connection_refused" in daemon.wait_for("X_HEALTH", "DEGRADED")["X_REASON"]
        with exchange:
            daemon.wait_for("X_HEALTH", "OK")
            wait_until(lambda: len(daemon.reader.last_candles("SPY", 400)) >= 300, WAIT_S)
            wait_until(lambda: "SPY" in daemon.reader.quotes(), WAIT_S)
            exchange.kill()
            daemon.wait_for("X_HEALTH", "DEGRADED")
            exchange.start()
            daemon.wait_for("X_HEALTH", "OK")
        assert daemon.stop() == 0
    lines = (daemon.logs / "data-daemon.jsonl").read_text().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events.count("new_market") == 1
    assert KEYS[1] not in "".join(lines)


def test_start_when_addresses_or_disk_are_missing_then_ready_and_waiting(tmp_path: Path) -> None:
    """Without endpoints, then without a store that can be opened, it says so and goes on."""
    with DaemonProcess(tmp_path, free_port(), speed="60", keys=KEYS) as daemon:
        daemon.kill()
        endpoints = daemon.state / "run/endpoints.json"
        kept = endpoints.read_bytes()
        endpoints.unlink()
        (daemon.state / "market.db").unlink(missing_ok=True)
        (daemon.state / "market.db").mkdir()
        daemon.start()
        wait_until(lambda: "endpoints.json" in daemon.next_reason(), WAIT_S)
        endpoints.write_bytes(kept)
        wait_until(lambda: "market.db" in daemon.next_reason(), WAIT_S)
        (daemon.state / "market.db").rmdir()
        wait_until(lambda: "connection_refused" in daemon.next_reason(), WAIT_S)
        assert daemon.stop() == 0


def test_keys_when_refused_then_config_exit_with_last_words(tmp_path: Path) -> None:
    """Refused keys are found over REST and end the process with 78, at once and for good."""
    options = ("--speed", "60", "--db", str(tmp_path / "x.db"), "--key-id", "a" * 20)
    with (
        ExchangeProcess(tmp_path / "exchange", *options, "--secret-key", "b" * 20) as exchange,
        DaemonProcess(tmp_path, exchange.port, speed="60", keys=KEYS) as daemon,
    ):
        assert daemon.exit_code() == os.EX_CONFIG
    words = json.loads((daemon.logs / "last_words/data-daemon.json").read_text())
    assert words["class"] == "CONFIG"
    assert "unauthorized" in words["message"] or "forbidden" in words["message"]
    assert KEYS[1] not in words["message"]


def test_stream_feed_when_items_are_broken_then_counted_and_the_rest_stored() -> None:
    """A bad bar and a crossed quote are dropped and counted; their neighbours arrive."""
    bar = {"T": "b", "S": "SPY", "o": 10.1, "h": 10.5, "l": 10.0, "c": 10.2, "v": 7}
    quote = {"T": "q", "S": "SPY", "bp": 10.1, "ap": 10.2, "bs": 1, "as": 2}
    at = {"t": datetime.fromisoformat("2026-01-05T14:30:00+00:00")}
    sink = StoreSink(ManualClock())
    with StreamServer() as server:
        feed = AlpacaStreamFeed(server.data_url, KEYS, CLOCK, lambda: None)
        feed.start(("SPY",), sink)
        server.connected.get(timeout=WAIT_S)
        server.push(bar | at | {"h": 1}, bar | at, quote | at | {"bp": 11.0}, quote | at)
        wait_until(lambda: sink.counts["quotes"] == 1, WAIT_S)
        feed.report()
        assert sink.link_of("bars") == ("live", "")
        feed.stop(5)
        feed.report()
        assert sink.link_of("bars")[0] == "down"
    assert sink.counts["dropped"] == 2
    batch = sink.take()
    assert [candle.symbol for candle in batch.candles] == ["SPY"]
    assert batch.quotes[0].bid_size == 1
    sink.give_back(batch)
    assert sink.take() == batch
