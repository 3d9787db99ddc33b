"""Shares of ours never stand without a broker-held stop for long, however slow clock B is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from services.trading_bot.haste import (
    EARLY_READS_PER_MINUTE,
    GLANCE_READS,
    LOOK_READS,
    Haste,
    LookPace,
)
from services.trading_bot.watch import ENTRY_DEADLINE
from shared.errors import TransientFault
from shared.events.types import IntentRecorded, OrderSeen
from shared.models.broker import CancelOutcome, CancelRequested, ClockReading
from shared.models.commands import CommandName
from shared.models.orders import OrderClass, OrderStatus, OrderType
from shared.ports import Turn
from tests.support.bot_house import (
    BEFORE,
    BotHouse,
    FakeMarketClock,
    command,
    enter,
    seeing_a_breakout,
    status,
)
from tests.support.builders import an_entry, seen_of
from tests.support.clock import ManualClock
from tests.support.fake_broker import FakeBroker
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

NAKED_S_MAX = 5.0
CONFIRMED_AFTER_S = 0.7


@dataclass
class LateBroker(FakeBroker):
    """Confirms a cancellation some time after it was asked for, as the real one does."""

    _asked: dict[str, float] = field(default_factory=dict)

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        self.put(self.books[broker_order_id], status=OrderStatus.PENDING_CANCEL)
        self._asked[broker_order_id] = self.now.timestamp()
        return CancelRequested()

    def confirm(self) -> None:
        """Carry out what was asked for long enough ago."""
        for broker_order_id, asked_at in list(self._asked.items()):
            if self.now.timestamp() - asked_at >= CONFIRMED_AFTER_S:
                del self._asked[broker_order_id]
                super().cancel(broker_order_id)

    def is_naked(self) -> bool:
        """Whether shares of AAPL stand without a stop that works."""
        stops = [each for each in self.books.values() if each.type is OrderType.STOP]
        works = any(each.status is OrderStatus.HELD and self._is_active(each) for each in stops)
        return "AAPL" in self.held and not works


@dataclass
class World:
    """What happens around a bot at work: its broker, and how long shares stood naked."""

    house: BotHouse
    broker: LateBroker
    stop: threading.Event = field(default_factory=threading.Event)
    naked_s: float = 0.0
    seen_s: float = 0.0

    def tick(self) -> None:
        """Let the broker do what is due, and measure."""
        now_s = self.house.clock.monotonic_s()
        if self.broker.is_naked() and self.seen_s:
            self.naked_s += now_s - self.seen_s
        self.seen_s = now_s
        self.broker.confirm()

    def run(self, seconds: float, after_s: float, happening: Callable[[], None]) -> None:
        """Let the bot work for `seconds`; the happening comes `after_s` from now."""
        begun_s = self.house.clock.monotonic_s()
        due = [happening]

        def meanwhile() -> None:
            self.tick()
            gone_s = self.house.clock.monotonic_s() - begun_s
            if due and gone_s >= after_s:
                due.pop()()
            if gone_s >= seconds:
                self.stop.set()

        self.house.meanwhile = meanwhile
        self.house.loop.run(self.stop)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A bot that sees AAPL break out, before a broker that takes its time."""
    house = BotHouse(tmp_path, BEFORE)
    broker = house.broker = LateBroker(house.now)
    house.born()
    return World(seeing_a_breakout(house), broker)


@pytest.mark.parametrize("fills_after_s", [0.3, 1.0, 2.9, 4.9])
def test_bot_when_an_entry_fills_in_part_then_a_stop_stands_within_five_seconds(
    world: World, fills_after_s: float
) -> None:
    """Whenever between two turns the fill comes, and although the stream says nothing of it."""
    world.broker.fills_on_submit = False
    own_id = enter(world.house)

    world.run(25, fills_after_s, lambda: world.broker.fill(own_id, 4, "100"))

    assert 0 < world.naked_s <= NAKED_S_MAX
    assert world.broker.submitted[1].order_class is OrderClass.OCO
    assert not world.broker.is_naked()


