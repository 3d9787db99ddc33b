"""Operators' commands on a running loop: claimed, carried out, answered when verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.models.commands import CommandName
from shared.models.trading_state import TradingState
from shared.ports import Turn
from tests.support.bot_house import (
    BEFORE,
    BotHouse,
    answer,
    command,
    enter,
    seeing_a_breakout,
    status,
)
from tests.support.builders import stop_of

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that sees AAPL break out at its next turn."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    yield house
    house.loop.finish()


def test_loop_when_paused_then_no_entry_and_resume_brings_it_back(house: BotHouse) -> None:
    """Pause is booked, answered and persisted; resume ends it."""
    paused = command(house, CommandName.PAUSE)
    house.turn()
    assert house.broker.submitted == []
    assert answer(house, paused).outcome == "done"
    house.born()
    assert house.parts.memory.state.operator.paused

    house.clock.advance(0.001)
    resumed = command(house, CommandName.RESUME)
    house.turn()

    assert answer(house, resumed).outcome == "done"
    assert len(house.broker.submitted) == 1


def test_loop_when_a_position_is_closed_by_command_then_flat_and_answered_with_numbers(
    house: BotHouse,
) -> None:
    """The answer comes after two flat reads and holds what CONTRACTS.md promises."""
    enter(house)
    house.turn()
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")

    for _ in range(3):
        house.turn()

    found = answer(house, asked)
    assert found.outcome == "done"
    assert set(found.result) == {
        "symbol", "qty", "entry_price", "close_price", "realized_pnl", "reason", "closed_at",
        "order_id",
    }  # fmt: skip
    assert house.broker.held == {}


def test_loop_when_a_foreign_position_is_to_be_closed_then_refused(house: BotHouse) -> None:
    """External shares are observed, never traded."""
    house.turn()
    asked = command(house, CommandName.CLOSE_POSITION, symbol="MSFT")

    house.turn()

    assert answer(house, asked).outcome == "refused"


def test_loop_when_the_emergency_stop_is_set_then_working_entries_go_and_protection_stays(
    house: BotHouse,
) -> None:
    """HALTED cancels what could add risk and nothing that reduces it."""
    enter(house)
    house.turn()
    stop = stop_of(house.parts.memory.state)
    house.stop_file.set("drill", "tester", house.clock.utc_now(), flatten=False)

    house.turn()

    assert status(house)["trading_state"] == TradingState.HALTED.value
    assert stop_of(house.parts.memory.state) == stop


@pytest.mark.parametrize("is_saved", [False, True])
def test_desk_when_a_pause_is_booked_then_it_is_answered_only_once_it_is_saved(
    house: BotHouse, *, is_saved: bool
) -> None:
    """A death, or a refusing disk, between the two must not leave a "done" that is not."""
    house.turn()
    asked = command(house, CommandName.PAUSE)
    desk, turn = house.parts.desk, Turn(house.reading(), None)

    events = desk.take(house.loop._facts(turn))

    assert len(events) == 1
    assert house.spool.read_answer(asked) is None
    assert not desk.is_idle
    desk.confirm(is_saved)
    assert answer(house, asked).outcome == ("done" if is_saved else "failed")
    assert desk.is_idle
