"""Contracts that break under the running system: it halts, says why, and comes back by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.system import log_lines, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

OK_WITHIN_S, SEEN_WITHIN_S, HEALED_WITHIN_S = 40, 30, 40
LEASE_S, CALL_S = 60, 10
LIMIT_S = 30
"""Longer than the watchdog of every service, which is 20 s."""
TURNS = 8
"""Finished turns of the bot after which a novelty has been met often enough."""


class Running:
    """The whole system in sim, and the exchange inside it, which can be made to drift."""

    def __init__(self, base: Path) -> None:
        self.base = base
        ends = read_json(base / "state" / "run" / "endpoints.json")
        self._url = ends["exchange_url"]
        self._headers = {
            "APCA-API-KEY-ID": ends["exchange_key_id"],
            "APCA-API-SECRET-KEY": ends["exchange_secret_key"],
        }

    def health(self) -> dict[str, Any]:
        """Return health.json."""
        return read_json(self.base / "state" / "health.json")

    def is_well(self) -> bool:
        """Whether the verdict is OK and trading goes on."""
        found = self.health()
        return (found["code"], found["trading_state"]) == ("OK", "ACTIVE")

    def turns(self) -> int:
        """Return how many turns the bot has finished."""
        return int(self.health()["services"]["trading-bot"]["progress"])

    def processes(self) -> dict[str, tuple[int, int]]:
        """Return pid and restarts of every service."""
        rows = self.health()["services"].items()
        return {name: (row["pid"], row["restarts"]) for name, row in rows}

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask the exchange as any client would."""
        address = self._url + path
        return requests.request(
            method, address, headers=self._headers, timeout=CALL_S, **options
        ).json()

    def spoil(self, kind: str, endpoint: str, **parameters: str) -> None:
        """Let every reply of an endpoint drift."""
        scope = {"endpoint": endpoint, "method": "GET"}
        body = {"kind": kind, "lease_s": LEASE_S, "scope": scope, "parameters": parameters}
        self.ask("POST", "/sim/faults", json=body)

    def heal(self) -> None:
        """End the drift and wait until all is well again, without a hand."""
        self.ask("DELETE", "/sim/faults")
        wait_until(self.is_well, HEALED_WITHIN_S, "OK and ACTIVE again")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.mktemp("drift")
    settings = {"TRADING_MODE": "sim", "SIM_SPEED": "60", "SECONDS_TO_RUN": "600"}
    with running_system(base, settings=settings):
        health = base / "state" / "health.json"
        wait_until(lambda: health.exists() and read_json(health)["code"] == "OK", OK_WITHIN_S, "OK")
        yield Running(base)


@pytest.mark.parametrize(
    ("kind", "endpoint", "parameters", "field"),
    [
        ("field_removed", "/v2/account", {"path": "equity"}, "account.equity"),
        pytest.param(
            *("field_retyped", "/v2/account", {"path": "equity", "to": "number"}, "account.equity"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("field_renamed", "/v2/clock", {"path": "is_open", "to": "open"}, "clock.is_open"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_bot_when_a_field_it_reads_drifts_then_halted_until_it_is_back(
    running: Running, kind: str, endpoint: str, parameters: dict[str, str], field: str
) -> None:
    """FAILED_API_SCHEMA names the field, trading is HALTED by the contracts, the bot stays up; it
    trades again when the promise is kept again. The payload lies in the log.
    """
    restarts = running.health()["services"]["trading-bot"]["restarts"]
    running.spoil(kind, endpoint, **parameters)

    wait_until(lambda: running.health()["code"] == "FAILED_API_SCHEMA", SEEN_WITHIN_S, "76 seen")
    found = running.health()
    running.heal()

    bot = found["services"]["trading-bot"]
    assert (found["trading_state"], found["trading_state_cause"]) == ("HALTED", "contracts")
    assert field in bot["reason"]
    assert bot["phase"] == "running"
    assert running.health()["services"]["trading-bot"]["restarts"] == restarts
    kept = [
        row
        for row in log_lines(running.base / "logs" / "trading-bot.jsonl")
        if row["event"] == "contract_broken" and row["path"] == field
    ]
    assert kept
    assert kept[0]["raw"].startswith("{")


def test_bot_when_fields_that_nobody_reads_drift_then_trading_goes_on(running: Running) -> None:
    """Additions, renames and novel words on what is not ours never stop trading."""
    running.spoil("field_renamed", "/v2/account", path="multiplier", to="leverage")
    running.spoil("field_removed", "/v2/account", path="currency")
    running.spoil("unknown_word", "/v2/account", path="account_number")
    begun, states = running.turns(), set()

    def enough() -> bool:
        states.add(running.health()["trading_state"])
        return running.turns() >= begun + TURNS

    wait_until(enough, SEEN_WITHIN_S, "turns under drift")
    living = (one for one in running.ask("GET", "/sim/faults")["faults"] if one["acted"])
    acted = {one["kind"] for one in living}
    running.heal()

    assert states == {"ACTIVE"}
    assert acted >= {"field_renamed", "field_removed", "unknown_word"}


@pytest.mark.slow
def test_bot_when_its_own_order_holds_an_unknown_word_then_halted_and_a_foreign_one_skipped(
    running: Running,
) -> None:
    """A novel status on somebody else's order is passed over; on ours it stops new risk."""
    foreign = {
        "symbol": "XOM", "qty": "1", "side": "buy", "type": "limit", "limit_price": "1",
        "time_in_force": "gtc", "client_order_id": "somebody-else-1",
    }  # fmt: skip
    running.ask("POST", "/v2/orders", json=foreign)
    wait_until(lambda: own_orders(running), OK_WITHIN_S * 3, "an order of ours")
    running.spoil("unknown_word", "/v2/orders", path="*.status", word="teleported")

    wait_until(lambda: running.health()["code"] == "FAILED_API_SCHEMA", SEEN_WITHIN_S, "76 seen")
    found = running.health()
    running.heal()

    assert (found["trading_state"], found["trading_state_cause"]) == ("HALTED", "contracts")
    assert "status" in found["services"]["trading-bot"]["reason"]
    assert "teleported" in found["services"]["trading-bot"]["reason"]


@pytest.mark.slow
def test_services_when_told_to_stay_away_for_a_minute_then_nobody_is_killed(
    running: Running,
) -> None:
    """429 with Retry-After 60 on everything, for longer than any watchdog: waiting is no hanging.
    The same processes are there afterwards, and well again without a hand.
    """
    before = running.processes()
    body = {"kind": "rate_limited", "lease_s": LIMIT_S, "parameters": {"retry_after_s": 60}}
    running.ask("POST", "/sim/faults", json=body)
    wait_until(lambda: running.health()["code"] == "DEGRADED", SEEN_WITHIN_S, "seen")
    threading.Event().wait(LIMIT_S)
    assert running.processes() == before
    wait_until(running.is_well, LIMIT_S + 60, "OK and ACTIVE again")
    assert running.processes() == before


def own_orders(running: Running) -> bool:
    """Whether the broker lists an order of ours that still lives."""
    rows = running.ask("GET", "/v2/orders?status=open&nested=true")
    return any(row["client_order_id"].startswith("sht-") for row in rows)
