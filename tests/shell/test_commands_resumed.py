"""A holder dies between doing a command and answering it: the next one says what is true.

Nothing is done twice, nothing that was done is called refused, and no file in the spool, however
odd, keeps the commands behind it waiting.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.commands.spool import CommandSpool, Expired, Unreadable
from shared.events.types import HoldPlaced
from shared.models.commands import Command, CommandName, CommandOutcome
from shared.models.trading_state import HoldKind
from shared.persistence.file_port import RealFiles
from shared.ports import Turn
from tests.support.bot_house import (
    BEFORE,
    BotHouse,
    answer,
    command,
    enter,
    seeing_a_breakout,
)
from tests.support.operator_desk import OperatorDesk

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that holds AAPL."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    yield house
    house.loop.finish()


@pytest.fixture
def desk(tmp_path: Path) -> OperatorDesk:
    """A fresh state folder."""
    return OperatorDesk(tmp_path)


def take_and_die(house: BotHouse) -> None:
    """Take what waits, book it, and die before any answer; another bot is born."""
    memory = house.parts.memory
    assert memory.book(house.parts.desk.take(house.loop._facts(Turn(house.reading(), None))))
    house.born()


def test_close_when_its_holder_died_after_the_sale_then_done_with_numbers(house: BotHouse) -> None:
    """The position is gone because it was closed: the answer is its numbers, not "not held"."""
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")
    house.turn()
    assert house.broker.held == {}
    assert house.spool.read_answer(asked) is None
    house.pass_time(70)
    house.born()

    for _ in range(3):
        house.turn()

    found = answer(house, asked)
    assert found.outcome is CommandOutcome.DONE, found.detail
    assert found.result["symbol"] == "AAPL"
    assert found.result["realized_pnl"] is not None


def test_close_when_its_holder_died_before_booking_then_it_is_done_once(house: BotHouse) -> None:
    """The next holder closes it, with one sale."""
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")
    house.parts.desk.take(house.loop._facts(Turn(house.reading(), None)))
    house.born()
    sales = len(house.broker.submitted)

    for _ in range(4):
        house.turn()

    assert answer(house, asked).outcome is CommandOutcome.DONE
    assert house.broker.held == {}
    assert len(house.broker.submitted) == sales + 1


@pytest.mark.parametrize("again", [False, True])
def test_clear_when_its_holder_died_then_done_and_a_newer_hold_stays(
    house: BotHouse, *, again: bool
) -> None:
    """What was cleared is told as cleared; a hold placed since then was nobody's approval."""
    house.parts.memory.book((HoldPlaced(HoldKind.DRAWDOWN, "fell", house.now),))
    asked = command(house, CommandName.CLEAR_STOP, what="drawdown", approver="ann")
    take_and_die(house)
    assert house.parts.memory.state.holds == {}
    house.pass_time(5)
    if again:
        house.parts.memory.book((HoldPlaced(HoldKind.DRAWDOWN, "fell again", house.now),))

    house.turn()

    found = answer(house, asked)
    assert found.outcome is CommandOutcome.DONE, found.detail
    assert (HoldKind.DRAWDOWN.value in house.parts.memory.state.holds) is again


@pytest.mark.parametrize("again", [False, True])
def test_clear_stop_when_its_holder_died_then_a_newer_stop_stays(
    house: BotHouse, *, again: bool
) -> None:
    """An emergency stop set after the one that was cleared must not fall with it."""
    house.stop_file.set("first", "tester", house.clock.utc_now(), flatten=False)
    asked = command(house, CommandName.CLEAR_STOP, what="stop", approver="ann")
    claimed = house.spool.claim()
    assert isinstance(claimed, Command)
    note = house.stop_file.read()
    assert note is not None
    house.spool.begin(claimed, {"at": note.at})
    house.stop_file.clear()
    house.pass_time(5)
    if again:
        house.stop_file.set("second", "tester", house.clock.utc_now(), flatten=False)
    house.born()

    house.turn()

    assert answer(house, asked).outcome is CommandOutcome.DONE
    assert house.stop_file.is_set() is again


