"""The circuit breakers of money: daily loss, drawdown, bursts of errors."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from shared.events.apply import apply_all
from shared.events.types import DayOpened, HoldCleared, TransferSeen
from shared.models.limits import Limits
from shared.models.trading_state import BotState, HoldKind, TradingState
from shared.risk.circuit import (
    READINGS_TO_TRIP,
    MoneyReading,
    day_loss,
    drawdown_of,
    is_error_burst,
    loss_limit,
    watch_money,
)
from shared.risk.trading_state import StateInputs, combine
from tests.support.builders import D, a_state, at

pytestmark = pytest.mark.unit

LIMITS = Limits(daily_loss_limit_pct=D("0.02"), drawdown_limit_pct=D("0.10"))


def read(state: BotState, *equities: str, start: int = 0) -> BotState:
    """Return the state after these readings, one a second."""
    for number, equity in enumerate(equities):
        events = watch_money(state, MoneyReading(D(equity), at(start + number)), LIMITS)
        state = apply_all(state, events)
    return state


def test_risk_daily_limit() -> None:
    """A loss of two percent, confirmed over three readings, reduces until the next NY day."""
    state = a_state()
    assert loss_limit(state, LIMITS) == D("2000.00")
    assert day_loss(state, D("98000.01")) == D("1999.99")

    near = read(state, *["98000.01"] * 5)
    assert near.holds == {}

    twice = read(near, "98000.00", "97000.00", start=10)
    assert twice.holds == {}
    tripped = read(twice, "97999.99", start=12)
    assert set(tripped.holds) == {"daily_loss"}
    hold_reason = tripped.holds["daily_loss"].reason
    assert "2000.01" in hold_reason
    assert "2000.00" in hold_reason
    verdict = combine(_well(tripped))
    assert (verdict.state, verdict.cause.value) == (TradingState.REDUCING, "risk")

    recovered = read(tripped, "100500.00", start=20)
    assert set(recovered.holds) == {"daily_loss"}
    same_day = apply_all(recovered, [DayOpened(date(2026, 11, 20), D(1), at(30))])
    assert same_day == recovered
    next_day = apply_all(recovered, [DayOpened(date(2026, 11, 23), D("97900.00"), at(40))])
    assert next_day.holds == {}
    assert loss_limit(next_day, LIMITS) == D("1958.00")


def _well(state: BotState) -> StateInputs:
    return StateInputs(
        emergency_stop=False,
        holds=state.holds,
        data_age_s=1.0,
        unknown_outcomes=0,
        uncovered_symbols=0,
        reconcile_age_s=1.0,
        stream_listening=True,
        store_writable=True,
    )


def test_daily_loss_when_one_reading_is_wrong_then_the_row_begins_anew() -> None:
    """A single wrong number of the broker stops nothing."""
    state = read(a_state(), "1.00", "1.00", "100000.00", "1.00", "1.00")

    assert state.holds == {}
    assert state.day is not None
    assert state.day.loss_readings == READINGS_TO_TRIP - 1


def test_daily_loss_when_money_was_moved_then_it_is_no_loss() -> None:
    """A withdrawal of 5,000 neither trips the daily limit nor the drawdown; counted once."""
    state = read(a_state(), "100000.00")
    moved = TransferSeen("t-1", D("-5000.00"), at(1))

    state = apply_all(state, [moved, moved])
    state = read(state, *["95000.00"] * 4, start=2)

    assert state.holds == {}
    assert day_loss(state, D("95000.00")) == 0
    assert state.pnl.peak_equity == D("95000.00")
    assert loss_limit(state, LIMITS) == D("1900.00")


def test_drawdown_when_confirmed_then_it_halts_until_an_approver() -> None:
    """Ten percent below the peak halts, over days, until somebody clears it."""
    limits_day = a_state()
    state = read(limits_day, "120000.00")
    state = apply_all(state, [DayOpened(date(2026, 11, 23), D("108000.00"), at(5))])
    assert drawdown_of(state, D("108000.00")) == D("0.1")

    state = read(state, *["108000.00"] * 3, start=10)

    assert set(state.holds) == {"drawdown"}
    assert combine(_well(state)).state is TradingState.HALTED
    later = apply_all(state, [DayOpened(date(2026, 11, 24), D("108000.00"), at(50))])
    assert set(later.holds) == {"drawdown"}
    cleared = apply_all(later, [HoldCleared(HoldKind.DRAWDOWN, "approver", at(60))])
    assert cleared.holds == {}
    assert cleared.pnl.peak_equity == D("108000.00")
    assert read(cleared, *["107000.00"] * 4, start=70).holds == {}
    assert cleared.pnl.max_drawdown_pct == D("0.1")


@pytest.mark.parametrize("equity", ["NaN", "Infinity", "-Infinity", "0", "-1", "1e15"])
def test_reading_when_no_sane_amount_then_it_means_nothing(equity: str) -> None:
    """Neither peak nor loss nor row is touched."""
    assert watch_money(a_state(), MoneyReading(D(equity), at(0)), LIMITS) == ()


def test_loss_when_the_day_is_not_open_then_it_is_not_known() -> None:
    """Before the first account reading of the day there is no base, and no invented one."""
    state = replace(a_state(), day=None)

    assert day_loss(state, D(1)) is None
    assert loss_limit(state, LIMITS) is None
    assert read(state, *["1.00"] * 5).holds == {}


def test_errors_when_they_come_in_a_burst_then_it_is_seen() -> None:
    """Five errors within ten seconds are a burst; spread out they are none."""
    assert is_error_burst([91, 93, 95, 97, 99], 100, 5, 10)
    assert not is_error_burst([1, 93, 95, 97, 99], 100, 5, 10)
    assert not is_error_burst([], 100, 1, 10)
