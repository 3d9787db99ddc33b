"""Money limits on a whole bot: read from the mode, kept over restarts, ended as promised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.money import READS_MAX
from shared.models.commands import CommandName
from shared.models.movements import BrokerMovement
from shared.models.orders import OrderRole
from shared.models.trading_day import trading_day
from shared.risk.circuit import READINGS_TO_TRIP
from shared.risk.dollars import DollarLimits
from tests.support.bot_house import (
    BEFORE,
    BotHouse,
    answer,
    command,
    enter,
    seeing_a_breakout,
    status,
)
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

LIVE_LIMITED = {
    "TRADING_MODE": "live_limited",
    "APCA_API_KEY_ID": "a-key",
    "APCA_API_SECRET_KEY": "a-secret",
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[BotHouse]:
    """A bot in a market where nothing happens yet."""
    house = BotHouse(tmp_path, BEFORE)
    yield house
    house.loop.finish()


def lose(house: BotHouse, dollars: int) -> None:
    """Let the account lose money that no transfer explains, seen until it is believed."""
    house.broker.cash -= dollars
    for _ in range(READS_MAX + READINGS_TO_TRIP):
        house.turn()


def test_limits_when_the_mode_is_live_limited_then_they_are_the_owners_numbers(
    tmp_path: Path,
) -> None:
    """With 10,625.05 of equity the limits read 531.25 and 212.50: 999.44 does not fit, 525 does."""
    limits = make_settings(tmp_path, **LIVE_LIMITED).limits

    dollars = DollarLimits.of(limits, Decimal("10625.05"))

    assert (dollars.position, dollars.daily_loss) == (Decimal("531.25"), Decimal("212.50"))
    assert Decimal("525") <= dollars.notional < Decimal("999.44")
    assert limits.open_positions_max == 3


def test_day_loss_when_the_bot_restarts_then_it_still_reduces_until_the_next_day(
    house: BotHouse,
) -> None:
    """The hold, its base and its count are on disk; the next New York day ends it."""
    house.turn()
    lose(house, 2_000)
    assert status(house)["trading_state"] == "REDUCING"

    house.born()
    seeing_a_breakout(house).turn()

    assert status(house)["trading_state_cause"] == "risk"
    assert status(house)["day_pnl"] == "-2000.00"
    assert house.broker.submitted == []
    house.broker.last_equity = Decimal(98_000)
    house.pass_time(24 * 3600)
    house.turn()
    assert house.parts.memory.state.holds == {}


def test_drawdown_when_the_bot_restarts_then_it_stays_halted_until_an_approver(
    house: BotHouse,
) -> None:
    """The peak is kept: a restart must not make a fall of eleven percent a fresh start."""
    house.turn()
    lose(house, 11_000)

    house.born()
    house.turn()

    assert status(house)["trading_state"] == "HALTED"
    assert status(house)["peak_equity"] == "100000.00"
    asked = command(house, CommandName.CLEAR_STOP, what="drawdown", approver="ann")
    house.turn()
    assert answer(house, asked).outcome == "done"
    assert "drawdown" not in house.parts.memory.state.holds


def test_cooldown_when_the_bot_restarts_then_the_symbol_still_rests(house: BotHouse) -> None:
    """Five market minutes from the exit, whoever lives in between."""
    seeing_a_breakout(house)
    enter(house)
    house.turn()
    house.broker.trade("AAPL", "90")
    house.turn()
    assert house.parts.memory.state.pnl.trades == 1
    before = dict(house.parts.memory.state.cooldowns)

    house.born()
    house.turn()

    assert dict(house.parts.memory.state.cooldowns) == before != {}


def test_trade_when_it_closes_at_its_entry_price_then_it_is_neither_won_nor_lost(
    house: BotHouse,
) -> None:
    """Breakeven has a count of its own, and no share in the win rate."""
    seeing_a_breakout(house)
    enter(house)
    house.turn()
    position = house.parts.memory.state.positions["AAPL"]
    (stop,) = [each for each in house.parts.memory.state.orders.live()
               if each.role is OrderRole.STOP]  # fmt: skip
    house.broker.fill(stop.client_order_id, int(position.qty), position.entry_price)
    house.turn()

    shown = status(house)
    assert (shown["total_trades"], shown["wins"], shown["losses"]) == (1, 0, 0)
    assert (shown["breakeven"], shown["win_rate"], shown["total_pnl"]) == (1, None, "0.00")


def test_money_when_a_withdrawal_is_told_late_then_it_never_counts_as_a_loss(
    house: BotHouse,
) -> None:
    """Cash that nobody has explained yet moves neither day nor peak; the explanation does."""
    house.turn()
    house.broker.cash -= 30_000
    for _ in range(3):
        house.turn()
    withdrawn = house.now - timedelta(seconds=10)
    house.broker.moved.append(
        BrokerMovement("w-1", "CSW", trading_day(withdrawn), Decimal(-30_000), withdrawn)
    )

    for _ in range(READINGS_TO_TRIP + 1):
        house.turn()

    assert house.parts.memory.state.holds == {}
    assert status(house)["peak_equity"] == "70000.00"
    assert status(house)["day_pnl"] == "0.00"


def test_money_when_a_deposit_is_told_late_then_the_peak_moves_by_it_once(house: BotHouse) -> None:
    """Else the peak would hold the deposit twice, and a fall would be seen where none is."""
    house.turn()
    house.broker.cash += 50_000
    house.turn()
    at = house.now
    house.broker.moved.append(BrokerMovement("d-1", "CSD", trading_day(at), Decimal(50_000), at))

    for _ in range(3):
        house.turn()
    house.born()
    house.turn()

    assert status(house)["peak_equity"] == "150000.00"
    assert status(house)["day_pnl"] == "0.00"
    assert house.parts.memory.state.pnl.drawdown_pct == 0