def test_bot_when_an_entry_is_filling_then_it_gets_two_seconds_and_trading_stays_active(
    world: World,
) -> None:
    """Rule 2: a normal partial fill is neither cut off at once nor a reason for REDUCING."""
    world.broker.fills_on_submit = False
    own_id = enter(world.house)
    world.broker.fill(own_id, 4, "100")
    world.house.pass_time(1)
    world.house.loop.turn(Turn(world.house.reading(), None))
    world.house.loop.finish()

    assert world.broker.books["b-0001"].status is OrderStatus.PARTIALLY_FILLED
    assert status(world.house)["trading_state"] == "ACTIVE"


def test_bot_when_it_must_cancel_before_it_sells_then_the_sale_follows_at_once(
    world: World,
) -> None:
    """A limit that does not fill is closed instead: cancel, confirmed, market order."""
    enter(world.house)
    world.house.turn()
    world.broker.fills_on_submit = False
    command(world.house, CommandName.CLOSE_POSITION, symbol="AAPL")

    world.run(40, 10, lambda: setattr(world.broker, "fills_on_submit", True))

    assert world.broker.held == {}
    assert world.naked_s < 2 * CONFIRMED_AFTER_S


def test_haste_when_reads_are_metered_then_early_looks_end_with_their_budget() -> None:
    """Early looks must leave room below the broker's limit; a minute brings the budget back."""
    clock = ManualClock()
    pace = LookPace(clock, 1.0, is_metered=True)

    def looks_within(seconds: int) -> int:
        made = 0
        for _ in range(seconds * 2):
            clock.advance(0.5)
            if pace.may_look(LOOK_READS):
                pace.looked()
                made += 1
        return made

    refilled = EARLY_READS_PER_MINUTE * 10 / 60
    most = int((EARLY_READS_PER_MINUTE + refilled) / LOOK_READS)
    assert looks_within(10) == most
    assert looks_within(60) <= most + 1
    clock.advance(60)
    assert looks_within(10) == most


class SilentClock(FakeMarketClock):
    """The broker's clock, which for a while cannot be asked."""

    is_silent = True

    def reading(self) -> ClockReading:
        if self.is_silent:
            raise TransientFault("clock: no answer")
        return super().reading()


def test_haste_when_the_clock_was_silent_then_no_look_was_taken_from_the_budget(
    world: World,
) -> None:
    """A look that could not be made costs nothing: naked shares need it once the broker is back."""
    house = world.house
    clock = SilentClock(house)
    settings = make_settings(house.root, SIM_SPEED="1", SIM_RATE_LIMIT="true")
    entry = an_entry()
    seen = seen_of(entry, "b-1", OrderStatus.NEW)
    house.parts.memory.book((IntentRecorded((entry,), house.now), OrderSeen(seen, house.now)))
    haste = Haste(replace(house.parts, settings=settings, market_clock=clock))
    for _ in range(EARLY_READS_PER_MINUTE):
        haste.next_turn(world.stop)

    clock.is_silent = False

    early = [haste.next_turn(world.stop) is not None and haste.is_early for _ in range(6)]

    assert early.count(True) >= 5


def test_haste_when_the_stream_has_news_then_a_look_is_due_sooner() -> None:
    """Without news half a market second lies between two looks."""
    clock = ManualClock()
    pace = LookPace(clock, 1.0, is_metered=False)
    clock.advance(0.1)

    assert not pace.may_look(LOOK_READS)
    assert pace.may_look(LOOK_READS, has_news=True)


def test_haste_when_reads_are_metered_then_an_entry_is_watched_to_its_deadline() -> None:
    """The orders alone are one read: the budget must last as long as an entry may work."""
    clock = ManualClock()
    pace = LookPace(clock, 1.0, is_metered=True)
    made = 0
    for _ in range(int(ENTRY_DEADLINE.total_seconds())):
        clock.advance(0.5)
        made += pace.may_look(GLANCE_READS, is_naked=False)
        clock.advance(0.5)
        if pace.may_look(GLANCE_READS, is_naked=False):
            made += 1
            pace.looked()

    assert made == ENTRY_DEADLINE.total_seconds()


def test_haste_when_answers_are_slow_then_they_are_pause_enough() -> None:
    """Half a market second lies between the beginnings of two looks, not behind a slow one."""
    clock = ManualClock()
    pace = LookPace(clock, 1.0, is_metered=False)
    clock.advance(0.1)

    assert not pace.may_look(GLANCE_READS, answer_s=0.2)
    assert pace.may_look(GLANCE_READS, answer_s=0.6)
