"""Paper, live_limited and live for real, against an exchange that poses as their broker."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.closed_market import closed_market
from tests.support.exchange_process import ExchangeProcess
from tests.support.posing import (
    KEY_IDS,
    MANY,
    SECRET,
    WHALES_TOKEN,
    confirmation,
    posing_exchange,
    settings_of,
    strangers_talked_to,
)
from tests.support.system import deploy, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SLOW = pytest.mark.slow
MODES = ("paper", "live_limited", "live")
SERVICES = {"data-daemon", "trading-bot", "dashboard", "heartbeat"}
OK_WITHIN_S, PARKED_WITHIN_S, TRADE_WITHIN_S = 30, 30, 200
AWAY_S, BACK_WITHIN_S = 50, 90
"""Every service must be ready within 45 s; a check that found nobody is made again in a minute."""
STALE_WITHIN_S = 150
"""Prices count as fresh for two minutes."""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    with posing_exchange(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all modes: their states must never mix."""
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def started() -> list[str]:
    """The modes that were started in that folder so far: a tier need not choose them all."""
    return []


def health_of(base: Path) -> dict[str, Any]:
    """Return health.json, empty while there is none."""
    path = base / "state" / "health.json"
    return read_json(path) if path.exists() else {}


def word_of(base: Path, word: str) -> object:
    """Return one word of health.json."""
    return health_of(base).get(word)


def state_of(base: Path, name: str = "trading_state.json") -> dict[str, Any]:
    """Return the payload of a trading state."""
    payload: dict[str, Any] = read_json(base / "state" / name)["payload"]
    return payload


@pytest.mark.parametrize("mode", ["paper", "live_limited", pytest.param("live", marks=SLOW)])
def test_mode_when_started_at_a_broker_then_ok_bound_to_its_account_and_no_stranger_asked(
    exchange: ExchangeProcess, base: Path, started: list[str], mode: str
) -> None:
    """Four services, none of them the simulated exchange; contracts good; shorts forbidden at the
    broker; the state named after mode and account; nobody beyond this machine was spoken to.
    """
    exchange.call("PATCH", "/v2/account/configurations", json={"no_shorting": False})
    settings = settings_of(mode, exchange)
    account_id = exchange.call("GET", "/v2/account").json()["id"]

    with running_system(base, *confirmation(mode), settings=settings) as process:
        wait_until(lambda: word_of(base, "code") == "OK", OK_WITHIN_S, "health OK")
        found = health_of(base)
        strangers = strangers_talked_to(process.pid)

    assert (found["mode"], found["trading_state"], set(found["services"])) == (
        mode,
        "ACTIVE",
        SERVICES,
    )
    assert strangers == set()
    assert exchange.call("GET", "/v2/account/configurations").json()["no_shorting"] is True
    assert (state_of(base)["mode"], state_of(base)["account_id"]) == (mode, account_id)
    earlier_modes, started[:] = tuple(started), [*started, mode]
    for earlier in earlier_modes:
        aside = f"trading_state.{earlier}.{account_id}.json"
        assert state_of(base, aside)["mode"] == earlier
    texts = [path.read_text("utf-8") for path in (base / "logs").glob("*.jsonl")]
    assert not [text for text in texts if SECRET in text or WHALES_TOKEN in text]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_check_when_asked_at_a_broker_then_good(
    exchange: ExchangeProcess, tmp_path: Path, mode: str
) -> None:
    """Settings and interfaces, with nothing started."""
    checked = deploy(tmp_path, "check", *confirmation(mode), settings=settings_of(mode, exchange))

    assert checked.code == os.EX_OK, checked.out + checked.err
    assert "interfaces: good" in checked.out


