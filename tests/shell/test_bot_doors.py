"""The bot behind its doors: what it shows of them, and how a stop ends what they wait for."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.trading_bot.heart import FAILED_TRIES_MAX, judge_health
from services.trading_bot.loop import Loop
from services.trading_bot.parts import Parts
from services.trading_bot.startup import Ignition, Stopped, Waiting, hold_lock, start
from shared.clock import SystemClock
from shared.config.endpoints import exchange_endpoints, write_endpoints
from shared.config.settings import Settings
from shared.ports import Turn
from shared.telemetry.notify import Notifier
from shared.vendors.websocket_link import DOWN, LIVE, LinkState
from tests.support.alpaca_payloads import raw_account, raw_clock
from tests.support.bot_house import BEFORE, BotHouse, FakeStream
from tests.support.scripted_alpaca import ScriptedAlpaca
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
LANES = {"broker", "broker-entries", "broker-safety"}


@pytest.fixture
def alpaca() -> Iterator[ScriptedAlpaca]:
    """A broker with a quiet account."""
    with ScriptedAlpaca() as server:
        status = {"source": "seeded", "account_id": raw_account()["id"], "epoch": "h5salyam"}
        server.on("GET", "/v2/account", (200, raw_account()))
        server.on("GET", "/sim/status", (200, {**status, "symbols": ["SPY"], "ended": False}))
        server.on("GET", "/v2/account/configurations", (200, {"no_shorting": True}))
        server.on("GET", "/v2/clock", (200, raw_clock()))
        for path in ("/v2/orders", "/v2/positions", "/v2/account/activities/FILL"):
            server.on("GET", path, (200, []))
        yield server


@contextmanager
def ear(folder: Path) -> Iterator[socket.socket]:
    """A supervisor's notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(folder / "n"))
        bound.setblocking(False)
        yield bound


def heard(bound: socket.socket) -> dict[str, str]:
    """The words said since the last call, the newest of each."""
    words: dict[str, str] = {}
    while True:
        try:
            said = bound.recv(65_536).decode().splitlines()
        except BlockingIOError:
            return words
        words |= dict(line.partition("=")[::2] for line in said)


def settings_at(folder: Path, alpaca: ScriptedAlpaca) -> Settings:
    """Settings whose exchange is the scripted one, and counts our calls."""
    (folder / "state").mkdir(mode=0o700)
    settings = make_settings(folder, SYMBOLS="SPY", SIM_SPEED="1", SIM_RATE_LIMIT="true")
    endpoints = exchange_endpoints(urlsplit(alpaca.url).port or 0, "key", "secret")
    write_endpoints(settings.state.endpoints, exchange=endpoints, dashboard_url=None)
    return settings


@contextmanager
def started(folder: Path, alpaca: ScriptedAlpaca, stop: threading.Event) -> Iterator[Parts]:
    """The bot as its own start wires it."""
    waiting = Waiting(CLOCK, Notifier(str(folder / "n")), stop)
    stream = FakeStream()
    ignition = Ignition(settings_at(folder, alpaca), CLOCK, waiting, lambda _endpoints: stream)
    lock = hold_lock(ignition)
    try:
        parts = start(ignition, lock)
        yield parts
        parts.books.close()
    finally:
        lock.release()


def turn(parts: Parts) -> dict[str, Any]:
    """Do one turn in a new loop, and return the status that it writes."""
    Loop(parts).turn(Turn(parts.market_clock.reading(), None))
    document: dict[str, Any] = json.loads(parts.settings.state.bot_status.read_bytes())
    return document


def test_status_when_written_then_it_and_the_beat_show_every_breaker_and_budget(
    tmp_path: Path, alpaca: ScriptedAlpaca
) -> None:
    """Closed lanes and full budgets first; once reads fail again and again, theirs alone is open,
    in the document, in the metrics, and with the failures that were judged.
    """
    with ear(tmp_path) as bound, started(tmp_path, alpaca, threading.Event()) as parts:
        well = turn(parts)
        alpaca.on("GET", "/v2/account", (503, {"message": "down"}))
        turn(parts)
        heard(bound)  # a full socket would drop the last beat
        ill = turn(parts)
        metrics = json.loads(heard(bound)["X_METRICS"])

    names = {row["name"] for row in well["breakers"]}
    assert names >= LANES | {"clock-trading-bot"}
    assert {row["state"] for row in well["breakers"]} == {"closed"}
    budgets = {row["name"]: row for row in well["budgets"]}
    assert {"broker read", "broker entry", "broker safety"} <= set(budgets)
    assert 0 < budgets["broker read"]["left"] < budgets["broker read"]["per_minute"]
    assert {row["name"]: row["state"] for row in ill["breakers"]}["broker"] == "open"
    assert (metrics["breaker_broker"], metrics["breaker_broker_safety"]) == (2.0, 0.0)
    assert metrics["failures_judged"] >= 2
    assert "words_accuracy_pct" in metrics
    assert "coverage_pct" in metrics


@pytest.mark.parametrize("state", [LinkState(DOWN, "refused: 406"), LinkState(LIVE, "")])
def test_health_when_the_trade_stream_fails_ten_times_in_a_row_then_degraded_with_the_reason(
    tmp_path: Path, state: LinkState
) -> None:
    """Also while it listens for a moment each time: a stream that flaps is no stream."""
    house = BotHouse(tmp_path, BEFORE)
    house.turn()
    house.stream.state, house.stream.failed_tries = state, FAILED_TRIES_MAX - 1
    assert judge_health(house.parts, None).word == "OK"

    house.stream.failed_tries = FAILED_TRIES_MAX
    health = judge_health(house.parts, None)

    assert health.word == "DEGRADED"
    assert health.reason.startswith("the trade stream failed 10 times in a row: ")
    assert (state.reason or "it never lasts") in health.reason


def test_stop_when_a_read_is_to_be_tried_again_then_it_is_not(
    tmp_path: Path, alpaca: ScriptedAlpaca
) -> None:
    """The end of the process is heard by the doors: one request, no second try."""
    stop = threading.Event()

    def refuse(_: object) -> tuple[int, object]:
        stop.set()
        return 503, {"message": "down"}

    alpaca.on("GET", "/v2/account", refuse)
    with pytest.raises(Stopped), started(tmp_path, alpaca, stop):
        pass
    assert [one.path for one in alpaca.asked] == ["/v2/account"]


def test_stop_when_the_budget_is_short_then_the_bot_can_still_read_and_stand_down(
    tmp_path: Path, alpaca: ScriptedAlpaca
) -> None:
    """A bot that ends must cancel what rests, and must see it first: its reads wait for their turn
    as ever, a second at most, instead of failing at once.
    """
    stop = threading.Event()
    with ear(tmp_path), started(tmp_path, alpaca, stop) as parts:
        governor = parts.host.standings["broker"]
        while any(row["left"] for row in governor().budgets if row["name"] == "broker read"):
            parts.broker.positions()
        stop.set()
        asked = len(alpaca.asked)
        assert parts.broker.positions() == ()
        assert parts.broker.orders("open") == ()
    assert len(alpaca.asked) == asked + 2
