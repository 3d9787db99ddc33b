"""Reconcile: what is not ours, not explained, or not shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from services.trading_bot.reconcile import BrokerSnapshot, ReconciliationReport, reconcile
from services.trading_bot.reconcile_report import Outcome
from shared.events.apply import apply_all
from shared.events.types import IntentRecorded, OrderSeen, OutcomeUnknown
from shared.models.broker import BrokerOrder
from shared.models.ids import Decision, make_client_order_id
from shared.models.orders import OrderStatus
from shared.models.trading_state import BotState, HoldKind
from tests.support.builders import (
    ACCOUNT,
    NOON,
    D,
    a_position,
    a_state,
    an_account,
    an_entry,
    an_exit,
    at,
    filled,
    legs_of,
    own_id,
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


def test_reconcile_when_an_epoch_is_foreign_then_a_second_writer_holds_entries() -> None:
    """Our prefix with an epoch that nobody here opened: held back and alarmed, not adopted."""
    foreign = make_client_order_id("otherep1", Decision(ACCOUNT, "m", "AAPL", "buy", NOON))
    shown = replace(WORKING, client_order_id=foreign)

    state, report = brought_up(a_state(), a_snapshot([shown]))

    assert outcomes(report)[0] == ("second_writer", foreign)
    assert not report.is_clean
    assert HoldKind.SECOND_WRITER.value in state.holds
    assert foreign not in state.orders
    known = replace(a_state(), known_epochs=("otherep1",))
    assert reconcile(known, a_snapshot([shown])).items[0].outcome is Outcome.OWN_LOST_INTENT


def test_reconcile_when_an_order_is_foreign_then_it_is_external() -> None:
    """No prefix: observed while it works, ignored when it is over, never adopted."""
    foreign = seen_of(an_entry("TSLA", client_order_id="by-hand"), "b-7", OrderStatus.NEW)
    over = replace(foreign, broker_order_id="b-8", status=OrderStatus.CANCELED)

    state, report = brought_up(a_state(), a_snapshot([foreign, over]))

    assert outcomes(report) == [("external", "by-hand")]
    assert report.is_clean
    assert len(state.orders) == 0


def test_reconcile_when_shares_are_foreign_then_they_are_observed() -> None:
    """External shares are counted and shown beside ours, and never become ours."""
    state, report = brought_up(a_state(), a_snapshot(positions=(a_position("GOOG", 3),)))

    assert outcomes(report) == [("external", "GOOG")]
    assert state.external_positions["GOOG"].qty == D(3)
    assert state.external_positions["GOOG"].is_external
    assert state.positions == {}
    gone, _ = brought_up(state, a_snapshot())
    assert gone.external_positions == {}


def test_reconcile_when_more_is_held_than_ours_then_a_second_reading_proves_it() -> None:
    """Positions may lag: one reading is unresolved, the same again is external."""
    snapshot = a_snapshot([OPENED, TARGET_LIVE, STOP_LIVE], positions=(a_position(qty=12),))

    once, first = brought_up(holding(), snapshot)
    twice, second = brought_up(once, replace(snapshot, at=at(660)))
    _, third = brought_up(twice, replace(snapshot, at=at(720)))

    assert not first.is_clean
    assert second.is_clean
    assert third.is_clean
    assert twice.external_positions["AAPL"].qty == D(2)
    assert twice.positions["AAPL"].qty == D(10)


def test_reconcile_when_shares_are_missing_then_it_stays_unresolved() -> None:
    """Less than ours is never explained away, however often it is read."""
    snapshot = a_snapshot([OPENED, TARGET_LIVE, STOP_LIVE], positions=(a_position(qty=6),))

    state, first = brought_up(holding(), snapshot)
    state, second = brought_up(state, snapshot)

    assert ("unresolved", "AAPL") in outcomes(first)
    assert ("unresolved", "AAPL") in outcomes(second)
    assert state.positions["AAPL"].qty == D(10)
    assert state.strange_quantities == {"AAPL": D(6)}


def test_reconcile_when_somebody_closed_by_hand_then_the_sale_closes_our_position() -> None:
    """A foreign sale counts as ours only when shares of ours are missing."""
    sale = filled(
        seen_of(an_exit(ENTRY, "by-hand"), "b-8", OrderStatus.NEW, created_at=at(20)),
        10,
        "99.00",
        at(30),
    )
    orders = [OPENED, TARGET_GONE, replace(STOP, status=OrderStatus.CANCELED), sale]

    state, report = brought_up(holding(), a_snapshot(orders))
    kept, _ = brought_up(holding(), a_snapshot(orders, positions=(a_position(),)))

    assert ("external", "by-hand") in outcomes(report)
    assert state.positions == {}
    assert state.trade_history[0].exit_reason == "closed from outside"
    assert kept.positions["AAPL"].qty == D(10)


def test_reconcile_when_the_broker_does_not_show_an_intent_then_it_is_being_settled() -> None:
    """A recorded intent without a trace may yet arrive: unknown, never simply dropped."""
    state, report = brought_up(intended(), a_snapshot())

    assert outcomes(report) == [("unresolved", ENTRY.client_order_id)]
    assert set(state.unknown_outcomes) == {ENTRY.client_order_id}
    found, _ = brought_up(state, a_snapshot([WORKING]))
    assert found.unknown_outcomes == {}


def test_reconcile_when_a_live_order_is_not_shown_then_it_is_lost() -> None:
    """An order that works by our book and stands in no whole list is alarmed, not ended."""
    state, report = brought_up(holding(), a_snapshot([OPENED], positions=(a_position(),)))

    assert ("lost", "leg-s-AAPL") not in outcomes(report), "it stands under its parent"
    state, report = brought_up(
        holding(), a_snapshot([replace(OPENED, legs=(TARGET,))], positions=(a_position(),))
    )
    assert ("lost", "leg-s-AAPL") in outcomes(report)
    assert state.orders["leg-s-AAPL"].status is OrderStatus.HELD


def test_reconcile_when_the_account_is_another_then_nothing_is_taken() -> None:
    """Orders of another account never enter this state."""
    report = reconcile(a_state(), a_snapshot([OPENED], account=an_account(account_id="other")))

    assert report.events == ()
    assert not report.is_clean


def test_reconcile_when_a_booked_order_was_dropped_then_it_is_not_booked_again() -> None:
    """The bounded state forgets closed groups; the broker's list still shows them."""
    state = replace(a_state(), forgotten_until=at(1))
    snapshot = a_snapshot([replace(OPENED, legs=()), STOPPED, TARGET_GONE])

    after, report = brought_up(state, snapshot)

    assert report.items == ()
    assert after.trade_history == ()


