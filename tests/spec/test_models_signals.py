"""Signals and positions: what cannot be built."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.models.orders import Side
from shared.models.portfolio import Position
from tests.support.builders import NOON, D, a_position, a_signal, an_account

pytestmark = pytest.mark.unit

BAD_SIGNALS: list[tuple[dict[str, Any], str]] = [
    ({"stop_price": D("100.00")}, "stop"),
    ({"stop_price": D("101.00")}, "stop"),
    ({"target_price": D("100.00")}, "target"),
    ({"target_price": D("99.00")}, "target"),
    ({"side": Side.SELL}, "stop"),
    ({"stop_price": D("0")}, "stop_price"),
    ({"stop_price": D("NaN")}, "stop_price"),
    ({"entry_price": D("Infinity")}, "entry_price"),
    ({"strength": 1.1}, "strength"),
    ({"strength": float("nan")}, "strength"),
    ({"symbol": ""}, "symbol"),
    ({"strategy": ""}, "strategy"),
    ({"reason": ""}, "reason"),
    ({"at": NOON.replace(tzinfo=None)}, "at"),
]


def test_signal_validation() -> None:
    """A signal has its stop, sides that are right, reward and risk above zero, and says so."""
    signal = a_signal()

    assert (signal.risk_per_share, signal.reward_per_share) == (D("2.00"), D("3.00"))
    assert signal.reward_risk == D("1.5")
    assert "R:R 1.50" in repr(signal)
    short = a_signal(side=Side.SELL, stop_price=D("102.00"), target_price=D("97.00"))
    assert short.reward_risk == D("1.5")
    for changes, word in BAD_SIGNALS:
        with pytest.raises(ValueError, match=word):
            a_signal(**changes)


BAD_POSITIONS: list[tuple[dict[str, Any], str]] = [
    ({"symbol": ""}, "symbol"),
    ({"qty": D(0)}, "qty"),
    ({"qty": D("NaN")}, "qty"),
    ({"qty": D("Infinity")}, "qty"),
    ({"entry_price": D(-1)}, "entry_price"),
    ({"stop_price": D(0)}, "stop_price"),
    ({"target_price": D("NaN")}, "target_price"),
    ({"current_price": D(-1)}, "current_price"),
    ({"opened_at": NOON.replace(tzinfo=None)}, "opened_at"),
]


def test_position_validation() -> None:
    """A position is never flat; its trailed stop may lie above its entry; short is negative."""
    position = replace(a_position(), stop_price=D("101.00"), current_price=D("104.00"))

    assert (position.market_value, position.unrealized_pnl) == (D("1040.00"), D("40.00"))
    assert position.is_external
    assert replace(position, qty=D(-10)).unrealized_pnl == D("-40.00")
    assert "stop 101.00" in repr(position)
    assert Position("X", D(1), D(0)).market_value == 0
    for changes, word in BAD_POSITIONS:
        with pytest.raises(ValueError, match=word):
            replace(a_position(), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ACCOUNT_CLOSED"},
        {"trading_blocked": True},
        {"account_blocked": True},
        {"trade_suspended": True},
    ],
)
def test_account_when_any_flag_blocks_then_it_may_not_trade(changes: dict[str, Any]) -> None:
    """Only an active account without a block trades."""
    assert an_account().may_trade
    assert not an_account(**changes).may_trade
