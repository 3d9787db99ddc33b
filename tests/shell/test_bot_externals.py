"""A whole bot beside shares that are not ours: guard, door, journal, status, commands, exchange."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.trading_bot.loop import Loop
from shared.clock import SystemClock
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from shared.errors import FailureClass
from shared.models.broker import Rejected
from shared.models.commands import CommandName, CommandOutcome
from shared.models.externals import EXTERNAL
from shared.models.ids import parse_own_id
from shared.models.portfolio import BrokerPosition
from shared.ports import Turn
from shared.telemetry.notify import Notifier
from tests.support.bot_house import BEFORE, BotHouse, answer, command, status, steps
from tests.support.bot_process import TradingFloor, trading_floor
from tests.support.operator_desk import OperatorDesk
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

FOUND_WITHIN_S = 40.0


def house_with_goog(folder: Path, *, adopts: bool) -> BotHouse:
    """A bot whose account holds ten GOOG that it never bought, and that no order holds."""
    house = BotHouse(folder, BEFORE, adopts_external=adopts)
    price, qty = Decimal(200), Decimal(10)
    house.broker.prices["GOOG"] = price
    house.broker.held["GOOG"] = BrokerPosition(
        "GOOG", qty, price, current_price=price, available_qty=qty
    )
    house.turn()
    return house


@pytest.mark.parametrize("adopts", [False, True])
def test_bot_when_it_finds_external_shares_then_only_the_setting_brings_them_a_stop(
    tmp_path: Path, *, adopts: bool
) -> None:
    """Through guard, door and journal like any other protection; shown either way."""
    house = house_with_goog(tmp_path, adopts=adopts)
    house.turn()

    sent = house.broker.submitted
    shown = status(house)
    (row,) = shown["external_positions"]
    assert (row["symbol"], row["qty"]) == ("GOOG", "10")
    assert len(sent) == adopts
    assert row["protected_qty"] == ("10" if adopts else "0")
    assert shown["external_coverage_pct"] == (100.0 if adopts else 0.0)
    assert shown["coverage_pct"] == 100.0
    assert house.settings.logs.orders.exists() is adopts
    assert not adopts or {"approved", "submitted", "intent", "accepted"} <= set(steps(house))
    house.born()
    house.turn()
    assert len(house.broker.submitted) == adopts, "a restart finds it in the journal"
    house.loop.finish()


@pytest.mark.parametrize("adopts", [False, True])
def test_beat_when_adopted_shares_have_no_stop_then_its_numbers_say_so(
    tmp_path: Path, *, adopts: bool
) -> None:
    """Numbers of their own, beside the coverage of what is ours; none with the setting off."""
    house = house_with_goog(tmp_path, adopts=adopts)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "n"))
        bound.settimeout(5)
        parts = replace(house.parts, notifier=Notifier(str(tmp_path / "n")))
        told = []
        for refusal in (None, Rejected(FailureClass.RISK, "403", "not now")):
            for order in list(house.broker.books.values()):
                house.broker.cancel(order.broker_order_id)
            house.broker.next_outcome = refusal
            house.pass_time(90)
            Loop(parts).turn(Turn(house.reading(), None))
            told.append(metrics_of(bound))

    numbers = [{key: each[key] for key in each if key.startswith(EXTERNAL)} for each in told]
    covered = {"external_coverage_pct": 100.0, "external_uncovered": 0.0}
    naked = {"external_coverage_pct": 0.0, "external_uncovered": 1.0}
    assert numbers == ([covered, naked] if adopts else [{}, {}])
    assert all(each["coverage_pct"] == 100.0 for each in told)
    house.loop.finish()


def metrics_of(bound: socket.socket) -> dict[str, float]:
    """The numbers of the next beat that has some."""
    while True:
        words = dict(line.partition("=")[::2] for line in bound.recv(65_536).decode().splitlines())
        if "X_METRICS" in words:
            found: dict[str, float] = json.loads(words["X_METRICS"])
            return found


@pytest.mark.parametrize("included", [False, True])
def test_flatten_when_commanded_then_externals_go_only_with_the_flag(
    tmp_path: Path, *, included: bool
) -> None:
    """From the command core's file and spool to the broker, and verified by two empty lists."""
    house = house_with_goog(tmp_path, adopts=True)
    house.stop_file.set("drill", "tester", house.clock.utc_now(), True, included)
    words = {"flatten": True} | ({"include_external": True} if included else {})
    asked = command(house, CommandName.EMERGENCY_STOP, **words)
    for _ in range(3):
        house.turn()

    found = answer(house, asked)
    assert found.outcome is CommandOutcome.DONE
    assert (house.broker.held == {}) is included
    assert house.broker.asked_to_close == []
    assert ("external_positions" in found.result) is included
    assert house.parts.memory.state.pnl.trades == 0
    house.loop.finish()