def test_reconcile_when_a_tombstone_is_a_day_old_then_it_goes() -> None:
    """NOT_SENT stays until the next day's reconciliation."""
    dead = replace(an_entry("XOM", client_order_id=own_id("XOM")), status=OrderStatus.NOT_SENT)
    state = replace(a_state(), orders=a_state().orders.put(dead))

    same_day, _ = brought_up(state, a_snapshot())
    next_day, _ = brought_up(state, a_snapshot(at=at(86_400)))

    assert dead.client_order_id in same_day.orders
    assert dead.client_order_id not in next_day.orders


def test_reconcile_when_an_order_is_unknown_then_the_list_settles_it() -> None:
    """UNKNOWN and shown: adopted with its legs, no new risk is held back any longer."""
    doubt = OutcomeUnknown(ENTRY.client_order_id, "reset", at(1))
    state, report = brought_up(
        apply_all(intended(), [doubt]), a_snapshot([OPENED], positions=(a_position(),))
    )

    assert state.unknown_outcomes == {}
    assert report.is_clean
    assert stop_of(state, "AAPL") is not None


def test_reconcile_when_our_exits_hold_the_shares_then_a_foreign_sale_is_not_of_ours() -> None:
    """Positions are read after the orders: a stop that fills between the two leaves none, and the
    person beside us sold shares of their own.
    """
    sale = filled(
        seen_of(an_exit(ENTRY, "by-hand"), "b-8", OrderStatus.NEW, created_at=at(20)),
        10,
        "99.00",
        at(30),
    )

    state, report = brought_up(holding(), a_snapshot([OPENED, TARGET_LIVE, STOP_LIVE, sale]))

    assert ("external", "by-hand") not in outcomes(report)
    assert state.positions["AAPL"].qty == D(10)
    assert ("unresolved", "AAPL") in outcomes(report)
