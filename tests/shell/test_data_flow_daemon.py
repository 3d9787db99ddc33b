"""Option flow through the whole daemon: beside prices, in lock-step, and when the vendor fails."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.data_daemon.sink import StoreSink
from services.data_daemon.wiring import wire
from shared.clock import SystemClock
from shared.config.endpoints import load_endpoints
from shared.config.settings import load_settings
from shared.persistence.market_flow import FlowStoreReader
from tests.support.clock import ManualClock
from tests.support.daemon_process import DaemonProcess, LockStepBot
from tests.support.exchange_process import ExchangeProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
KEYS = ("key-of-the-test", "secret-of-the-test")
WAIT_S = 20.0
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def test_daemon_when_vendor_fails_then_prices_go_on_and_flow_heals(tmp_path: Path) -> None:
    """Flow in market.db beside prices; a dead vendor makes it stale, never the bars; it heals."""
    options = ("--speed", "60", "--db", str(tmp_path / "x.db"), "--symbols", "AAPL,MSFT,SPY")
    with (
        ExchangeProcess(tmp_path / "exchange", *options) as exchange,
        DaemonProcess(tmp_path, exchange.port, speed="60", keys=KEYS) as daemon,
    ):
        daemon.wait_for("X_HEALTH", "OK")
        flow = FlowStoreReader(daemon.state / "market.db")
        wait_until(lambda: state_of(flow) == "live", WAIT_S)
        wait_until(lambda: flow.poll(BEGINNING) and flow.prints(BEGINNING), WAIT_S)
        assert flow.tide(BEGINNING)
        assert {alert.symbol for alert in flow.poll(BEGINNING)} <= {"AAPL", "MSFT", "SPY"}
        known = len(flow.poll(BEGINNING))
        fault = {"kind": "server_error", "lease_s": 300, "scope": {"dialect": "uw"}}
        reply = exchange.call("POST", "/sim/faults", json=fault)
        assert reply.status_code == 201, reply.text
        said = daemon.wait_for("X_HEALTH", "DEGRADED", 60)["X_REASON"]
        assert "flow stale" in said
        assert "last good kept" in said
        assert len(flow.poll(BEGINNING)) >= known
        assert {feed.state for feed in flow.feed_status() if feed.feed != "flow"} == {"live"}
        exchange.call("DELETE", "/sim/faults")
        daemon.wait_for("X_HEALTH", "OK", 60)
        assert daemon.stop() == 0
        flow.close()


def state_of(reader: FlowStoreReader) -> str:
    return {feed.feed: feed.state for feed in reader.feed_status()}.get("flow", "")


def test_daemon_when_lock_step_then_flow_is_the_same_each_time_and_never_ahead(
    tmp_path: Path,
) -> None:
    """A minute is released with its flow stored; two runs with one seed are equal."""
    runs = []
    for place in ("a", "b"):
        folder = tmp_path / place
        options = ("--speed", "max", "--db", str(folder / "x.db"), "--symbols", "AAPL,MSFT,SPY")
        with (
            ExchangeProcess(folder / "exchange", *options) as exchange,
            DaemonProcess(folder, exchange.port, speed="max", keys=KEYS) as daemon,
        ):
            bot, flow = LockStepBot(daemon), FlowStoreReader(daemon.state / "market.db")
            seen = []
            for _ in range(32):
                turn = bot.next()
                alerts = flow.poll(BEGINNING)
                assert all(alert.at <= turn.reading.now for alert in alerts)
                seen.append([alert.alert_id for alert in alerts])
            assert state_of(flow) == "live"
            flow.close()
        runs.append(seen)
    assert runs[0] == runs[1]
    assert len(runs[0][-1]) > len(runs[0][0]) > 0


def test_daemon_when_the_vendor_fails_at_a_round_then_lock_step_misses_none_of_it(
    tmp_path: Path,
) -> None:
    """A vendor who is back within seconds, as after a restart, costs time and no alert."""
    seen = []
    for place in ("whole", "failing"):
        folder = tmp_path / place
        options = ("--speed", "max", "--db", str(folder / "x.db"), "--symbols", "AAPL,MSFT,SPY")
        with (
            ExchangeProcess(folder / "exchange", *options) as exchange,
            DaemonProcess(folder, exchange.port, speed="max", keys=KEYS) as daemon,
        ):
            bot, flow = LockStepBot(daemon), FlowStoreReader(daemon.state / "market.db")
            # Whatever the vendor is asked while this lasts fails, and prices do not.
            minute = bot.next().minute
            while minute is not None and minute.minute % 15 != 14:
                minute = bot.next().minute
            if place == "failing":
                fault = {"kind": "server_error", "lease_s": 3, "scope": {"dialect": "uw"}}
                assert exchange.call("POST", "/sim/faults", json=fault).status_code == 201
            bot.next()
            seen.append([alert.alert_id for alert in flow.poll(BEGINNING)])
            flow.close()
    assert seen[0] == seen[1]
    assert seen[0]


def test_daemon_when_vendor_is_away_in_lock_step_then_minutes_go_on(tmp_path: Path) -> None:
    """Flow that cannot be had holds no minute up."""
    options = ("--speed", "max", "--db", str(tmp_path / "x.db"), "--symbols", "AAPL,MSFT,SPY")
    with ExchangeProcess(tmp_path / "exchange", *options) as exchange:
        fault = {"kind": "silence", "lease_s": 300, "scope": {"dialect": "uw"}}
        assert exchange.call("POST", "/sim/faults", json=fault).status_code == 201
        with DaemonProcess(tmp_path, exchange.port, speed="max", keys=KEYS) as daemon:
            bot = LockStepBot(daemon)
            assert [bot.next().minute is not None for _ in range(10)] == [True] * 10
            assert state_of(FlowStoreReader(daemon.state / "market.db")) in ("connecting", "stale")


def test_daemon_when_token_is_refused_then_flow_is_down_and_prices_go_on(tmp_path: Path) -> None:
    """A refused token parks the flow, never the prices; the token itself is never told."""
    options = ("--speed", "60", "--db", str(tmp_path / "x.db"), "--whales-token", "t" * 20)
    with (
        ExchangeProcess(tmp_path / "exchange", *options) as exchange,
        DaemonProcess(tmp_path, exchange.port, speed="60", keys=KEYS) as daemon,
    ):
        said = daemon.wait_for("X_HEALTH", "DEGRADED", 60)["X_REASON"]
        while "flow down" not in said:
            said = daemon.next_reason()
        assert KEYS[0] not in said
        wait_until(daemon.reader.quotes, WAIT_S)
        assert daemon.stop() == 0
    assert KEYS[0] not in (daemon.logs / "data-daemon.jsonl").read_text()


@pytest.mark.parametrize("token", [None, "token-of-the-test"])
def test_flow_when_there_is_no_token_outside_sim_then_it_is_off(
    tmp_path: Path, token: str | None
) -> None:
    """With a token the vendor's own address is asked; without one nobody is."""
    said = {"UW_API_TOKEN": token} if token is not None else {}
    environ = {
        "TRADING_MODE": "paper",
        "APCA_API_KEY_ID": "k" * 20,
        "APCA_API_SECRET_KEY": "s" * 40,
        "STATE_DIR": str(tmp_path),
        "SHT_ENV_FILE": "",
    }
    settings = load_settings(environ | said)
    endpoints = load_endpoints(settings)
    parts = wire(settings, endpoints, CLOCK)
    flow = parts.open_flow(lambda: None, StoreSink(ManualClock()))
    assert (flow is not None) is (token is not None)
    assert endpoints.flow_token == token
    assert "token-of-the-test" not in repr(endpoints)
    parts.store.close()
