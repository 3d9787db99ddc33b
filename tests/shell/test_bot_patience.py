"""A slow broker, a changed market, a lasting doubt: what the bot says of itself meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.trading_bot.execution.patience import PatientBroker
from services.trading_bot.heart import judge_health
from services.trading_bot.loop import RESOLVE_WITHIN_S
from services.trading_bot.market_view import MarketView
from shared.errors import SchemaFault, TransientFault
from shared.models.market import Candle
from shared.models.portfolio import Account
from shared.persistence.market_rows import StoredQuote
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from shared.telemetry.notify import Notifier
from tests.support.bot_bench import NOON
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout
from tests.support.clock import ManualClock
from tests.support.fake_broker import FakeBroker

pytestmark = pytest.mark.integration


class Ear:
    """The supervisor's end of a notify socket."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "n.sock")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Every datagram since the last call."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(8192).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """An open ear."""
    ear = Ear(tmp_path)
    yield ear
    ear.close()


class SlowBroker(FakeBroker):
    """Answers after `takes_s`."""

    clock = ManualClock()
    takes_s = 10.0

    def account(self) -> Account:
        self.clock.advance(self.takes_s)
        return super().account()


def test_broker_when_slow_then_more_time_is_asked_for_before_each_further_call(ear: Ear) -> None:
    """Ten seconds per call, ten calls in a turn: no watchdog takes that for a hang."""
    slow = SlowBroker(NOON)
    broker = PatientBroker(slow, Notifier(ear.path), slow.clock)

    for _ in range(3):
        broker.account()

    assert [word.partition("=")[0] for word in ear.heard()] == ["EXTEND_TIMEOUT_USEC"] * 2


def test_broker_when_one_door_is_slow_then_time_is_asked_for_at_the_quick_ones_too(
    ear: Ear,
) -> None:
    """The beat between two turns ends what was asked for, and the slow door comes first in each."""
    slow = SlowBroker(NOON)
    broker = PatientBroker(slow, Notifier(ear.path), slow.clock)

    for call in (broker.account, broker.positions, broker.account):
        ear.heard()
        call()

    assert [word.partition("=")[0] for word in ear.heard()] == ["EXTEND_TIMEOUT_USEC"]


def test_broker_when_quick_then_nothing_is_asked_for(ear: Ear) -> None:
    """A real hang is still seen at once."""
    slow = SlowBroker(NOON)
    slow.takes_s = 0.1
    broker = PatientBroker(slow, Notifier(ear.path), slow.clock)

    for _ in range(3):
        broker.account()

    assert ear.heard() == []


@pytest.mark.parametrize(("takes_s", "word"), [(2.9, "OK"), (3.1, "DEGRADED")])
def test_health_when_answers_take_longer_than_a_late_beat_then_it_is_degraded(
    tmp_path: Path, takes_s: float, word: str
) -> None:
    """More time is asked for meanwhile, so that nobody else would notice."""
    house = BotHouse(tmp_path, BEFORE)
    slow = SlowBroker(NOON)
    slow.takes_s = takes_s
    broker = PatientBroker(slow, Notifier(None), slow.clock)
    broker.account()

    health = judge_health(replace(house.parts, broker=broker), None)

    assert health.word == word
    assert ("3 s to answer" in health.reason) == (word != "OK")
    house.loop.finish()


class SilentClock:
    """Market time that is carried on, since the broker does not tell it."""

    last_fault = TransientFault("GET /v2/clock: read_timeout")


def test_health_when_the_broker_does_not_tell_the_time_then_it_is_degraded(tmp_path: Path) -> None:
    """Turns go on for seconds by the machine's own clock; that is no reason to look well."""
    house = BotHouse(tmp_path, BEFORE)
    silent: Any = SilentClock()

    health = judge_health(replace(house.parts, market_clock=silent), None)

    assert health.word == "DEGRADED"
    assert "read_timeout" in health.reason
    house.loop.finish()


def test_health_when_a_contract_is_broken_then_the_beat_names_the_family(tmp_path: Path) -> None:
    """The bot stays up, FAILED with code 76's family."""
    house = BotHouse(tmp_path, BEFORE)

    health = judge_health(house.parts, SchemaFault("orders: not a list"))

    assert (health.word, health.failure_class) == ("FAILED", "SCHEMA")
    house.loop.finish()


def test_health_when_something_stays_unresolved_while_running_then_failed_as_risk(
    tmp_path: Path,
) -> None:
    """Found at work, it ends no process: FAILED with code 77's family."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    doubts = house.loop._reconciler
    house.broker.held["AAPL"] = replace(house.broker.held["AAPL"], qty=Decimal(1))
    house.pass_time(60)
    house.turn()
    assert doubts.unresolved == 1
    assert doubts.lasting(RESOLVE_WITHIN_S) is None

    for _ in range(8):
        house.turn()

    health = judge_health(house.parts, None, doubts.lasting(RESOLVE_WITHIN_S))
    assert (health.word, health.failure_class) == ("FAILED", "RISK")
    house.loop.finish()


def candles(price: int, count: int, minute: int = 0) -> list[Candle]:
    """Bars that stand at a price."""
    at = Decimal(price)
    return [
        Candle("AAPL", NOON + timedelta(minutes=minute + n), at, at, at, at, 1)
        for n in range(count)
    ]


def closes(view: MarketView) -> set[Decimal]:
    """The closes that warm the indicators."""
    return {candle.close for candle in view.buffers["AAPL"].tail(99)}


def test_market_when_it_becomes_another_then_its_old_prices_are_forgotten(tmp_path: Path) -> None:
    """Prices of one market never warm the indicators of another."""
    path = tmp_path / "market.db"
    writer = MarketStoreWriter(path, ManualClock())
    writer.begin_source("one")
    writer.put_candles(candles(100, 5))
    view = MarketView(MarketStoreReader(path), ("AAPL",))
    view.warmed()
    view.refresh(None)
    assert closes(view) == {Decimal(100)}

    writer.begin_source("two")
    writer.put_candles(candles(7, 3, minute=10))
    view.refresh(None)

    assert closes(view) == {Decimal(7)}


class HalfReader(MarketStoreReader):
    """A store whose quotes cannot be read while `is_torn`."""

    is_torn = False

    def quotes(self) -> dict[str, StoredQuote]:
        if self.is_torn:
            raise TransientFault("market.db cannot be read: busy")
        return super().quotes()


def test_market_when_a_reading_fails_half_way_then_its_bars_come_with_the_next(
    tmp_path: Path,
) -> None:
    """Bars that a failed reading had passed over would be missing for ever."""
    path = tmp_path / "market.db"
    writer = MarketStoreWriter(path, ManualClock())
    reader = HalfReader(path)
    view = MarketView(reader, ("AAPL",))
    view.warmed()
    writer.put_candles(candles(100, 5))

    reader.is_torn = True
    view.refresh(None)
    assert view.fault is not None
    reader.is_torn = False
    view.refresh(None)

    assert len(view.buffers["AAPL"].tail(99)) == 5
