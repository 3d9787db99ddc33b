"""Totals, the trading day, and the state's own questions."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from shared.events.apply import apply_all
from shared.events.intents import decided_at, next_sequence, order_of
from shared.events.types import IntentRecorded, OrderSeen
from shared.models.orders import OrderRole, OrderStatus
from shared.models.pnl import Day, Pnl
from shared.models.trading_day import trading_day
from tests.support.builders import (
    NOON,
    D,
    a_state,
    an_entry,
    at,
    filled,
    legs_of,
    own_id,
    seen_of,
    stop_of,
)
from tests.support.guard_builders import a_protect_request, an_entry_request

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 21, 4, 59, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 21, 5, 0, tzinfo=UTC), date(2026, 11, 21)),
        (datetime(2026, 7, 1, 3, 59, tzinfo=UTC), date(2026, 6, 30)),
    ],
)
def test_trading_day_when_near_midnight_then_new_york_decides(moment: datetime, day: date) -> None:
    """The day changes at New York's midnight, in winter and in summer."""
    assert trading_day(moment) == day


def test_pnl_when_no_trade_is_decided_then_there_is_no_win_rate() -> None:
    """Breakeven trades count for neither side."""
    assert Pnl(trades=2, breakeven=2).win_rate is None
    assert Pnl(trades=4, wins=1, losses=2, breakeven=1).win_rate == D(1) / 3
    assert Pnl().drawdown_pct is None
    assert Pnl(equity=D(90), peak_equity=D(100)).drawdown_pct == D("0.1")


def test_day_when_money_was_moved_then_it_is_no_profit() -> None:
    """A deposit of 500 leaves the day's P&L as it was."""
    day = Day(date=date(2026, 11, 20), base_equity=D(1000), transfers=D(500))

    assert day.pnl(D(1490)) == D(-10)


def test_state_when_an_entry_works_then_the_symbol_is_busy_until_flat() -> None:
    """One owner per symbol: from the intent to the last share."""
    entry = an_entry()
    state = apply_all(a_state(), [IntentRecorded((entry,), NOON)])
    seen = seen_of(entry, "b-1", OrderStatus.NEW, legs=legs_of(entry))
    held = apply_all(state, [OrderSeen(filled(seen, 10, "100.00", at(1)), at(1))])

    assert not a_state().is_busy("AAPL")
    assert state.is_busy("AAPL")
    assert state.entry_working("AAPL") == entry
    assert state.entry_working("MSFT") is None
    assert held.is_busy("AAPL")
    assert held.entry_working("AAPL") is None
    stop = stop_of(held, "AAPL")
    assert stop is not None
    assert stop.stop_price == D("98.00")
    assert stop_of(held, "MSFT") is None


def test_ids_when_an_order_is_recorded_then_the_next_sequence_differs() -> None:
    """The same state gives the same sequence; a recorded order of ours moves it on."""
    entry = an_entry()
    state = apply_all(a_state(), [IntentRecorded((entry,), NOON)])
    request = a_protect_request(client_order_id=own_id(number=1, strategy="protect"))

    order = order_of(request, OrderRole.TARGET, entry.position_key)

    assert next_sequence(state, entry.position_key) == 1
    after = apply_all(state, [IntentRecorded((order,), at(1))])
    assert next_sequence(after, entry.position_key) == 2
    assert decided_at(after, entry.position_key) == NOON
    assert decided_at(after, "nothing") is None


def test_intent_when_made_of_a_request_then_an_entry_opens_its_own_group() -> None:
    """An entry's position key is its own id; the planned legs are kept with it."""
    request = an_entry_request()

    order = order_of(request, OrderRole.ENTRY)

    assert order.position_key == request.client_order_id
    assert (order.stop_loss_price, order.take_profit_price) == (D("98.00"), D("103.00"))
    assert order_of(request, OrderRole.EXIT).position_key == ""