def test_begun_when_the_broker_is_away_then_it_is_kept_for_later(house: BotHouse) -> None:
    """ "The broker has not been reached" is no answer to what was begun."""
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")
    take_and_die(house)

    house.parts.desk.refuse_all("The broker has not been reached yet.")

    assert house.spool.read_answer(asked) is None
    for _ in range(4):
        house.turn()
    assert answer(house, asked).outcome is CommandOutcome.DONE


def test_taken_when_it_was_begun_then_it_never_expires(desk: OperatorDesk) -> None:
    """Only what nobody has touched can be too late."""
    for number in (1, 2):
        desk.spool.submit(desk.command(number))
    first, second = desk.spool.claim(), desk.spool.claim()
    assert isinstance(first, Command)
    assert isinstance(second, Command)
    begun = desk.spool.begin(first, {"key": "value"})
    assert begun.begun == {"key": "value"}

    desk.clock.advance(61)

    left = CommandSpool(desk.state, desk.clock).taken()
    assert left[0] == begun
    assert isinstance(left[1], Expired)


def test_command_when_it_says_itself_that_it_was_begun_then_it_is_refused(
    desk: OperatorDesk,
) -> None:
    """Only a holder begins; a file that says so would never expire."""
    desk.spool.submit(desk.command(begun={"key": "forged"}))

    assert isinstance(desk.spool.claim(), Unreadable)
    assert desk.spool.taken() == ()


def test_taken_when_it_was_answered_already_then_it_is_left_at_that(desk: OperatorDesk) -> None:
    """A death between the answer and the cleaning up must not change the answer."""
    desk.spool.submit(desk.command())
    desk.spool.claim()
    taken = desk.state.commands / "taken" / "2026-0001.json"
    content = taken.read_bytes()
    desk.spool.answer("2026-0001", CommandOutcome.DONE, "Done.")
    taken.write_bytes(content)

    assert CommandSpool(desk.state, desk.clock).taken() == ()

    found = desk.spool.read_answer("2026-0001")
    assert found is not None
    assert found.outcome is CommandOutcome.DONE
    assert not taken.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"boottime_s": 10**400},
        {"expires_boottime_s": 10**400},
        {"boottime_s": "x" * 50_000},
        {"begun": 7},
        {"begun": {"key": 7}},
        {"args": {"symbol": "\ud800"}},
        {"by": "x" * 10_000},
    ],
)
def test_file_when_a_field_is_absurd_then_it_is_refused_and_costs_nobody_else(
    desk: OperatorDesk, changes: dict[str, Any]
) -> None:
    """Neither the holder nor the supervisor may fall over a file."""
    desk.spool.submit(desk.command(2))
    document = desk.command(1).as_document() | changes
    (desk.state.commands / "2026-0001.json").write_text(json.dumps(document))

    assert desk.spool.unclaimed_age_s() == pytest.approx(0)
    assert isinstance(desk.spool.claim(), Unreadable)
    assert isinstance(desk.spool.claim(), Command)


def test_socket_when_laid_in_the_spool_then_moved_aside(
    desk: OperatorDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket cannot even be opened; that is no refusing disk."""
    desk.spool.submit(desk.command(2))
    monkeypatch.chdir(desk.state.commands)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("1.json")
    monkeypatch.chdir("/")

    assert desk.spool.unclaimed_age_s() == pytest.approx(0)
    assert isinstance(desk.spool.claim(), Unreadable)
    assert isinstance(desk.spool.claim(), Command)


class OneUnreadable(RealFiles):
    """A disk that cannot give back one file."""

    def open_read(self, folder: int, name: str) -> int:
        if name == "2026-0001.json":
            raise PermissionError(13, os.strerror(13))
        return super().open_read(folder, name)


def test_file_when_it_cannot_be_read_then_failed_and_the_next_one_is_taken(
    desk: OperatorDesk,
) -> None:
    """One bad sector, one foreign file without permission: its sender may try again."""
    spool = CommandSpool(desk.state, desk.clock, OneUnreadable())
    desk.spool.submit(desk.command(1))
    desk.spool.submit(desk.command(2))

    assert spool.unclaimed_age_s() == pytest.approx(0)
    first, second = spool.claim(), spool.claim()

    assert isinstance(first, Unreadable)
    assert first.answer.outcome is CommandOutcome.FAILED
    assert second == desk.command(2)
