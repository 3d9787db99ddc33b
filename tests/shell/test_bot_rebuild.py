"""A bot whose both generations are lost: what it takes back, and that it waits for an approver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.rebuilding import RETRY_S
from shared.errors import TransientFault
from shared.models.commands import CommandName, CommandOutcome
from shared.models.pnl import EquityPoint
from shared.models.trading_state import HoldKind
from shared.risk.circuit import READINGS_TO_TRIP
from tests.support.bot_house import (
    BEFORE,
    EPOCH,
    BotHouse,
    answer,
    command,
    enter,
    seeing_a_breakout,
    status,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot that traded today, on an account that was worth more once."""
    house = BotHouse(tmp_path, BEFORE)
    yesterday = house.now - timedelta(days=1)
    house.broker.history = [
        EquityPoint(yesterday - timedelta(days=1), Decimal(105_000)),
        EquityPoint(yesterday, Decimal(100_000)),
    ]
    house.turn()
    seeing_a_breakout(house)
    enter(house)
    house.turn()
    house.broker.trade("AAPL", "90")
    house.turn()
    yield house
    house.loop.finish()


def lose_everything(house: BotHouse) -> None:
    """Kill the bot and destroy both generations and the journal."""
    house.parts.memory.commit(now=True)
    state = house.settings.state
    for path in (state.trading_state, state.trading_state.with_name("trading_state.json.bak")):
        path.write_bytes(b"{ invalid json }")
    state.journal.write_bytes(b"")
    house.born()


def test_bot_when_everything_was_lost_then_day_peak_and_cooldown_are_rebuilt_and_it_reduces(
    house: BotHouse,
) -> None:
    """The loss of the file is no new day, no new peak and no fresh symbol."""
    before = house.parts.memory.state
    pnl = status(house)["day_pnl"]
    lose_everything(house)
    assert house.parts.memory.state.pnl.peak_equity is None

    house.turn()

    state = house.parts.memory.state
    assert status(house)["day_pnl"] == pnl != "0.00"
    assert status(house)["peak_equity"] == "105000.00"
    assert state.cooldowns.get("AAPL") == before.cooldowns["AAPL"]
    assert (status(house)["trading_state"], status(house)["trading_state_cause"]) == (
        "REDUCING",
        "risk",
    )
    assert "not known: a pause of the operator" in state.holds["rebuild"].reason


def test_bot_when_an_approver_clears_the_rebuild_then_it_trades_again(house: BotHouse) -> None:
    """`clear-stop --what rebuild` is the only end of the hold, over restarts too."""
    lose_everything(house)
    house.turn()
    house.born()
    house.turn()
    assert "rebuild" in house.parts.memory.state.holds

    asked = command(house, CommandName.CLEAR_STOP, what="rebuild", approver="ann")
    house.turn()

    assert answer(house, asked).outcome is CommandOutcome.DONE
    house.turn()
    assert status(house)["trading_state"] == "ACTIVE"
    assert status(house)["peak_equity"] == "105000.00"


def test_bot_when_the_rebuilt_peak_shows_a_drawdown_then_it_halts(house: BotHouse) -> None:
    """Losing the file must not be the way round the drawdown limit."""
    house.broker.cash -= 6_000
    lose_everything(house)

    for _ in range(READINGS_TO_TRIP + 9):
        house.turn()

    assert "drawdown" in house.parts.memory.state.holds
    assert status(house)["trading_state"] == "HALTED"


def test_bot_when_the_history_cannot_be_read_then_it_tries_again_and_reduces(
    house: BotHouse,
) -> None:
    """What could not be read yet is said, and asked again; it is never taken for nothing."""
    lose_everything(house)
    house.broker.history_fault = TransientFault("away")
    house.turn()
    assert "not been read yet" in house.parts.memory.state.holds["rebuild"].reason

    house.broker.history_fault = None
    house.pass_time(RETRY_S)
    house.turn()

    assert status(house)["peak_equity"] == "105000.00"


def test_bot_when_its_files_are_gone_and_the_marker_remains_then_it_is_no_first_start(
    house: BotHouse,
) -> None:
    """Empty counts as a first start only if no trace of a state exists (rule 15)."""
    house.parts.memory.commit(now=True)
    state = house.settings.state
    for name in ("trading_state.json", "trading_state.json.bak", "journal.jsonl"):
        (state.root / name).unlink(missing_ok=True)

    house.born()

    assert HoldKind.REBUILD.value in house.parts.memory.state.holds


def test_epoch_when_the_state_is_new_then_it_is_the_exchanges_and_after_a_loss_another(
    house: BotHouse,
) -> None:
    """A second replay must not adopt the first one's orders, nor a rebuilt state repeat an id."""
    first = house.parts.memory.state
    assert first.id_epoch == EPOCH

    lose_everything(house)

    assert house.parts.memory.state.id_epoch != EPOCH
    assert EPOCH in house.parts.memory.state.owns_epoch
