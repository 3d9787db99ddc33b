"""The broker's clock jumps ahead and back: nothing that was done in that future may hold us up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from shared.models.broker import BrokerOrder
from tests.support.bot_house import BARS, BEFORE, BotHouse, enter, status

pytestmark = pytest.mark.integration

HOUR_S = 3600.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that has done one turn in a future that never came, and is back from there."""
    house = BotHouse(tmp_path, BEFORE)
    house.turn()
    house.pass_time(HOUR_S)
    house.turn()
    house.pass_time(-HOUR_S)
    house.clock.advance(HOUR_S)
    yield house
    house.loop.finish()


def test_standing_when_the_clock_is_back_then_the_next_turn_reconciles_anew(
    house: BotHouse,
) -> None:
    """Else trading waits until market time has caught up: an hour of it."""
    house.show(BARS)
    house.turn()

    said = status(house)
    assert [row for row in said["causes"] if row["input"] == "unknown_outcome"] == []
    assert said["trading_state"] == "ACTIVE"


def test_orders_when_the_clock_is_back_then_none_is_asked_for_from_the_future(
    house: BotHouse,
) -> None:
    """A list that begins in the future shows nothing of what is placed now."""
    asked: list[datetime] = []
    orders = house.broker.orders

    def watch(
        status: str, *, after: datetime | None = None, symbols: tuple[str, ...] = ()
    ) -> tuple[BrokerOrder, ...]:
        assert after is not None
        asked.append(after)
        return orders(status, after=after, symbols=symbols)

    house.broker.orders = watch  # type: ignore[method-assign,assignment] # the broker is the fake

    house.turn()

    assert asked
    assert max(asked) <= house.now


def test_entry_when_the_clock_is_back_then_it_goes_out(house: BotHouse) -> None:
    """The guard knows again how old the reconciliation is."""
    house.show(BARS)

    assert enter(house)
