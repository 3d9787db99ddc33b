"""The compatibility check against a real simulated exchange, on good days and bad ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.config.endpoints import Endpoints, exchange_endpoints, write_endpoints
from shared.contracts.shapes import shape_of
from shared.persistence.contract_record import ContractRecord
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.websocket_link import WebsocketLink
from tests.support.alpaca_payloads import raw_account
from tests.support.compatibility import Checks, DaysLater
from tests.support.exchange_faults import heal, switch_on
from tests.support.exchange_process import HEADERS, ROOT, ExchangeProcess
from tests.support.system import deploy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

KEYS = (HEADERS["APCA-API-KEY-ID"], HEADERS["APCA-API-SECRET-KEY"])
SECRET = "secret-of-the-test"
EVERYTHING = {
    "account", "configurations", "clock", "positions", "orders", "fills", "movements", "asset",
    "portfolio history",
    "trade updates", "bars", "quotes", "flow alerts", "dark pool prints", "market tide",
    "price stream",
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    options = ("--speed", "60", "--db", str(folder / "x.db"), "--symbols", "SPY")
    keys = ("--key-id", KEYS[0], "--secret-key", KEYS[1], "--whales-token", KEYS[0])
    with ExchangeProcess(folder, *options, *keys) as exchange:
        yield exchange


@pytest.fixture
def exchange(running: ExchangeProcess) -> Iterator[ExchangeProcess]:
    """The exchange without a fault, before and after."""
    heal(running)
    yield running
    heal(running)


@pytest.fixture
def endpoints(exchange: ExchangeProcess) -> Endpoints:
    return exchange_endpoints(exchange.port, *KEYS)


@pytest.fixture
def checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checks:
    return Checks(tmp_path, capsys)


def spoil(exchange: ExchangeProcess, kind: str, **words: str) -> None:
    """Begin a fault; its words say where it acts, or how."""
    scope = {name: word for name, word in words.items() if name in ("dialect", "endpoint")}
    how = {name: word for name, word in words.items() if name not in scope}
    switch_on(exchange, kind, scope=scope, parameters=how)


def line_of(lines: list[str], name: str) -> str:
    """Return the one line about a question."""
    (line,) = (line for line in lines if line[6:].split(":")[0] == name)
    return line


def test_check_when_contracts_are_kept_then_every_question_is_well(
    checks: Checks, endpoints: Endpoints
) -> None:
    """Trading, clock, data, both streams and Unusual Whales: asked and answered, exit 0."""
    code, lines = checks.ask(endpoints)

    assert code == os.EX_OK, lines
    assert {line[6:].split(":")[0] for line in lines} == EVERYTHING
    assert {line[:4] for line in lines} == {"ok  ", "note"}
    assert "no_shorting is off; the bot switches it on" in line_of(lines, "configurations")


@pytest.mark.parametrize(
    ("area", "fault", "code", "told"),
    [
        ("trading", {"kind": "field_removed", "path": "equity", "endpoint": "/v2/account"},
         os.EX_PROTOCOL, "account: SCHEMA: account.equity: expected a decimal as text"),
        ("trading", {"kind": "field_retyped", "path": "is_open", "to": "string"},
         os.EX_PROTOCOL, "clock: SCHEMA: clock.is_open: expected true or false"),
        ("trading", {"kind": "refused_keys", "dialect": "trading"},
         os.EX_CONFIG, "account: CONFIG"),
        ("trading", {"kind": "refused_keys", "dialect": "trading_stream"},
         os.EX_CONFIG, "trade updates: CONFIG"),
        ("data", {"kind": "field_renamed", "path": "bars", "to": "candles"},
         os.EX_PROTOCOL, "bars: SCHEMA: reply.bars"),
        ("data", {"kind": "field_removed", "path": "quotes.*.bp"},
         os.EX_PROTOCOL, "quotes: SCHEMA: quotes.SPY.bp"),
        ("feeds", {"kind": "refused_keys", "dialect": "uw"},
         os.EX_CONFIG, "flow alerts: CONFIG"),
        ("feeds", {"kind": "field_retyped", "path": "data.*.total_premium", "dialect": "uw"},
         os.EX_PROTOCOL, "flow alerts: SCHEMA: alerts[0].total_premium"),
    ],
)  # fmt: skip
def test_check_when_something_breaks_then_code_name_and_next_step(
    checks: Checks, exchange: ExchangeProcess, endpoints: Endpoints,
    area: str, fault: dict[str, str], code: int, told: str,
) -> None:  # fmt: skip
    """Each interface by itself: what broke, in which class, what to do; other areas are well."""
    spoil(exchange, **fault)

    found, lines = checks.ask(endpoints, area)

    assert found == code, lines
    assert any(line.startswith(f"FAIL  {told}") for line in lines), lines


def test_check_when_our_clock_is_off_the_brokers_then_it_says_how_far_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], endpoints: Endpoints
) -> None:
    """Outside sim a skewed clock denies every entry: the check tells it before that happens."""
    keys = {"APCA_API_KEY_ID": KEYS[0], "APCA_API_SECRET_KEY": KEYS[1]}
    paper = Checks(tmp_path, capsys, TRADING_MODE="paper", **keys)

    code, lines = paper.ask(endpoints, "trading")

    assert code == os.EX_TEMPFAIL
    assert "s off the broker's" in line_of(lines, "clock")
    assert "let NTP set it" in line_of(lines, "clock")


def test_check_when_the_broker_is_absent_then_75(checks: Checks, endpoints: Endpoints) -> None:
    """Nobody there passes by itself."""
    gone = "http://127.0.0.1:1"

    code, lines = checks.ask(replace(endpoints, data_url=gone), "data")

    assert code == os.EX_TEMPFAIL
    assert line_of(lines, "bars").startswith("FAIL  bars: TRANSIENT")


def test_check_when_the_price_stream_refuses_the_keys_then_78(
    checks: Checks, endpoints: Endpoints
) -> None:
    """A stream would be asked for ever otherwise: its refusal is told like any other."""
    code, lines = checks.ask(replace(endpoints, secret_key=SECRET), "feeds")

    assert code == os.EX_CONFIG
    assert "the data stream refuses our keys (402" in line_of(lines, "price stream")
    assert SECRET not in str(lines)


def test_check_when_the_one_connection_is_taken_then_the_price_stream_is_well(
    checks: Checks, tmp_path: Path
) -> None:
    """data-daemon holds it; that refusal proves the keys, and no second try disturbs it."""
    options = ("--db", str(tmp_path / "x.db"), "--symbols", "SPY", "--data-plan", "basic")
    with ExchangeProcess(tmp_path, *options) as limited:
        endpoints = exchange_endpoints(limited.port, *KEYS)
        session = DataStreamSession(KEYS, ("SPY",), note, note, lambda: None)
        holder = WebsocketLink(endpoints.data_stream_url, session, SystemClock())
        holder.start()
        try:
            wait_until(lambda: holder.is_live, 10, "the daemon's connection")
            code, lines = checks.ask(endpoints, "feeds")
            assert holder.is_live
        finally:
            holder.stop(5)

    assert (code, line_of(lines, "price stream")) == (os.EX_OK, "ok    price stream")


def note(*_: object) -> None:
    """Prices do not matter here."""


def test_check_when_there_is_no_token_then_option_flow_is_off_and_all_is_well(
    checks: Checks, endpoints: Endpoints
) -> None:
    """Unusual Whales is an extra: its absence is said and is no fault."""
    code, lines = checks.ask(replace(endpoints, flow_token=None, flow_url=None), "feeds")

    assert code == os.EX_OK
    assert lines[-1].startswith("off   Unusual Whales: UW_API_TOKEN is not set")


def test_check_when_a_reply_grows_then_it_is_told_once_and_nothing_stops(
    checks: Checks, exchange: ExchangeProcess, endpoints: Endpoints
) -> None:
    """A field that nobody reads gets another name: news on the first check, silence after."""
    checks.ask(endpoints, "trading")
    fault = {"path": "multiplier", "to": "leverage", "endpoint": "/v2/account"}
    spoil(exchange, "field_renamed", **fault)

    code, lines = checks.ask(endpoints, "trading")
    again = checks.ask(endpoints, "trading")[1]

    assert code == os.EX_OK
    assert [line for line in lines if "new:" in line] == [
        "note  new: + account.leverage: amount (nobody reads it)",
        "note  new: - account.multiplier: amount (nobody reads it)",
    ]
    assert not [line for line in again if "new:" in line]


def test_drift_when_two_days_differ_then_shown_as_a_diff_with_versions(
    checks: Checks, exchange: ExchangeProcess, endpoints: Endpoints
) -> None:
    """Monday's record beside Tuesday's: what came, what left, what is of another type, whose."""
    checks.ask(endpoints, "trading")
    spoil(exchange, "field_retyped", path="equity", to="number", endpoint="/v2/account")
    spoil(exchange, "field_removed", path="*.class", endpoint="/v2/assets")
    checks.ask(endpoints, "trading", clock=DaysLater(1))

    code, lines = checks.drift("trading")

    assert code == os.EX_PROTOCOL
    assert lines[0].startswith("trading: ")
    assert lines[1].startswith("  account: contract 1 → 1, fingerprint ")
    assert "    ~ account.equity: amount → number (WE READ IT)" in lines


def test_drift_when_fewer_than_two_days_are_recorded_then_it_says_so(
    checks: Checks, endpoints: Endpoints
) -> None:
    """Nothing to compare is no fault."""
    checks.ask(endpoints, "data")

    assert checks.drift("data") == (os.EX_OK, ["data: no two recorded days to compare"])


def test_command_when_asked_for_drift_then_the_diff_of_two_days_and_76(tmp_path: Path) -> None:
    """`check --drift` asks nobody; a field that we read and that changed its type is 76."""
    record = ContractRecord(tmp_path / "logs" / "contracts", "sim", "trading")
    for day, equity in ((date(2026, 11, 19), "100"), (date(2026, 11, 20), 100)):
        record.add(day, {"account": shape_of("account", raw_account(equity=equity))})
    sim = {"TRADING_MODE": "sim"}

    shown = deploy(tmp_path, "check", "--drift", settings=sim)
    alone = deploy(tmp_path, "check", "--drift", "2026-11-19", settings=sim)

    assert shown.code == os.EX_PROTOCOL, shown.err
    assert "trading: 2026-11-19 → 2026-11-20, sim" in shown.out
    assert "~ account.equity: amount → number (WE READ IT)" in shown.out
    assert (alone.code, "no two recorded days" in alone.out) == (os.EX_OK, True)


def test_process_when_a_contract_breaks_then_the_payload_is_kept_and_no_secret_shows(
    tmp_path: Path, exchange: ExchangeProcess
) -> None:
    """As the supervisor runs it: exit 76, the evidence in the log of the process, keys masked."""
    endpoints = exchange_endpoints(exchange.port, *KEYS)
    spoil(exchange, "field_retyped", path="equity", to="list", endpoint="/v2/account")
    spoil(exchange, "unknown_word", path="status", word=KEYS[1], endpoint="/v2/account")
    write_endpoints(tmp_path / "state/run/endpoints.json", exchange=endpoints, dashboard_url=None)
    ours = ("SIM_", "APCA_", "ALPACA_", "SHT_", "TRADING_", "UW_")
    environ = {name: word for name, word in os.environ.items() if not name.startswith(ours)}
    environ |= {"STATE_DIR": str(tmp_path / "state"), "LOG_DIR": str(tmp_path / "logs")}
    environ |= {"SHT_ENV_FILE": "", "TRADING_MODE": "sim", "SYMBOLS": "SPY"}
    command = [sys.executable, "-m", "shared.vendors.compatibility", "trading"]

    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == os.EX_PROTOCOL, done.stdout + done.stderr
    log = (tmp_path / "logs" / "compatibility-trading.jsonl").read_text(encoding="utf-8")
    (kept,) = (
        row for row in map(json.loads, log.splitlines()) if row["event"] == "contract_broken"
    )
    assert (kept["path"], kept["class"]) == ("account.equity", "SCHEMA")
    assert (kept["expected"], kept["found"]) == ("a decimal as text", "list []")
    assert json.loads(kept["raw"])["status"] == "***"
    assert KEYS[1] not in kept["raw"]
