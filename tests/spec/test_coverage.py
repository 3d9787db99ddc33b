"""Coverage of positions by broker-held stops, and the settling of unknown outcomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.trading_bot.coverage import coverage, coverage_pct, gaps_out_of_grace
from services.trading_bot.settling import (
    LOOKS_AT_S,
    Looks,
    SettleStep,
    settle_step,
)
from shared.events.apply import apply_all
from shared.events.types import Event, IntentRecorded, OrderSeen
from shared.models.orders import OrderRole, OrderStatus, OrderType, Side
from shared.models.plans import Plan, PlanKind
from shared.models.trading_state import BotState
from tests.support.builders import (
    NOON,
    D,
    a_state,
    an_entry,
    an_exit,
    at,
    filled,
    legs_of,
    seen_of,
)

pytestmark = pytest.mark.unit

ENTRY = an_entry()
WORKING = seen_of(ENTRY, "b-1", OrderStatus.NEW, legs=legs_of(ENTRY))


def holding(qty: int = 10) -> BotState:
    """Return a state whose entry filled so far."""
    events: list[Event] = [
        IntentRecorded((ENTRY,), NOON),
        OrderSeen(filled(WORKING, qty, "100", at(1)), at(1)),
    ]
    return apply_all(a_state(), events)


def with_stop(**changes: Any) -> BotState:
    """Return the holding state with its stop leg changed."""
    state = holding()
    stop = replace(state.orders["leg-s-AAPL"], **changes)
    return replace(state, orders=state.orders.put(stop))


def test_coverage_when_the_stop_is_held_at_the_broker_then_it_is_whole() -> None:
    """A held stop is live, although no list of open orders shows it."""
    rows = coverage(holding(), at(2))

    assert rows["AAPL"].is_covered
    assert (rows["AAPL"].open_qty, rows["AAPL"].stop_qty) == (D(10), D(10))
    assert coverage_pct(rows) == 100
    assert coverage_pct({}) == 100


def test_coverage_when_the_entry_is_partly_filled_then_its_legs_are_inert() -> None:
    """Legs do nothing until the complete fill: the filled part is naked."""
    row = coverage(holding(4))["AAPL"]

    assert (row.open_qty, row.stop_qty, row.gap_qty) == (D(4), D(0), D(4))
    assert coverage_pct({"AAPL": row}) == 0


def partly_filled(status: OrderStatus, *steps: str) -> BotState:
    """Return a state whose entry filled in part, with its plan at the last of the steps."""
    state = holding(4)
    entry = replace(state.orders[ENTRY.client_order_id], status=status)
    key = entry.position_key
    plan = Plan("p", PlanKind.PARTIAL_ENTRY, "AAPL", key, "cancel_rest", at(1), at(1), "in part")
    plans = tuple(replace(plan, step=step) for step in steps)
    return replace(state, orders=state.orders.put(entry), plans=plans)


@pytest.mark.parametrize(
    ("state", "gaps"),
    [
        (holding(), ()),
        (partly_filled(OrderStatus.PARTIALLY_FILLED), ()),
        (partly_filled(OrderStatus.PARTIALLY_FILLED, "cancel_rest"), ()),
        (partly_filled(OrderStatus.PARTIALLY_FILLED, "await_cancel"), ("AAPL",)),
        (partly_filled(OrderStatus.PENDING_CANCEL), ("AAPL",)),
        (partly_filled(OrderStatus.CANCELED), ("AAPL",)),
        (with_stop(status=OrderStatus.CANCELED), ("AAPL",)),
    ],
)
def test_gaps_when_an_entry_is_filling_then_only_its_two_seconds_hold_nothing_back(
    state: BotState, gaps: tuple[str, ...]
) -> None:
    """A normal partial fill is no fault; one that outlasts its grace is."""
    assert gaps_out_of_grace(state, at(2)) == gaps


@pytest.mark.parametrize(
    "changes",
    [
        {"status": OrderStatus.CANCELED},
        {"status": OrderStatus.REPLACED},
        {"status": OrderStatus.UNKNOWN},
        {"status": OrderStatus.INTENT},
        {"status": OrderStatus.PENDING_CANCEL},
        {"status": OrderStatus.SUSPENDED},
        {"side": Side.BUY},
        {"role": OrderRole.TARGET},
        {"expires_at": at(2)},
        {"broker_order_id": None},
        {"position_key": ""},
        {"type": OrderType.MARKET, "stop_price": None},
    ],
)
def test_coverage_when_the_stop_is_no_live_stop_then_it_does_not_count(
    changes: dict[str, Any],
) -> None:
    """Judged by status, side, role, price and expiry."""
    assert not coverage(with_stop(**changes), at(2))["AAPL"].is_covered


@pytest.mark.parametrize(
    ("changes", "stop_qty"),
    [
        ({"qty": D(6)}, 6),
        ({"status": OrderStatus.NEW}, 10),
        ({"status": OrderStatus.PENDING_REPLACE}, 10),
        ({"expires_at": at(3)}, 10),
        ({"type": OrderType.TRAILING_STOP, "stop_price": None}, 10),
    ],
)
def test_coverage_when_the_stop_is_live_then_its_remaining_quantity_counts(
    changes: dict[str, Any], stop_qty: int
) -> None:
    """Only shares that the stop would really sell count."""
    assert coverage(with_stop(**changes), at(2))["AAPL"].stop_qty == D(stop_qty)


def test_coverage_when_a_market_exit_is_queued_then_its_shares_count() -> None:
    """A close out of session is on its way, and said so."""
    state = with_stop(status=OrderStatus.CANCELED)
    close = replace(an_exit(ENTRY, "close"), status=OrderStatus.ACCEPTED, broker_order_id="b-close")

    assert coverage(replace(state, orders=state.orders.put(close)))["AAPL"].is_covered


@pytest.mark.parametrize(
    ("elapsed_s", "absent", "step"),
    [
        (0.0, 0, SettleStep.LOOK),
        (0.0, 1, SettleStep.WAIT),
        (4.9, 1, SettleStep.WAIT),
        (5.0, 1, SettleStep.LOOK),
        (20.0, 2, SettleStep.LOOK),
        (59.9, 3, SettleStep.WAIT),
        (60.0, 3, SettleStep.LOOK),
        (119.9, 4, SettleStep.WAIT),
        (120.0, 4, SettleStep.LOOK),
        (500.0, 1, SettleStep.LOOK),
        (120.0, 5, SettleStep.NOT_SENT),
    ],
)
def test_settling_when_time_passes_then_the_looks_come_at_their_moments(
    elapsed_s: float, absent: int, step: SettleStep
) -> None:
    """0, 5, 20, 60 and 120 s; a late look skips none."""
    assert settle_step(Looks(elapsed_s, absent)) is step


def test_settling_when_something_moved_then_absence_proves_nothing() -> None:
    """A changed position or an unexplained fill leaves the outcome to a person."""
    last = len(LOOKS_AT_S)

    assert settle_step(Looks(200, last, position_unchanged=False)) is SettleStep.UNRESOLVED
    assert settle_step(Looks(200, last, fill_seen=True)) is SettleStep.UNRESOLVED