def test_mode_when_the_keys_are_refused_then_the_bot_is_parked_and_the_page_tells(
    tmp_path: Path,
) -> None:
    """FAILED_CONFIG, zero restarts; dashboard and heartbeat live on and show it."""
    keys = ("--key-id", KEY_IDS["live"], "--secret-key", SECRET)
    with posing_exchange(tmp_path / "broker", *keys) as exchange:
        settings = settings_of("live", exchange, APCA_API_SECRET_KEY="not-the-secret-000")
        with running_system(tmp_path, "--confirm", settings=settings):
            wait_until(lambda: word_of(tmp_path, "code") == "FAILED_CONFIG", PARKED_WITHIN_S)
            wait_until(lambda: phase_of(tmp_path, "trading-bot") == "parked", PARKED_WITHIN_S)
            wait_until(lambda: status_of(tmp_path, "heartbeat") == "OK", PARKED_WITHIN_S)
            found = health_of(tmp_path)["services"]

    assert found["trading-bot"]["restarts"] == 0
    assert found["dashboard"]["status"] == "OK"


@pytest.mark.slow
def test_check_when_the_keys_are_refused_then_78_and_no_secret_shows(tmp_path: Path) -> None:
    """Said before anything is started."""
    keys = ("--key-id", KEY_IDS["live"], "--secret-key", SECRET)
    with posing_exchange(tmp_path / "broker", *keys) as exchange:
        settings = settings_of("live", exchange, APCA_API_SECRET_KEY="not-the-secret-000")
        checked = deploy(tmp_path, "check", "--confirm", settings=settings)

    assert checked.code == os.EX_CONFIG
    assert "FAIL  account: CONFIG" in checked.out
    assert "not-the-secret-000" not in checked.out + checked.err


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_mode_when_the_broker_is_away_at_the_start_then_nobody_is_parked_and_all_heals(
    tmp_path: Path,
) -> None:
    """Longer than any service has to become ready: they wait, beat, and say why; no process ends.
    With the broker back all is OK without a hand, and the contracts are checked after all.
    """
    log = tmp_path / "logs" / "supervisor.jsonl"
    with posing_exchange(tmp_path / "broker") as exchange:
        settings = settings_of("paper", exchange)
        exchange.kill()
        with running_system(tmp_path, settings=settings):
            wait_until(lambda: word_of(tmp_path, "code") == "DEGRADED", OK_WITHIN_S, "DEGRADED")
            threading.Event().wait(AWAY_S)
            away = health_of(tmp_path)
            for kept in (tmp_path / "broker").glob("books.db*"):
                kept.unlink()  # a simulated broker's clock stands still while it is away
            exchange.start()
            wait_until(lambda: word_of(tmp_path, "code") == "OK", BACK_WITHIN_S, "OK again")
            checked = "compatibility check of trading ended with exit code 0"
            wait_until(lambda: checked in log.read_text("utf-8"), BACK_WITHIN_S, checked)
            back = health_of(tmp_path)["services"]

    assert (away["code"], away["trading_state"]) == ("DEGRADED", "REDUCING")
    assert {row["phase"] for row in away["services"].values()} == {"running"}
    assert [row["restarts"] for row in back.values()] == [0] * len(SERVICES)
    assert {name: row["pid"] for name, row in back.items()} == {
        name: row["pid"] for name, row in away["services"].items()
    }


@pytest.mark.slow
def test_mode_when_the_market_is_closed_and_silent_then_ok_and_nothing_is_entered(
    tmp_path: Path,
) -> None:
    """A weekend is no fault: no prices come, a mute stream is normal, the verdict is OK."""
    mute = '{"kind": "stream_mute", "lease_s": 120, "scope": {"dialect": "data_stream"}}'
    with (
        posing_exchange(tmp_path / "broker", "--fault", mute) as exchange,
        closed_market(exchange.url) as gateway,
    ):
        settings = settings_of("paper", exchange, ALPACA_TRADING_URL=gateway)
        with running_system(tmp_path, settings=settings):
            wait_until(lambda: word_of(tmp_path, "code") == "OK", OK_WITHIN_S, "health OK")
            begun = progress_of(tmp_path)
            wait_until(lambda: progress_of(tmp_path) >= begun + 3, OK_WITHIN_S, "three turns")
            found = health_of(tmp_path)

    assert (found["code"], found["trading_state"]) == ("OK", "ACTIVE")
    assert not (tmp_path / "logs" / "orders.jsonl").exists()


