"""bot_status.json tells how much of a limit is used, and what nobody knows it leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.dashboard.formats import NOTHING
from services.dashboard.views_money import limit_rows
from services.trading_bot.status import Stamp, StatusFacts, status_document
from shared.models.limits import Limits
from shared.models.pnl import Day, Pnl
from shared.models.portfolio import Position
from shared.models.trading_state import BotState
from shared.resilience.door_standing import DoorStanding
from shared.risk.trading_state import StateInputs, combine
from tests.support.readings import reading

pytestmark = pytest.mark.unit

HELD = {"AAPL": Position("AAPL", Decimal(20), Decimal("190"), current_price=Decimal("200"))}
LOSER = BotState(
    "sim",
    "PA1",
    "abcd",
    positions=HELD,
    pnl=Pnl(equity=Decimal(99_000), peak_equity=Decimal(100_000)),
    day=Day(date(2026, 1, 5), Decimal(100_000)),
)


def document(state: BotState, at_broker: Mapping[str, Position] | None) -> dict[str, Any]:
    """What the bot writes of that state."""
    facts = StatusFacts(
        state=state,
        limits=Limits(),
        reading=None,
        account=None,
        broker_positions=at_broker,
        verdict=combine(StateInputs()),
        emergency_stop=False,
        reconcile={},
        feeds=(),
        gates=(),
        strategies=(),
        doors=DoorStanding((), (), {}),
    )
    return status_document(facts, Stamp(datetime(2026, 1, 5, 15, tzinfo=UTC), "boot", 1.0))


def used(state: BotState, at_broker: Mapping[str, Position] | None) -> dict[str, Any]:
    """Limit to what is used of it and the percent."""
    rows = document(state, at_broker)["limits"]
    return {row["name"]: (row["used"], row["used_pct"]) for row in rows}


def test_limits_when_the_broker_tells_its_positions_are_used_by_them() -> None:
    """What stands at the broker is counted at its price; a flat book uses nothing."""
    told = used(LOSER, HELD)
    assert told["largest_position"] == ("4000", 80.81)
    assert told["gross_exposure"] == ("4000", 13.47)
    assert told["daily_loss"] == ("1000", 50.51)
    assert used(LOSER, {})["gross_exposure"] == ("0", 0.0)


def test_limits_when_the_broker_was_not_heard_yet_are_used_by_nobody_knows_how_much() -> None:
    """A bot that starts without its broker tells no exposure of zero beside open positions."""
    told = used(LOSER, None)
    assert told["largest_position"] == told["gross_exposure"] == (None, None)
    assert told["daily_loss"] == ("1000", 50.51)
    assert told["open_positions"] == ("1", 10.0)


def test_limits_when_neither_day_nor_equity_is_known_tell_no_loss_of_zero() -> None:
    """Nothing is known of loss and fall before the first account; the page marks both."""
    fresh = BotState("sim", "PA1", "abcd")
    told = used(fresh, None)
    assert told["daily_loss"] == told["drawdown_pct"] == (None, None)
    shown = reading(bot_status=document(fresh, None), boot_id="boot", boottime_s=1.0)
    tones = {row.name: (row.used, row.tone) for row in limit_rows(shown)}
    assert tones["daily loss"] == tones["drawdown"] == (NOTHING, "bad")