def test_core_when_externals_are_included_without_flatten_then_refused_and_nothing_is_stopped(
    tmp_path: Path,
) -> None:
    """It would close positions, so it is said with the word that closes positions."""
    desk = OperatorDesk(tmp_path)

    answered = desk.core.emergency_stop("smoke", "cli:ann", include_external=True)

    assert answered.outcome is CommandOutcome.REFUSED
    assert "flatten" in answered.detail
    assert not desk.stop.is_set()
    done = desk.doing().emergency_stop("smoke", "cli:ann", flatten=True, include_external=True)
    note = desk.stop.read()
    assert note is not None
    assert (note.flatten, note.include_external) == (True, True)
    assert done.result == {"flatten": True, "include_external": True}
    desk.stop.set("again", "bob", desk.clock.utc_now(), False)
    kept = desk.stop.read()
    assert kept is not None
    assert kept.include_external


def test_external_shares_when_a_real_exchange_holds_them_then_stopped_and_flattened_on_command(
    tmp_path: Path,
) -> None:
    """Bought by hand, half of it under a stop by hand: ours covers the other half, and a flatten
    with the flag sells all of it.
    """
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        floor.bot.kill()
        symbol = "XOM"
        buy_by_hand(floor, symbol)
        floor.bot.adopt_externals()
        floor.bot.start()
        floor.bot.wait_for(lambda: own_stop(floor, symbol), FOUND_WITHIN_S, "a stop of ours")
        stop = own_stop(floor, symbol)
        assert stop is not None
        assert (stop["qty"], stop["time_in_force"]) == ("6", "gtc")
        core = CommandCore(StatePaths(floor.bot.state), LogPaths(floor.bot.logs), SystemClock())

        found = core.emergency_stop("a test", "tester", flatten=True, include_external=True)

        assert found.outcome is CommandOutcome.DONE, found.detail
        assert floor.positions() == {}
        assert own_stop(floor, symbol) is None


def buy_by_hand(floor: TradingFloor, symbol: str) -> None:
    """Let somebody else buy ten shares, and protect four of them."""
    order = {"symbol": symbol, "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
    assert floor.exchange.call("POST", "/v2/orders", json=order).status_code == 200
    wait_until(lambda: floor.positions().get(symbol) == 10, FOUND_WITHIN_S, "a purchase by hand")
    stop = {"qty": "4", "side": "sell", "type": "stop", "stop_price": "1", "time_in_force": "gtc"}
    answered = floor.exchange.call("POST", "/v2/orders", json=order | stop)
    assert answered.status_code == 200, answered.text


def own_stop(floor: TradingFloor, symbol: str) -> dict[str, Any] | None:
    """The working stop that carries our prefix and the externals' owner."""
    for row in floor.orders():
        parts = parse_own_id(row["client_order_id"])
        is_theirs = parts is not None and parts.strategy == EXTERNAL
        works = row["type"] == "stop" and row["status"] in ("new", "accepted")
        if is_theirs and works and row["symbol"] == symbol:
            return row
    return None
