"""While calls are short: which turns go without a look, and which never do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services.trading_bot.loop import Loop
from services.trading_bot.thrift import DOOR, KEPT_PART, LOOK_AT_LEAST_S
from shared.errors import TransientFault
from shared.models.commands import CommandName
from shared.models.orders import OrderRole
from shared.resilience.door_standing import Budget, DoorStanding
from tests.support.bot_house import (
    BEFORE,
    SYMBOLS,
    BotHouse,
    command,
    enter,
    seeing_a_breakout,
)
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

PER_MINUTE = 60


def budget(house: BotHouse, left: int) -> None:
    """Let the door's share of reads be so full."""
    standing = DoorStanding((), (), {}, Budget(PER_MINUTE, left))
    house.parts.host.standings[DOOR] = lambda: standing


def reads_of(house: BotHouse, seconds: float) -> int:
    """Let the bot work for so long, and return how often it asked the broker."""
    stop, before = threading.Event(), house.broker.reads
    ends = house.clock.monotonic_s() + seconds

    def watch() -> None:
        if house.clock.monotonic_s() >= ends:
            stop.set()

    house.meanwhile = watch
    house.loop.run(stop)
    return house.broker.reads - before


def faster(house: BotHouse, speed: str) -> None:
    """Let the same bot follow a market of that speed."""
    settings = make_settings(house.root, SYMBOLS=",".join(SYMBOLS), SIM_SPEED=speed)
    house.parts = replace(house.parts, settings=settings)
    house.loop = Loop(house.parts)
    house.turn()
    budget(house, PER_MINUTE // KEPT_PART - 1)


@pytest.fixture
def house(tmp_path: Path) -> BotHouse:
    """A calm bot that has looked just now, with few calls left."""
    made = BotHouse(tmp_path, BEFORE)
    faster(made, "60")
    return made


def test_turns_when_calls_are_short_and_all_is_calm_then_most_go_without_a_look(
    house: BotHouse,
) -> None:
    """They go on, and the bot stays OK; at the latest after ten seconds the broker is asked."""
    turns = house.loop._heart.turns
    spared = reads_of(house, 61)
    assert house.loop._heart.turns - turns >= 12
    budget(house, PER_MINUTE)
    assert 0 < spared * 2 <= reads_of(house, 61) + 3
    assert LOOK_AT_LEAST_S == 10.0


def gap(house: BotHouse) -> None:
    house.stream.gaps += 1


def deaf(house: BotHouse) -> None:
    house.stream.listening = False


def news(house: BotHouse) -> None:
    house.stream.has_news = True


def stopped(house: BotHouse) -> None:
    house.stop_file.set("a test", "tester", house.now, flatten=False)


def fault(house: BotHouse) -> None:
    house.parts.eye.fault = TransientFault("away")


@pytest.mark.parametrize("urgent", [gap, deaf, news, stopped, fault])
def test_turn_when_anything_may_have_moved_then_it_looks(
    house: BotHouse, urgent: Callable[[BotHouse], None]
) -> None:
    """A gap, a deaf stream, a hint that waits, an emergency stop, a failed look."""
    assert house.loop._thrift.may_skip()
    urgent(house)
    assert not house.loop._thrift.may_skip()


def test_turn_when_time_is_real_then_it_looks(house: BotHouse) -> None:
    """Whatever is naked in real time must be seen within five seconds."""
    assert house.loop._thrift.may_skip()
    faster(house, "1")
    assert not house.loop._thrift.may_skip()


def test_turn_when_an_operator_asks_then_it_is_heard_without_a_look(house: BotHouse) -> None:
    """Whoever wants trading to pause never waits for the broker's budget."""
    command(house, CommandName.PAUSE)
    assert reads_of(house, 1) == 0
    assert house.parts.memory.state.operator.paused


def test_turn_when_shares_stand_bare_or_an_outcome_is_unknown_then_it_looks(
    tmp_path: Path,
) -> None:
    """Protection is never spared, however short the calls are."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    faster(house, "60")
    assert house.loop._thrift.may_skip()
    stops = [one for one in house.parts.memory.state.orders.live() if one.role is OrderRole.STOP]
    house.broker.cancel(stops[0].broker_order_id or "")
    house.broker.submit_fault = TransientFault("connection reset")
    house.turn()
    budget(house, 0)
    assert not house.loop._thrift.may_skip()
