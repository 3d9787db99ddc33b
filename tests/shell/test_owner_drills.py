"""The owner's drills on a whole bot: a broken state heals, a failed reconciliation refuses to
trade, stops hold and are cleared, positions survive, and nothing that happened is overlooked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import TransientFault
from shared.models.commands import CommandName
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

INVALID = b"{ invalid json }\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that sees AAPL break out at its next turn."""
    house = seeing_a_breakout(BotHouse(tmp_path, BEFORE))
    yield house
    house.loop.finish()


def holding(house: BotHouse) -> BotHouse:
    """Let the bot own AAPL, its stop at the broker."""
    enter(house)
    house.turn()
    assert house.parts.memory.state.positions.keys() == {"AAPL"}
    return house


def quarantined(house: BotHouse) -> list[bytes]:
    """What was set aside as corrupt."""
    folder = house.settings.state.root
    return [path.read_bytes() for path in folder.glob("trading_state.json.corrupt.*")]


def saved(house: BotHouse) -> dict[str, Any]:
    """The payload of trading_state.json."""
    document: dict[str, Any] = json.loads(house.settings.state.trading_state.read_bytes())
    payload: dict[str, Any] = document["payload"]
    return payload


def test_drill_when_the_state_is_invalid_json_then_backup_and_broker_heal_it(
    house: BotHouse,
) -> None:
    """`echo '{ invalid json }' > state/trading_state.json` before a start."""
    holding(house).loop.finish()
    known = house.parts.memory.state.positions
    house.settings.state.trading_state.write_bytes(INVALID)

    house.born()
    house.turn()

    assert quarantined(house) == [INVALID]
    assert house.parts.memory.state.positions == known
    assert status(house)["reconcile"]["outcome"] == "clean"
    assert status(house)["coverage_pct"] == 100.0


def test_drill_when_both_generations_are_invalid_then_the_broker_is_the_truth(
    house: BotHouse,
) -> None:
    """Nothing local is believed: position, stop and owner come from the broker, and an approver
    must agree before anything is entered.
    """
    holding(house).loop.finish()
    house.settings.state.trading_state.write_bytes(INVALID)
    backup = house.settings.state.trading_state.with_suffix(".json.bak")
    backup.write_bytes(INVALID)
    house.settings.state.journal.unlink()

    house.born()
    house.turn()

    held = house.parts.memory.state.positions["AAPL"]
    assert (held.qty, held.strategy) == (house.broker.held["AAPL"].qty, "momentum")
    assert status(house)["coverage_pct"] == 100.0
    assert status(house)["trading_state"] == "REDUCING"
    assert "rebuild" in house.parts.memory.state.holds


def test_drill_when_the_state_is_invalid_json_while_running_then_the_next_save_heals_it(
    house: BotHouse,
) -> None:
    """What a foreign hand wrote is kept aside and never becomes the backup."""
    holding(house)
    house.settings.state.trading_state.write_bytes(INVALID)

    house.clock.advance(20)
    house.broker.trade("AAPL", "90")
    house.turn()
    house.turn()

    assert quarantined(house) == [INVALID]
    assert saved(house)["positions"] == {}
    house.born()
    house.turn()
    assert house.parts.memory.state.pnl.trades == 1


def test_drill_when_the_reconciliation_fails_then_nothing_is_traded(house: BotHouse) -> None:
    """Refuses to trade for as long as it cannot reconcile, and goes on by itself afterwards."""
    house.settings.state.trading_state.write_bytes(INVALID)
    house.born()
    house.broker.fills_fault = TransientFault("activities: 502")

    for _ in range(3):
        house.turn()

    assert house.broker.submitted == []
    assert status(house)["trading_state"] != "ACTIVE"
    assert house.parts.memory.state.reconciled_at is None
    house.broker.fills_fault = None
    house.turn()
    assert status(house)["reconcile"]["outcome"] == "clean"


def test_drill_when_no_position_is_held_then_the_delta_gate_lets_the_entry_pass(
    house: BotHouse,
) -> None:
    """Zero positions are a delta of zero, not an unknown one."""
    house.turn()

    assert len(house.broker.submitted) == 1
    (gate,) = [row for row in status(house)["gates"] if row["gate"] == "portfolio_delta"]
    assert gate["passed"] is True
    assert gate["detail"].startswith("delta 0.0 % of equity")


def test_drill_when_the_emergency_stop_is_set_and_cleared_then_trading_stops_and_goes_on(
    house: BotHouse,
) -> None:
    """The stop outlives a restart; only a named approver ends it."""
    stopped = command(house, CommandName.EMERGENCY_STOP)
    house.turn()
    assert answer(house, stopped).outcome == "done"
    assert house.broker.submitted == []

    house.born()
    house.turn()
    assert status(house)["trading_state"] == "HALTED"
    assert house.broker.submitted == []

    cleared = command(house, CommandName.CLEAR_STOP, what="stop", approver="ann")
    house.turn()
    assert answer(house, cleared).outcome == "done"
    house.turn()
    assert len(house.broker.submitted) == 1


def test_drill_when_the_bot_restarts_then_its_positions_are_still_its_own(
    house: BotHouse,
) -> None:
    """Position, stop, target and owner are the same; nothing is sent again."""
    holding(house)
    known = house.parts.memory.state.positions
    sent = len(house.broker.submitted)

    house.born()
    house.turn()

    assert house.parts.memory.state.positions == known
    assert len(house.broker.submitted) == sent


def test_drill_when_a_trade_opens_and_stops_out_while_the_bot_is_dead_then_it_is_booked(
    house: BotHouse,
) -> None:
    """Flat here and flat there is no proof that nothing happened (ORDER_PATH.md rule 17)."""
    house.broker.fills_on_submit = False
    own_id = enter(house)
    request = house.broker.submitted[0]
    house.broker.fill(own_id, int(request.qty), request.limit_price or "0")
    house.broker.fills_on_submit = True
    house.pass_time(60)
    house.broker.trade("AAPL", "90")
    assert house.broker.held == {}
    house.pass_time(60)

    house.born()
    house.turn()

    (trade,) = house.parts.memory.state.trade_history
    assert trade.trade_key == own_id
    assert trade.exit_reason == "stop"
    assert trade.exited_at == house.broker.activities[-1].at
    assert trade.pnl == house.broker.cash - 100_000
