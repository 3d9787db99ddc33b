"""Broken contracts on a whole bot: orders halt it, market data reduces it, a whole answer heals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trading_bot.drifts import REMEMBERED_S, Drifts
from shared.contracts.drift import SchemaDrift
from shared.errors import TransientFault
from shared.models.market import FEED_DRIFT
from shared.persistence.market_rows import FeedStatus
from tests.support.bot_house import BEFORE, BotHouse, seeing_a_breakout, status
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

DRIFT = SchemaDrift("fills[0].price", "a decimal string", "float 1.5")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that trades, in a market where AAPL breaks out."""
    house = BotHouse(tmp_path, BEFORE)
    house.turn()
    seeing_a_breakout(house)
    yield house
    house.loop.finish()


def standing(house: BotHouse) -> tuple[str, str]:
    """Trading state and its cause after one more turn."""
    house.turn()
    shown = status(house)
    return shown["trading_state"], shown["trading_state_cause"]


def test_feed_when_it_says_that_its_items_drift_then_the_bot_only_reduces(house: BotHouse) -> None:
    """Data contracts are REDUCING; protection and exits go on, nothing is entered."""
    row = FeedStatus("bars", FEED_DRIFT, "bars[0].close: expected a price", house.now, "market")
    house.market.put_feed_status(row)

    assert standing(house) == ("REDUCING", "contracts")
    assert "bars[0].close" in str(status(house)["causes"])
    assert house.broker.submitted == []
    house.market.put_feed_status(FeedStatus("bars", "live", "", house.now, "market"))
    assert standing(house)[0] == "ACTIVE"


def test_activities_when_they_break_their_contract_then_the_bot_halts_until_they_are_whole(
    house: BotHouse,
) -> None:
    """Fills are the order path's own truth: an answer nobody can read is HALTED."""
    house.broker.fills_fault = DRIFT
    house.stream.gaps += 1

    assert standing(house) == ("HALTED", "contracts")
    house.broker.fills_fault = None
    assert standing(house)[0] == "ACTIVE"


def test_asset_when_it_breaks_its_contract_then_the_entry_is_denied_and_the_bot_reduces(
    house: BotHouse,
) -> None:
    """What is only said of a symbol breaks no order: REDUCING, and nothing was bought."""
    house.broker.asset_fault = DRIFT

    assert standing(house) == ("REDUCING", "contracts")
    assert house.broker.submitted == []


def test_look_up_when_it_breaks_its_contract_then_the_bot_halts_until_it_is_whole(
    house: BotHouse,
) -> None:
    """Whether an order exists is the order path's own question."""
    house.broker.lookup_fault = DRIFT
    house.broker.submit_fault = TransientFault("lost on the way")
    enter_lost(house)
    assert standing(house) == ("HALTED", "contracts")

    house.broker.lookup_fault = None
    house.pass_time(5)

    assert standing(house) == ("REDUCING", "unknown_outcome")


def enter_lost(house: BotHouse) -> None:
    """Let the bot send an entry that never arrives."""
    house.turn()
    assert len(house.parts.memory.state.unknown_outcomes) == 1


def test_drifts_when_a_door_is_not_asked_again_then_its_fault_is_forgotten() -> None:
    """A fault of long ago says nothing of a door that nobody needs any more."""
    clock = ManualClock()
    drifts = Drifts(clock)
    drifts.note("fills", "fills[0] is no fill")
    drifts.note("asset", "asset.class is missing")
    assert (drifts.orders, drifts.data) == ("fills[0] is no fill", "asset.class is missing")

    clock.advance(REMEMBERED_S)
    assert drifts.orders
    clock.advance(0.1)

    assert (drifts.orders, drifts.data) == ("", "")
