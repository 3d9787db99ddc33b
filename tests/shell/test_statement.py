"""The day's statement on a whole bot: cent for cent against the broker's activities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.statements import RETRY_S
from shared.models.movements import BrokerMovement
from shared.models.trading_day import trading_day
from shared.persistence.ledger import LedgerReader
from tests.support.bot_house import BEFORE, BotHouse, enter, seeing_a_breakout, status

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that traded once today, and whose session has just ended."""
    house = BotHouse(tmp_path, BEFORE)
    house.turn()
    seeing_a_breakout(house)
    enter(house)
    house.turn()
    house.broker.trade("AAPL", "90")
    house.turn()
    assert house.parts.memory.state.pnl.trades == 1
    house.is_open = False
    house.pass_time(600)
    yield house
    house.loop.finish()


def turns(house: BotHouse) -> None:
    """Let so much time pass that an open statement is tried again."""
    for _ in range(int(RETRY_S // 5) + 2):
        house.turn()


def test_statement_when_the_session_ended_then_it_matches_and_is_recorded(house: BotHouse) -> None:
    """Fills, cash and with them the trade's profit agree; state, ledger and status say so."""
    turns(house)

    shown = status(house)["statement"]
    (row,) = LedgerReader(house.settings.state.ledger).statements(10)
    assert (shown["matches"], shown["is_final"], shown["differences"]) == (True, True, [])
    assert (row["day"], row["differences"]) == (shown["day"], [])
    assert status(house)["trading_state"] == "ACTIVE"
    statement = house.parts.memory.state.statement
    house.born()
    assert house.parts.memory.state.statement == statement


def test_statement_when_a_cent_and_more_is_missing_then_entries_wait_until_it_is_explained(
    house: BotHouse,
) -> None:
    """Two cents that no activity explains are an alarm; a fee that is told later ends it."""
    house.broker.cash -= Decimal("0.02")

    turns(house)

    (difference,) = status(house)["statement"]["differences"]
    assert difference.startswith("cash: ")
    assert (status(house)["trading_state"], status(house)["trading_state_cause"]) == (
        "REDUCING", "risk",
    )  # fmt: skip
    at = house.now - timedelta(minutes=1)
    house.broker.moved.append(BrokerMovement("f-1", "FEE", trading_day(at), Decimal("-0.02"), at))
    turns(house)
    assert status(house)["statement"]["matches"] is True
    assert status(house)["trading_state"] == "ACTIVE"


def test_statement_when_a_fill_was_booked_otherwise_then_the_order_is_named(
    house: BotHouse,
) -> None:
    """The broker's activities are the bank's word: price by price."""
    sold = house.broker.activities[-1]
    house.broker.activities[-1] = replace(sold, price=sold.price - Decimal("0.01"))

    turns(house)

    differences = status(house)["statement"]["differences"]
    assert len(differences) == 2
    assert differences[0].startswith(f"stop sell {sold.qty} AAPL: ")


def test_statement_when_an_activity_is_missing_then_it_is_not_taken_for_agreement(
    house: BotHouse,
) -> None:
    """A fill that the activities never listed is a difference."""
    del house.broker.activities[-1]

    turns(house)

    assert "lists no fill" in status(house)["statement"]["differences"][0]