@pytest.mark.slow
def test_mode_when_only_option_flow_is_refused_then_nobody_is_parked(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """The check of the feeds ends with 78; trading goes on, and the log says what was found."""
    settings = settings_of("paper", exchange, UW_API_TOKEN="another-token-000000")
    log = tmp_path / "logs" / "supervisor.jsonl"
    words = "compatibility check of feeds ended with exit code 78"
    with running_system(tmp_path, settings=settings):
        wait_until(lambda: log.exists() and words in log.read_text("utf-8"), PARKED_WITHIN_S, words)
        found = health_of(tmp_path)

    assert [row["phase"] for row in found["services"].values()] == ["running"] * len(SERVICES)
    assert found["trading_state"] == "ACTIVE"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_mode_when_the_data_contract_is_broken_then_the_check_parks_data_daemon_alone(
    tmp_path: Path,
) -> None:
    """76 parks what it concerns: prices are no longer believed, trading only reduces, the bot and
    the page stay up.
    """
    drift = (
        '{"kind": "field_removed", "lease_s": 120, "parameters": {"path": "quotes.*.bp"}, '
        '"scope": {"endpoint": "/v2/stocks/quotes/latest"}}'
    )
    with (
        posing_exchange(tmp_path / "broker", "--fault", drift) as exchange,
        running_system(tmp_path, settings=settings_of("paper", exchange)),
    ):
        wait_until(lambda: word_of(tmp_path, "code") == "FAILED_API_SCHEMA", PARKED_WITHIN_S)
        wait_until(lambda: phase_of(tmp_path, "data-daemon") == "parked", PARKED_WITHIN_S)
        reducing = ("REDUCING", "data")
        wait_until(lambda: standing_of(tmp_path) == reducing, STALE_WITHIN_S, "REDUCING")
        log = tmp_path / "logs" / "supervisor.jsonl"
        ended = "compatibility check of feeds ended with exit code 0"
        wait_until(lambda: ended in log.read_text("utf-8"), PARKED_WITHIN_S, "asked after the park")
        found = health_of(tmp_path)["services"]

    assert found["data-daemon"]["phase"] == "parked"
    assert "check of the data interface says SCHEMA" in found["data-daemon"]["reason"]
    assert {found[name]["phase"] for name in SERVICES - {"data-daemon"}} == {"running"}


def standing_of(base: Path) -> tuple[object, object]:
    """Return trading state and cause."""
    return word_of(base, "trading_state"), word_of(base, "trading_state_cause")


def progress_of(base: Path) -> int:
    """Return how many turns the bot has finished."""
    return int(health_of(base)["services"]["trading-bot"]["progress"])


def phase_of(base: Path, service: str) -> object:
    """Return the phase of a service."""
    return health_of(base)["services"][service]["phase"]


def status_of(base: Path, service: str) -> object:
    """Return the colour of a service."""
    return health_of(base)["services"][service]["status"]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", MODES)
def test_mode_when_a_symbol_breaks_out_then_entry_and_exit_happen_within_its_limits(
    tmp_path: Path, mode: str
) -> None:
    """A bracket goes out with the caps of the mode, fills, is closed by command, and is booked."""
    orders = tmp_path / "logs" / "orders.jsonl"

    def entry() -> dict[str, Any] | None:
        lines = orders.read_text("utf-8").splitlines() if orders.exists() else []
        steps = [json.loads(line) for line in lines]
        bought = (one for one in steps if one["event"] == "fill" and one["role"] == "entry")
        return next(bought, None)

    with posing_exchange(tmp_path / "broker", symbols=MANY) as exchange:
        settings = settings_of(mode, exchange, SYMBOLS=",".join(MANY))
        with running_system(tmp_path, *confirmation(mode), settings=settings):
            wait_until(lambda: entry() is not None, TRADE_WITHIN_S, "an entry")
            bought = entry() or {}
            said = ("close-position", bought["symbol"], "--reason", "test")
            closed = deploy(tmp_path, *said, settings=settings)

    assert closed.code == os.EX_OK, closed.out + closed.err
    value = float(bought["price"]) * float(bought["qty"])
    assert value <= (505 if mode != "live_limited" else 5_050)
    with sqlite3.connect(tmp_path / "state" / "ledger.db") as ledger:
        assert ledger.execute("select count(*) from trades").fetchone()[0] >= 1
