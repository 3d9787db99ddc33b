"""What the broker's news may change, rule by rule (ORDER_PATH.md 11)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.trading_bot.reconcile import BrokerSnapshot, reconcile
from services.trading_bot.reconcile_report import Outcome
from services.trading_bot.statement import Activities, compare
from shared.events.apply import apply, apply_all
from shared.events.types import FillSeen, IntentRecorded, OrderSeen
from shared.models.orders import OrderStatus
from shared.models.pnl import Statement
from shared.models.trading_day import trading_day
from tests.support.builders import (
    NOON,
    D,
    a_fill,
    a_state,
    an_account,
    an_entry,
    at,
    filled,
    legs_of,
    seen_of,
)

pytestmark = pytest.mark.unit

ENTRY = an_entry()
WORKING = seen_of(ENTRY, "b-1", OrderStatus.NEW)
KNOWN = apply_all(a_state(), [IntentRecorded((ENTRY,), NOON), OrderSeen(WORKING, NOON)])


def test_status_when_older_news_come_late_then_the_newer_word_stands() -> None:
    """Events may be reordered; the broker's own stamps say which is newer."""
    asked = seen_of(ENTRY, "b-1", OrderStatus.PENDING_CANCEL, updated_at=at(2))
    old = seen_of(ENTRY, "b-1", OrderStatus.NEW, updated_at=at(1))

    state = apply_all(KNOWN, [OrderSeen(asked, at(2)), OrderSeen(old, at(3))])

    assert state.orders[ENTRY.client_order_id].status is OrderStatus.PENDING_CANCEL


@pytest.mark.parametrize("reverse", [False, True])
def test_parts_when_they_come_in_one_millisecond_then_their_cumulative_quantity_orders_them(
    reverse: bool,
) -> None:
    """Same-millisecond partials come unordered; each is priced as its own part."""
    parts = [a_fill(WORKING, 4, 4, "100", at(1)), a_fill(WORKING, 10, 6, "101", at(1))]

    state = apply_all(KNOWN, [FillSeen(one) for one in (parts[::-1] if reverse else parts)])

    order = state.orders[ENTRY.client_order_id]
    assert order.filled_qty == 10
    assert order.filled_avg_price == (4 * D(100) + 6 * D(101)) / 10


def test_part_when_it_is_seen_twice_then_nothing_changes() -> None:
    """Keyed by broker order id and cumulative quantity, a fill is booked once."""
    part = FillSeen(a_fill(WORKING, 4, 4, "100", at(1)))
    once = apply(KNOWN, part)

    assert apply(once, part) is once


def test_fill_when_its_order_changed_later_then_it_is_booked_at_the_fills_own_time() -> None:
    """Booked at the broker's time (rule 17)."""
    late = replace(filled(WORKING, 10, "100", at(1)), updated_at=at(500))

    state = apply(KNOWN, OrderSeen(late, at(900)))

    assert state.orders[ENTRY.client_order_id].filled_at == at(1)
    assert state.positions["AAPL"].opened_at == at(1)


@pytest.mark.parametrize(("days_ago", "realized"), [(0, D(-20)), (1, D(0))])
def test_trade_when_it_ended_on_another_day_then_today_does_not_count_it(
    days_ago: int, realized: Decimal
) -> None:
    """What stopped out while the bot was dead belongs to its own trading day (rule 17)."""
    then = at(-86_400 * days_ago)
    _, stop = legs_of(ENTRY)
    left = (filled(stop, 10, "98", then),)
    entered = replace(filled(WORKING, 10, "100", then), legs=left)

    state = apply(KNOWN, OrderSeen(entered, at(1)))

    assert state.day is not None
    assert (state.pnl.realized, state.day.realized) == (D(-20), realized)


def test_statement_when_an_order_filled_more_there_than_here_then_its_shares_are_named() -> None:
    """The first part was compared with the day before; the shares tell what the dollars cannot."""
    state = apply(KNOWN, FillSeen(a_fill(WORKING, 4, 4, "100", at(1))))
    state = replace(state, statement=Statement(trading_day(NOON), at(2), D(1000), True))
    last = a_fill(WORKING, 10, 6, "100", at(3))

    found = compare(state, Activities((last,), (), D(400), at(4)))

    assert [each.rpartition(": ")[2] for each in found] == ["filled 4 here, 10 there"]


def test_reconcile_when_the_broker_does_not_show_a_working_order_then_it_is_lost() -> None:
    """A closed outcome that keeps trading back; nothing is made up in its place (rule 18)."""
    report = reconcile(KNOWN, BrokerSnapshot(an_account(), (), (), (), at(9)))

    assert [item.outcome for item in report.bad_items] == [Outcome.LOST]
    assert apply_all(KNOWN, report.events).orders == KNOWN.orders
