"""Reconcile: closed outcomes, orders first, then positions; nothing is ever made up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from services.trading_bot.reconcile import BrokerSnapshot, ReconciliationReport, reconcile
from shared.events.apply import apply_all
from shared.events.types import IntentRecorded, OrderSeen
from shared.models.broker import BrokerOrder
from shared.models.ids import Decision, make_client_order_id
from shared.models.orders import OrderClass, OrderRole, OrderStatus
from shared.models.trading_state import BotState
from tests.support.builders import (
    ACCOUNT,
    EPOCH,
    NOON,
    D,
    a_fill,
    a_position,
    a_state,
    an_account,
    an_entry,
    an_exit,
    at,
    filled,
    legs_of,
    seen_of,
    stop_of,
)

pytestmark = pytest.mark.unit

ENTRY = an_entry()
TARGET, STOP = legs_of(ENTRY)
WORKING = seen_of(ENTRY, "b-1", OrderStatus.NEW, legs=(TARGET, STOP))
OPENED = filled(WORKING, 10, "100.00", at(5))
TARGET_LIVE = replace(TARGET, status=OrderStatus.NEW, updated_at=at(5))
STOP_LIVE = replace(STOP, updated_at=at(5))
STOPPED = filled(STOP_LIVE, 10, "98.00", at(60))
TARGET_GONE = replace(TARGET, status=OrderStatus.CANCELED, updated_at=at(60))
NOW = at(600)


def a_snapshot(orders: Iterable[BrokerOrder] = (), **changes: Any) -> BrokerSnapshot:
    """Return a whole, successful reading at NOW."""
    snapshot = BrokerSnapshot(an_account(), tuple(orders), (), (), NOW)
    return replace(snapshot, **changes)


def intended() -> BotState:
    """Return the state of a bot that died right after recording the entry."""
    return apply_all(a_state(), [IntentRecorded((ENTRY,), NOON)])


def holding() -> BotState:
    """Return the state of a bot that holds the position, legs known."""
    return apply_all(intended(), [OrderSeen(OPENED, at(5))])


def brought_up(state: BotState, snapshot: BrokerSnapshot) -> tuple[BotState, ReconciliationReport]:
    """Reconcile and apply the events."""
    report = reconcile(state, snapshot)
    return apply_all(state, report.events), report


def outcomes(report: ReconciliationReport) -> list[tuple[str, str]]:
    """Return outcome and name (or symbol) of every item."""
    return [(item.outcome.value, item.client_order_id or item.symbol) for item in report.items]


def test_reconcile_when_all_is_equal_then_everything_matches() -> None:
    """Open orders and positions are matched; nothing changes but the time."""
    state, report = brought_up(
        holding(),
        a_snapshot([OPENED, TARGET_LIVE, STOP_LIVE], positions=(a_position(),)),
    )

    assert report.is_clean
    assert set(report.counts) == {"matched"}
    assert state.reconciled_at == NOW
    assert state.positions == holding().positions


def test_reconcile_when_the_bot_was_dead_for_a_whole_trade_then_it_is_booked() -> None:
    """Opened, filled and stopped out meanwhile: flat = flat, and yet a trade."""
    snapshot = a_snapshot([replace(OPENED, legs=()), STOPPED, TARGET_GONE])

    state, report = brought_up(intended(), snapshot)

    assert report.is_clean
    assert state.positions == {}
    trade = state.trade_history[0]
    assert (trade.pnl, trade.exit_reason, trade.exited_at) == (D("-20.00"), "stop", at(60))
    assert ("missed_fill", ENTRY.client_order_id) in outcomes(report)
    assert state.cooldowns == {"AAPL": at(60)}


def test_reconcile_when_fills_were_missed_then_the_position_is_brought_up() -> None:
    """A fill while nobody listened is booked at the broker's own time."""
    known = apply_all(intended(), [OrderSeen(WORKING, at(1))])

    state, report = brought_up(known, a_snapshot([OPENED], positions=(a_position(),)))

    assert report.is_clean
    assert ("missed_fill", ENTRY.client_order_id) in outcomes(report)
    assert state.positions["AAPL"].opened_at == at(5)


def test_reconcile_when_only_an_activity_shows_the_fill_then_it_is_booked() -> None:
    """Whichever source shows the higher cumulative quantity first is right."""
    known = apply_all(intended(), [OrderSeen(WORKING, at(1))])
    fill = a_fill(WORKING, 4, 4, "99.90", at(3))

    state, report = brought_up(
        known, a_snapshot([WORKING], fills=(fill,), positions=(a_position(qty=4),))
    )

    assert report.is_clean
    assert state.positions["AAPL"].entry_price == D("99.9")
    assert state.fills_seen_until == at(3)


def test_reconcile_when_the_intent_was_lost_then_the_order_is_adopted() -> None:
    """Our prefix and a known epoch: owner, role and legs are read from the order itself."""
    state, report = brought_up(a_state(), a_snapshot([OPENED], positions=(a_position(),)))

    assert outcomes(report)[0] == ("own_lost_intent", ENTRY.client_order_id)
    assert state.positions["AAPL"].strategy == "momentum"
    assert state.positions["AAPL"].stop_price == D("98.00")
    assert report.is_clean


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"order_class": OrderClass.OCO, "name": "protect"}, OrderRole.TARGET),
        ({"name": "close"}, OrderRole.EXIT),
        ({"name": "momentum"}, OrderRole.EXIT),
    ],
)
def test_reconcile_when_an_exit_of_ours_was_lost_then_its_role_is_read(
    changes: dict[str, Any], role: OrderRole
) -> None:
    """A lost protective or closing order joins the open position."""
    name = changes.pop("name")
    decision = Decision(ACCOUNT, name, "AAPL", "sell", NOON, 7)
    exit_id = make_client_order_id(EPOCH, decision)
    shown = seen_of(an_exit(ENTRY, exit_id), "b-5", OrderStatus.NEW, created_at=at(20), **changes)

    state, _ = brought_up(holding(), a_snapshot([OPENED, shown], positions=(a_position(),)))

    order = state.orders[exit_id]
    assert (order.role, order.position_key) == (role, ENTRY.position_key)


def test_reconcile_when_the_first_reply_was_lost_then_the_legs_are_found_again() -> None:
    """After the fill the legs stand alone, with random ids; they are still ours."""
    snapshot = a_snapshot(
        [STOP_LIVE, TARGET_LIVE, replace(OPENED, legs=())], positions=(a_position(),)
    )

    state, report = brought_up(intended(), snapshot)

    assert report.is_clean
    stop = stop_of(state, "AAPL")
    assert stop is not None
    assert (stop.client_order_id, stop.role) == ("leg-s-AAPL", OrderRole.STOP)
    assert state.orders["leg-t-AAPL"].role is OrderRole.TARGET
