"""Unknown outcomes end by themselves, and hold nobody back longer than their looks take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.models.broker import Unknown
from shared.models.commands import CommandName, CommandOutcome
from shared.models.orders import OrderStatus
from shared.models.trading_state import TradingState
from tests.support.bot_house import (
    BEFORE,
    BotHouse,
    answer,
    command,
    enter,
    seeing_a_breakout,
    status,
)

pytestmark = pytest.mark.integration

LOOKS_S = 150
"""All looks of rule 10, and the reconciliation after them."""
LOST = Unknown("the request was lost")


@pytest.fixture
def house(tmp_path: Path) -> BotHouse:
    """A house in which AAPL breaks out at the next turn."""
    return seeing_a_breakout(BotHouse(tmp_path, BEFORE))


def test_bot_when_it_starts_with_an_intent_that_never_left_then_it_is_settled_and_trades_on(
    house: BotHouse,
) -> None:
    """What was still being settled is no lasting trouble of the start: no exit 77 (rule 24)."""
    house.broker.next_outcome = LOST
    house.turn()
    (own_id,) = house.parts.memory.state.unknown_outcomes
    house.born()

    for _ in range(LOOKS_S // 5):
        house.turn()

    assert house.parts.memory.state.orders[own_id].status is OrderStatus.NOT_SENT
    assert status(house)["reconcile"]["outcome"] == "clean"
    assert status(house)["trading_state"] != TradingState.HALTED.value


def test_bot_when_the_order_that_closes_is_lost_then_it_goes_again_under_its_id(
    house: BotHouse,
) -> None:
    """Its group was cancelled before, so the shares stand naked: no 120 seconds of looks. The
    broker refuses a second one of the same id, so nothing is sold twice.
    """
    enter(house)
    house.turn()
    house.is_open = False
    asked = command(house, CommandName.CLOSE_POSITION, symbol="AAPL")
    house.broker.next_outcome = LOST

    for _ in range(4):
        house.turn()

    log = [json.loads(line) for line in house.settings.logs.orders.read_text().splitlines()]
    sent = [line for line in log if line["event"] == "submitted" and line["side"] == "sell"]
    assert len(sent) == 2
    assert len({line["client_order_id"] for line in sent}) == 1
    assert "AAPL" not in house.broker.held
    assert answer(house, asked).outcome is CommandOutcome.DONE
