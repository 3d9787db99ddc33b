"""A burst of refused or lost orders holds new risk back for a minute of market time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trading_bot.execution.door import FAILURES_MAX, FAILURES_WINDOW_S
from shared.errors import FailureClass
from shared.models.broker import Rejected
from shared.models.orders import OrderRole
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout, status

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that holds AAPL."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    enter(house)
    house.turn()
    yield house
    house.loop.finish()


def test_orders_when_refused_in_a_burst_then_trading_reduces_until_it_is_over(
    house: BotHouse,
) -> None:
    """Protection that is refused again and again goes on; entries wait; then all is well."""
    refused = Rejected(FailureClass.RISK, "422", "no")
    for _ in range(FAILURES_MAX):
        stops = [each for each in house.parts.memory.state.orders.live()
                 if each.role is OrderRole.STOP]  # fmt: skip
        for stop in stops:
            house.broker.cancel(stop.broker_order_id or "")
        house.broker.next_outcome = refused
        house.turn()

    reasons = [line["reason"] for line in status(house)["causes"]]
    assert "too many errors in a short time" in reasons
    assert status(house)["trading_state"] == "REDUCING"
    assert status(house)["coverage_pct"] == 100.0
    house.pass_time(FAILURES_WINDOW_S)
    house.turn()
    assert "too many errors in a short time" not in [
        line["reason"] for line in status(house)["causes"]
    ]
