"""Ten minutes without a broker, at the start and in the middle of trading: all heals by itself."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.exchange_faults import switch_on
from tests.support.exchange_process import ExchangeProcess
from tests.support.posing import MANY, posing_exchange, settings_of
from tests.support.system import log_lines, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1_800)]

AWAY_S = 600
SEEN_WITHIN_S, TRADE_WITHIN_S, BACK_WITHIN_S, AGREED_WITHIN_S = 60, 600, 150, 60
"""After so long the streams wait up to a minute, and a check that found nobody another one."""
SAMPLE_S, SETTLED_AFTER_S = 1.0, 30.0
MINUTE_S, MICROSECONDS = 60, 10**6
CHECKED = "compatibility check of trading ended with exit code 0"
Processes = dict[str, tuple[int, int]]


class House:
    """The running system as its files show it."""

    def __init__(self, base: Path) -> None:
        self.state, self.logs = base / "state", base / "logs"

    def health(self) -> dict[str, Any]:
        """Return health.json, empty while there is none."""
        path = self.state / "health.json"
        return read_json(path) if path.exists() else {}

    def is_well(self) -> bool:
        """Whether the verdict is OK and trading goes on."""
        found = self.health()
        return (found.get("code"), found.get("trading_state")) == ("OK", "ACTIVE")

    def processes(self) -> Processes:
        """Return pid and restarts of every service."""
        rows = self.health()["services"].items()
        return {name: (row["pid"], row["restarts"]) for name, row in rows}

    def fills(self) -> list[dict[str, Any]]:
        """Return the fills that the bot booked."""
        path = self.logs / "orders.jsonl"
        return [one for one in log_lines(path) if one["event"] == "fill"] if path.exists() else []

    def holdings(self) -> dict[str, Decimal]:
        """Return what the trading state says that is held."""
        rows = read_json(self.state / "trading_state.json")["payload"]["positions"]
        return {symbol: Decimal(row["qty"]) for symbol, row in rows.items()}

    def minutes(self, symbol: str) -> set[int]:
        """Return the minutes, counted from the epoch, of which market.db holds a candle."""
        with sqlite3.connect(self.state / "market.db") as market:
            rows = market.execute("select start from candles where symbol = ?", (symbol,))
            return {int(start) // MICROSECONDS // MINUTE_S for (start,) in rows}


def live_through(house: House, away_s: float) -> Counter[tuple[object, ...]]:
    """Wait the outage out, and return how often what was seen once it had been noticed."""
    seen: Counter[tuple[object, ...]] = Counter()
    pause, begun_s = threading.Event(), time.monotonic()
    while (passed_s := time.monotonic() - begun_s) < away_s:
        pause.wait(SAMPLE_S)
        found = house.health()
        if passed_s > SETTLED_AFTER_S:
            phases = tuple(sorted({row["phase"] for row in found["services"].values()}))
            seen[found["code"], found["trading_state"], phases] += 1
    return seen


def bought_at(exchange: ExchangeProcess) -> dict[str, Decimal]:
    """Return the positions of the broker's books."""
    rows = exchange.call("GET", "/v2/positions").json()
    return {row["symbol"]: Decimal(row["qty"]) for row in rows}


def test_system_when_the_broker_is_away_for_ten_minutes_at_the_start_then_all_heals(
    tmp_path: Path,
) -> None:
    """Nobody ends, nobody is parked, no risk is taken; with the broker back the same processes
    are OK without a hand, and the contracts are checked after all.
    """
    house = House(tmp_path)
    with posing_exchange(tmp_path / "broker") as exchange:
        settings = settings_of("paper", exchange, SECONDS_TO_RUN="3000")
        switch_on(exchange, "refuse_connection", lease_s=AWAY_S)
        with running_system(tmp_path, settings=settings):
            wait_until(lambda: house.health().get("code") == "DEGRADED", SEEN_WITHIN_S, "DEGRADED")
            before = house.processes()
            seen = live_through(house, AWAY_S)
            wait_until(house.is_well, BACK_WITHIN_S, "OK and ACTIVE")
            log = house.logs / "supervisor.jsonl"
            wait_until(lambda: CHECKED in log.read_text("utf-8"), BACK_WITHIN_S, CHECKED)
            after = house.processes()

    assert set(seen) == {("DEGRADED", "REDUCING", ("running",))}, seen
    assert after == before
    assert {restarts for _, restarts in after.values()} == {0}


def test_system_when_the_broker_is_away_for_ten_minutes_while_it_trades_then_all_heals(
    tmp_path: Path,
) -> None:
    """The books of bot and broker agree afterwards, every fill is booked once, no minute of
    candles is missing, and the same processes go on.
    """
    house = House(tmp_path)
    with posing_exchange(tmp_path / "broker", symbols=MANY) as exchange:
        settings = settings_of("paper", exchange, SYMBOLS=",".join(MANY), SECONDS_TO_RUN="3000")
        with running_system(tmp_path, settings=settings):
            wait_until(house.fills, TRADE_WITHIN_S, "an entry")
            before, first = house.processes(), int(time.time()) // MINUTE_S
            switch_on(exchange, "refuse_connection", lease_s=AWAY_S)
            seen = live_through(house, AWAY_S)
            last = int(time.time()) // MINUTE_S
            wait_until(house.is_well, BACK_WITHIN_S, "OK and ACTIVE again")
            wait_until(
                lambda: house.holdings() == bought_at(exchange), AGREED_WITHIN_S, "the same books"
            )
            wanted = set(range(first, last))
            wait_until(
                lambda: all(wanted <= house.minutes(name) for name in MANY),
                AGREED_WITHIN_S,
                "every minute's candle",
            )
            after = house.processes()
            booked = Counter(one["trade_id"] for one in house.fills())
            filled = broker_quantities(exchange)
            quantities = own_quantities(house)

    assert set(seen) == {("DEGRADED", "REDUCING", ("running",))}, seen
    assert after == before
    assert {restarts for _, restarts in after.values()} == {0}
    assert set(booked.values()) == {1}
    assert quantities == filled


def own_quantities(house: House) -> dict[str, Decimal]:
    """Return what the bot booked as filled, by order."""
    found: dict[str, Decimal] = {}
    for one in house.fills():
        name = one["client_order_id"]
        found[name] = found.get(name, Decimal(0)) + Decimal(one["qty"])
    return found


def broker_quantities(exchange: ExchangeProcess) -> dict[str, Decimal]:
    """Return what the broker's books say as filled, by order, legs included."""
    rows = exchange.call("GET", "/v2/orders?status=all&limit=500").json()
    return {
        row["client_order_id"]: Decimal(row["filled_qty"])
        for row in rows
        if Decimal(row["filled_qty"])
    }
