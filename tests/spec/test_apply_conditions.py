"""apply: operator, plans, day, holds and readings; older words never undo newer ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from shared.events.apply import apply, apply_all
from shared.events.types import (
    DayOpened,
    EquitySeen,
    HoldCleared,
    HoldPlaced,
    LossReadingCounted,
    OperatorPaused,
    OperatorResumed,
    PlanDone,
    PlanStarted,
    PlanStepped,
    Reconciled,
    TransferSeen,
)
from shared.models.plans import Plan, PlanKind
from shared.models.trading_state import HoldKind
from tests.support.builders import NOON, D, a_state, at

pytestmark = pytest.mark.unit

PLAN = Plan("p", PlanKind.CLOSE, "AAPL", "key", "check_account", NOON, NOON, "why")


def test_pause_when_an_older_word_comes_late_then_the_newer_one_stands() -> None:
    """Pause and resume are ordered by their own time."""
    paused, resumed = OperatorPaused("cli", "lunch", at(1)), OperatorResumed("cli", "", at(2))

    assert not apply_all(a_state(), [paused, resumed]).operator.paused
    assert not apply_all(a_state(), [resumed, paused]).operator.paused
    assert apply(a_state(), paused).operator.reason == "lunch"


def test_plan_when_stepped_then_it_only_moves_forward() -> None:
    """A step behind the present one, or a foreign step, changes nothing; attempts count."""
    state = apply_all(
        a_state(),
        [
            PlanStarted(PLAN),
            PlanStarted(replace(PLAN, reason="again")),
            PlanStepped("p", "cancel_legs", 0, at(1), {"legs": "2"}),
            PlanStepped("p", "send_exit", 1, at(2), {"qty": "10"}),
        ],
    )

    plan = state.plans[0]
    assert (plan.step, plan.attempts, plan.reason) == ("send_exit", 1, "why")
    assert plan.facts == {"legs": "2", "qty": "10"}
    for late in (
        PlanStepped("p", "cancel_legs", 9, at(3)),
        PlanStepped("p", "send_exit", 0, at(3)),
        PlanStepped("p", "send_oco", 1, at(3)),
        PlanStepped("other", "send_exit", 5, at(3)),
        PlanDone("other", "closed", at(3)),
    ):
        assert apply(state, late) is state
    assert apply(state, PlanDone("p", "closed", at(4))).plans == ()


def test_day_when_opened_again_or_older_then_nothing_changes() -> None:
    """Only a newer New York day begins anew; old cooldowns are dropped with it."""
    state = replace(a_state(), cooldowns={"OLD": at(-200_000), "NEW": NOON})

    assert apply(state, DayOpened(date(2026, 11, 20), D(1), at(1))) is state
    assert apply(state, DayOpened(date(2026, 11, 19), D(1), at(1))) is state
    after = apply(state, DayOpened(date(2026, 11, 21), D("101.50"), at(1)))
    assert after.day is not None
    assert (after.day.base_equity, after.day.loss_readings) == (D("101.50"), 0)
    assert after.cooldowns == {"NEW": NOON}


def test_equity_when_seen_then_peak_and_deepest_fall_are_kept() -> None:
    """The peak only rises, the deepest fall only grows; old and broken readings do nothing."""
    readings = [("100", 1), ("200", 2), ("150", 3), ("180", 4)]
    state = apply_all(a_state(), [EquitySeen(D(value), at(when)) for value, when in readings])

    pnl = state.pnl
    assert (pnl.equity, pnl.peak_equity, pnl.max_drawdown_pct) == (D(180), D(200), D("0.25"))
    assert pnl.drawdown_pct == D("0.1")
    for bad in (EquitySeen(D("NaN"), at(9)), EquitySeen(D(0), at(9)), EquitySeen(D(1), at(3))):
        assert apply(state, bad) is state


def test_transfer_when_no_day_is_open_then_it_waits() -> None:
    """Without a day there is nothing to take it out of; NaN is no amount."""
    empty = replace(a_state(), day=None)

    assert apply(empty, TransferSeen("t", D(1), NOON)) is empty
    assert apply(a_state(), TransferSeen("t", D("NaN"), NOON)).day == a_state().day


def test_readings_when_counted_then_both_rows_are_kept() -> None:
    """Daily loss and drawdown have a row of readings each."""
    state = apply(a_state(), LossReadingCounted(2, NOON, 1))

    assert state.day is not None
    assert (state.day.loss_readings, state.pnl.drawdown_readings) == (2, 1)
    assert apply(state, LossReadingCounted(2, at(1), 1)) is state


def test_hold_when_placed_twice_then_the_first_reason_stands() -> None:
    """A hold is placed once and ends by its own kind only."""
    first = HoldPlaced(HoldKind.REBUILD, "lost", at(1))
    state = apply_all(a_state(), [first, HoldPlaced(HoldKind.REBUILD, "later", at(2))])

    assert state.holds["rebuild"].reason == "lost"
    other = HoldCleared(HoldKind.SECOND_WRITER, "me", at(3))
    assert apply(state, other) is state
    assert apply(state, HoldCleared(HoldKind.REBUILD, "me", at(3))).holds == {}


def test_reconciled_when_an_older_one_comes_late_then_it_is_ignored() -> None:
    """The time of the last reconciliation and of the newest activity only rise."""
    state = apply_all(a_state(), [Reconciled(at(10), at(8)), Reconciled(at(20), at(7))])

    assert (state.reconciled_at, state.fills_seen_until) == (at(20), at(8))
    assert apply(state, Reconciled(at(15), at(9))) is state
