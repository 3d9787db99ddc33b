"""The trade stream is a hint: what it brings is booked, and after a gap REST is asked for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from shared.models.broker import TradeUpdate
from shared.models.orders import OrderStatus
from tests.support.bot_house import BEFORE, BotHouse, FakeStream, enter, seeing_a_breakout

pytestmark = pytest.mark.integration


@dataclass
class TellingStream(FakeStream):
    """A trade stream that hands out what a test lays down."""

    said: list[TradeUpdate] = field(default_factory=list)

    def drain(self) -> tuple[TradeUpdate, ...]:
        said, self.said = self.said, []
        return tuple(said)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot whose entry works at the broker."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE, stream=TellingStream()))
    house.broker.fills_on_submit = False
    yield house
    house.loop.finish()


def test_bot_when_the_stream_knows_of_a_fill_before_the_lists_do_then_it_is_booked(
    house: BotHouse,
) -> None:
    """Whichever source shows an increase first (rule 11)."""
    own_id = enter(house)
    order = house.broker.by_client_id(own_id)
    assert order is not None
    now = house.now
    filled = replace(
        order,
        status=OrderStatus.FILLED,
        filled_qty=order.qty,
        filled_avg_price=order.limit_price,
        filled_at=now,
        updated_at=now,
    )
    stream = house.stream
    assert isinstance(stream, TellingStream)
    stream.said.append(TradeUpdate("fill", filled, now, order.limit_price, order.qty))

    house.turn()

    assert house.parts.memory.state.positions["AAPL"].qty == order.qty


def test_bot_when_the_stream_had_a_gap_then_it_reconciles_at_once(house: BotHouse) -> None:
    """What was said meanwhile nobody repeats (rules 11 and 12)."""
    house.turn()
    before = house.parts.memory.state.reconciled_at
    house.turn()
    assert house.parts.memory.state.reconciled_at == before

    house.stream.gaps += 1
    house.turn()

    assert house.parts.memory.state.reconciled_at == house.now
