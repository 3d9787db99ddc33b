"""A bot that is down leaves nothing behind: the supervisor's one-shot, on the real exchange."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from shared.config.endpoints import read_endpoints
from shared.models.ids import parse_own_id
from tests.support.system import read_json, running_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SETTINGS = {"TRADING_MODE": "sim", "SIM_SPEED": "60", "SIM_SEED": "4"}
LIVE = ("held", "new", "accepted", "partially_filled", "pending_new")
POSITION_WITHIN_S = 60.0
SECURE_WITHIN_S = 45.0
CALL_S = 20.0
FAR_BELOW = "1.00"
"""A limit at which nobody sells."""


def table_with(more: str) -> str:
    """Return a table of the trading side only; `more` goes into the bot's row."""
    row = (
        'critical = true\nbeat_s = 2.0\nwatchdog_s = 40.0\nready_s = 45.0\nneeds = ["exchange-sim"]'
    )
    return (
        '[service.exchange-sim]\nmodule = "services.exchange_sim"\ncritical = true\nbeat_s = 2.0\n'
        f'[service.data-daemon]\nmodule = "services.data_daemon"\n{row}\n'
        f'[service.trading-bot]\nmodule = "services.trading_bot"\n{row}\n{more}\n'
    )


@dataclass(frozen=True, slots=True)
class Venue:
    """The embedded exchange of a running system, asked as a client of one's own."""

    state: Path

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send one request; return the JSON of its answer, None when it has none."""
        endpoints = read_endpoints(self.state / "run" / "endpoints.json")
        assert endpoints is not None
        keys = {"APCA-API-KEY-ID": endpoints.key_id, "APCA-API-SECRET-KEY": endpoints.secret_key}
        url = endpoints.trading_url + path
        answer = requests.request(method, url, headers=keys, timeout=CALL_S, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def orders(self) -> list[dict[str, Any]]:
        """Every order that lives."""
        rows = self.call("GET", "/v2/orders?status=all&limit=500&nested=false")
        return [row for row in rows if row["status"] in LIVE]

    def stops(self) -> list[dict[str, Any]]:
        """Live stops."""
        return [row for row in self.orders() if row["type"] == "stop" and row["side"] == "sell"]

    def positions(self) -> dict[str, int]:
        """Shares by symbol."""
        return {row["symbol"]: int(row["qty"]) for row in self.call("GET", "/v2/positions")}

    def naked(self) -> list[str]:
        """Symbols of which a share has no live stop."""
        covered: dict[str, int] = {}
        for row in self.stops():
            covered[row["symbol"]] = covered.get(row["symbol"], 0) + int(row["qty"])
        return [name for name, qty in self.positions().items() if covered.get(name, 0) < qty]


def bot_of(state: Path) -> dict[str, Any]:
    """Return the bot as health.json shows it, empty while it is not there."""
    health = state / "health.json"
    found: dict[str, Any] = {}
    if health.exists():
        found = read_json(health)["services"].get("trading-bot", {})
    return found


def is_another(state: Path, former: int) -> bool:
    """Whether a new bot runs in the place of that one."""
    return bot_of(state)["pid"] not in (None, former)


def hold_still(state: Path) -> int:
    """Stop the bot in its tracks by SIGSTOP; return its pid."""
    pid = int(bot_of(state)["pid"])
    os.kill(pid, signal.SIGSTOP)
    return pid


def leave_a_mess(venue: Venue) -> tuple[str, str]:
    """Take a position's protection away and lay an entry of ours into the book.

    Returns the symbol that is naked now and the id of the entry, which rests far below.
    """
    own = venue.call("GET", "/v2/orders?status=all&limit=500&nested=false")
    entry = next(
        row for row in own if row["side"] == "buy" and parse_own_id(row["client_order_id"])
    )
    symbol = sorted(venue.positions())[0]
    for row in venue.orders():
        if row["symbol"] == symbol and row["status"] != "held":
            venue.call("DELETE", f"/v2/orders/{row['id']}")
    wait_until(lambda: symbol in venue.naked(), 10, "a naked position")
    used = {row["symbol"] for row in own}
    assets = venue.call("GET", "/v2/assets")
    other = next(row["symbol"] for row in assets if row["symbol"] not in used and row["tradable"])
    working = venue.call(
        "POST",
        "/v2/orders",
        json={
            "symbol": other,
            "qty": "1",
            "side": "buy",
            "type": "limit",
            "limit_price": FAR_BELOW,
            "time_in_force": "gtc",
            "order_class": "bracket",
            "take_profit": {"limit_price": "2.00"},
            "stop_loss": {"stop_price": "0.50"},
            "client_order_id": entry["client_order_id"][:-4] + "beef",
        },
    )
    return symbol, working["id"]


@pytest.mark.parametrize(
    ("more", "deaths", "phase"),
    [
        ("max_failures = 1", 1, "parked"),
        ("max_failures = 50\nbackoff_base_s = 60.0\nbackoff_cap_s = 60.0", 2, "backoff"),
    ],
)
def test_bot_when_it_stays_down_then_its_entry_is_cancelled_and_its_position_protected(
    tmp_path: Path, more: str, deaths: int, phase: str
) -> None:
    """Parked, or more than two seconds in backoff: by the exchange's own word."""
    table = tmp_path / "services.toml"
    table.write_text(table_with(more), "utf-8")
    state = tmp_path / "state"
    venue = Venue(state)

    def is_covered() -> bool:
        return bot_of(state).get("status") == "OK" and bool(venue.positions()) and not venue.naked()

    with running_system(tmp_path, "--services", str(table), settings=SETTINGS):
        wait_until(is_covered, POSITION_WITHIN_S, "a protected position")
        for _ in range(deaths - 1):
            pid = int(bot_of(state)["pid"])
            os.kill(pid, signal.SIGKILL)
            wait_until(partial(is_another, state, pid), 10, "a bot")
            wait_until(is_covered, POSITION_WITHIN_S, "a protected position")
        bot = hold_still(state)
        symbol, entry = leave_a_mess(venue)

        os.kill(bot, signal.SIGKILL)

        wait_until(lambda: bot_of(state)["phase"] == phase, 10, phase)
        wait_until(
            lambda: entry not in {row["id"] for row in venue.orders()} and not venue.naked(),
            SECURE_WITHIN_S,
            "everything secured",
        )
        assert bot_of(state)["phase"] == phase
        closed = venue.call("GET", f"/v2/orders/{entry}")
        assert (closed["status"], closed["filled_qty"]) == ("canceled", "0")
        assert symbol not in venue.positions() or symbol in {row["symbol"] for row in venue.stops()}
