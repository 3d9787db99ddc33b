"""data-daemon and its doors: symbols nobody has, a stopped exchange, a limit that asks to wait."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from queue import Empty
from typing import Any

import pytest

from tests.support.daemon_process import DaemonProcess
from tests.support.exchange_process import ExchangeProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KEYS = ("key-of-the-test", "secret-of-the-test")
WAIT_S = 20.0
WATCHDOG_S = 20.0
"""Of data-daemon, in services.toml."""
STOPPED_S = 16.0
"""Long enough for several silent looks after the time that was carried is too old."""
TRUSTED_S = 5.0 + 1.0
"""So long after the stop the last good time may be believed, and a word be on its way."""
Pair = tuple[ExchangeProcess, DaemonProcess]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """An exchange with two symbols, and a daemon that is asked for three."""
    folder = tmp_path_factory.mktemp("doors")
    options = ("--speed", "1", "--db", str(folder / "x.db"), "--symbols", "AAPL,SPY")
    with ExchangeProcess(folder / "exchange", *options) as exchange:
        daemon = DaemonProcess(folder, exchange.port, speed="1", keys=KEYS)
        daemon._environ["SYMBOLS"] = "AAPL,NOPE,SPY"
        with daemon:
            daemon.wait_for("X_HEALTH", "OK")
            yield exchange, daemon


def heard(
    daemon: DaemonProcess,
    seconds: float,
    is_enough: Callable[[float, dict[str, str]], bool] = lambda _at, _words: False,
) -> list[tuple[float, dict[str, str]]]:
    """Return what the daemon says within so many seconds, or up to a word that is enough, with the
    moments it was heard.
    """
    found: list[tuple[float, dict[str, str]]] = []
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        with suppress(Empty):
            words = daemon.words.get(timeout=left)
            found.append((time.monotonic(), words))
            if is_enough(*found[-1]):
                break
    return found


def test_symbols_when_the_exchange_has_them_not_then_log_and_feed_say_so(pair: Pair) -> None:
    """A symbol of the settings that does not trade is named in the feed's status and in the log."""
    _, daemon = pair
    wait_until(
        lambda: any("no NOPE" in feed.reason for feed in daemon.reader.feed_status()), WAIT_S
    )
    reasons = {feed.feed: feed.reason for feed in daemon.reader.feed_status()}
    assert "no NOPE" in reasons["bars"]
    lines = (daemon.logs / "data-daemon.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines if "symbols_absent" in line]
    assert [line["symbols"] for line in told] == [["NOPE"]]


def test_metrics_when_beaten_then_breakers_calls_and_judgement_stand_in_them(
    pair: Pair,
) -> None:
    """Every beat carries the doors: state of each breaker, calls and how long they took; and no
    budget, since none binds here.
    """
    _, daemon = pair

    def has_doors(_at: float, words: dict[str, str]) -> bool:
        return "breaker_market_data" in words.get("X_METRICS", "")

    found: dict[str, Any] = json.loads(heard(daemon, WAIT_S, has_doors)[-1][1]["X_METRICS"])
    assert found["breaker_clock_data_daemon"] == 0.0
    assert [name for name in found if name.startswith("rate_left_")] == []
    assert "failures_judged" in found
    assert 0 < found["calls_within_2000ms_clock_data_daemon"] <= found["calls_clock_data_daemon"]


def test_limit_when_it_asks_to_wait_then_the_daemon_goes_on_beating(pair: Pair) -> None:
    """429 with Retry-After on everything: the daemon goes on beating, and is OK again by itself
    once the limit is over.
    """
    exchange, daemon = pair
    body = {"kind": "rate_limited", "lease_s": 2.5, "parameters": {"retry_after_s": 1}}
    assert exchange.call("POST", "/sim/faults", json=body).status_code == 201
    beats = [at for at, words in heard(daemon, 3.5) if words.get("WATCHDOG") == "1"]
    assert max(b - a for a, b in pairwise(beats)) < WATCHDOG_S / 2
    daemon.wait_for("X_HEALTH", "OK", 2 * WAIT_S)


@pytest.mark.parametrize("looks", [1, pytest.param(9, marks=pytest.mark.slow)])
def test_health_when_the_exchange_is_stopped_dead_then_never_ok_once_time_is_old(
    pair: Pair, looks: int
) -> None:
    """SIGSTOP: connections stand and nothing answers. Once the last good time is too old, no beat
    calls it OK, however long each silent look takes, the first nor any later one; after SIGCONT it
    is OK by itself.
    """
    exchange, daemon = pair
    os.kill(exchange.pid, signal.SIGSTOP)
    began = time.monotonic()
    late_words: list[float] = []

    def is_enough(at: float, words: dict[str, str]) -> bool:
        late_words.extend([at] if at - began > TRUSTED_S and "X_HEALTH" in words else [])
        return len(late_words) >= looks

    try:
        said = heard(daemon, STOPPED_S, is_enough)
    finally:
        os.kill(exchange.pid, signal.SIGCONT)
    words = [(at - began, beat["X_HEALTH"]) for at, beat in said if "X_HEALTH" in beat]
    late = [health for at, health in words if at > TRUSTED_S]
    assert late
    assert "OK" not in late, words
    daemon.wait_for("X_HEALTH", "OK", 2 * WAIT_S)
