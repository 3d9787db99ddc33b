"""A whole bot whose broker cannot be read: protection and exits go on, operators are obeyed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SchemaFault, SystemFault, TransientFault
from shared.models.commands import CommandName, CommandOutcome
from shared.models.orders import OrderRole
from tests.support.bot_house import (
    BEFORE,
    BotHouse,
    answer,
    command,
    enter,
    seeing_a_breakout,
    status,
)
from tests.support.bot_process import TradingFloor, trading_floor
from tests.support.exchange_faults import heal, switch_on

pytestmark = pytest.mark.integration

DRIFT = SchemaFault("positions: qty is a number where a text was promised")
POSITION_WITHIN_S = 40.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that holds AAPL with its stop at the broker."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    assert house.parts.memory.state.positions.keys() == {"AAPL"}
    yield house
    house.loop.finish()


@pytest.mark.parametrize("fault", [DRIFT, TransientFault("positions: 502")])
def test_bot_when_positions_cannot_be_read_then_a_command_still_closes(
    house: BotHouse, fault: SystemFault
) -> None:
    """The broker closes by its own computation; the answer waits for two flat reads."""
    house.broker.positions_fault = fault
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")

    house.turn()

    assert house.broker.asked_to_close == ["AAPL"]
    assert house.broker.held == {}
    assert house.spool.read_answer(asked) is None
    house.broker.positions_fault = None
    house.turn()
    house.turn()
    assert answer(house, asked).outcome == CommandOutcome.DONE
    assert house.parts.memory.state.pnl.trades == 1


def test_bot_when_positions_cannot_be_read_then_a_lost_stop_is_repaired(house: BotHouse) -> None:
    """Protection goes by the last known quantity, and nothing is entered meanwhile."""
    state = house.parts.memory.state
    stop = next(order for order in state.orders.live() if order.role is OrderRole.STOP)
    house.broker.cancel(stop.broker_order_id or "")
    sent = len(house.broker.submitted)
    house.broker.positions_fault = TransientFault("positions: 502")

    house.turn()

    assert [request.purpose for request in house.broker.submitted[sent:]] == ["PROTECT"]
    assert status(house)["coverage_pct"] == 100.0


def test_bot_when_nothing_can_be_read_then_a_flatten_is_carried_out_by_status_codes(
    house: BotHouse,
) -> None:
    """Break-glass while running; when reading comes back, the books equal the broker's."""
    house.broker.read_fault = DRIFT
    asked = command(house, CommandName.EMERGENCY_STOP)
    house.stop_file.set("drill", "tester", house.clock.utc_now(), flatten=True)
    flatten = command_flatten(house)

    for _ in range(6):
        house.turn()

    assert house.broker.held == {}
    assert house.spool.read_answer(asked) is None
    found = answer(house, flatten)
    assert (found.outcome, found.result) == (CommandOutcome.DONE, {"judged_by": "status_code"})
    house.broker.read_fault = None
    house.turn()
    house.turn()
    assert house.parts.memory.state.positions == {}
    assert house.parts.memory.state.plans == ()
    assert status(house)["reconcile"]["outcome"] == "clean"


def command_flatten(house: BotHouse) -> str:
    """Lay an emergency stop with flatten down; return its id."""
    house.clock.advance(0.001)
    return command(house, CommandName.EMERGENCY_STOP, flatten=True)


def test_bot_when_the_broker_is_only_away_then_no_leg_is_cancelled_without_sight(
    house: BotHouse,
) -> None:
    """Break-glass is for broken contracts: an outage may end with the next try."""
    house.broker.read_fault = TransientFault("connection refused")
    house.stop_file.set("drill", "tester", house.clock.utc_now(), flatten=True)

    house.turn()

    assert house.broker.cancelled == []
    assert house.broker.asked_to_close == []


def test_bot_when_an_outcome_cannot_be_looked_up_then_it_stays_up(house: BotHouse) -> None:
    """A reply that breaks its contract while running is no reason to end (CONTRACTS.md 2)."""
    house.broker.lose_reply = True
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")
    house.broker.lookup_fault = DRIFT

    house.turn()
    house.turn()
    house.broker.lookup_fault = None
    for _ in range(4):
        house.turn()

    assert house.parts.memory.state.unknown_outcomes == {}
    assert answer(house, asked).outcome == CommandOutcome.DONE


def held(floor: TradingFloor) -> list[str]:
    """Symbols in which the bot shows a position with a confirmed stop."""
    rows = floor.bot.status().get("positions", [])
    return [row["symbol"] for row in rows if row["stop_confirmed"]]


@pytest.mark.parametrize("path", ["/v2/positions*", "/v2/[apo]*"])
def test_one_shot_when_contracts_forbid_reading_then_the_position_is_closed_all_the_same(
    tmp_path: Path, path: str
) -> None:
    """With the bot dead and the broker's replies drifted, break-glass works by command."""
    with trading_floor(tmp_path, speed="60", seed=4) as floor:
        floor.bot.wait_for(lambda: held(floor), POSITION_WITHIN_S, "a position")
        floor.bot.kill()
        floor.slow_down()
        symbol = sorted(floor.positions())[0]
        switch_on(
            floor.exchange,
            "odd_reply",
            parameters={"form": "object"},
            scope={"method": "GET", "endpoint": path},
        )
        core = CommandCore(
            StatePaths(floor.bot.state),
            LogPaths(floor.bot.logs),
            SystemClock(),
            hand_over=lambda: errand(floor),
        )

        found = core.close_position(symbol, "a test", "tester")

        heal(floor.exchange)
        assert found.outcome is CommandOutcome.DONE, found.detail
        assert symbol not in floor.positions()
        assert floor.bot.one_shot("secure").returncode == os.EX_OK
        assert floor.is_covered()


def errand(floor: TradingFloor) -> None:
    """Hand the spool over to a one-shot."""
    floor.bot.one_shot("spool")
