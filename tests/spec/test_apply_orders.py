"""apply: orders from intent to end, chains, adoption, unknown outcomes, the outbox."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.events.apply import apply_all
from shared.events.types import (
    Event,
    FillSeen,
    IntentRecorded,
    NotSent,
    OrderAdopted,
    OrderRefused,
    OrderSeen,
    OutboxWritten,
    OutcomeUnknown,
)
from shared.models.broker import BrokerOrder
from shared.models.orders import OrderStatus
from shared.models.trading_state import BotState
from tests.support.builders import (
    NOON,
    D,
    a_fill,
    a_state,
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
KEY = ENTRY.position_key
TARGET, STOP = legs_of(ENTRY)
WORKING = seen_of(ENTRY, "b-1", OrderStatus.NEW, legs=(TARGET, STOP))
OPENED = filled(WORKING, 10, "100.00", at(5))


def after(*events: Event, state: BotState | None = None) -> BotState:
    """Return the state after the recorded entry and these events."""
    first = IntentRecorded((ENTRY,), NOON)
    return apply_all(state or a_state(), [first, *events])


def seen(order: BrokerOrder) -> OrderSeen:
    """Return the broker's word on an order."""
    return OrderSeen(order, order.updated_at or NOON)


def test_replacement_when_the_broker_makes_a_new_order_then_the_chain_is_followed() -> None:
    """A replaced stop's successor is known by `replaces`; its fill closes the position."""
    trailed = replace(
        STOP,
        broker_order_id="b-stop-2",
        client_order_id="random-2",
        stop_price=D("101.00"),
        replaces=STOP.broker_order_id,
        updated_at=at(50),
        status=OrderStatus.NEW,
    )
    gone = replace(STOP, status=OrderStatus.REPLACED, replaced_by="b-stop-2", updated_at=at(50))

    state = after(seen(OPENED), seen(gone), seen(trailed))

    assert state.positions["AAPL"].stop_price == D("101.00")
    stop = stop_of(state, "AAPL")
    assert stop is not None
    assert stop.broker_order_id == "b-stop-2"
    closed = apply_all(state, [seen(filled(trailed, 10, "101.00", at(70)))])
    assert closed.trade_history[0].pnl == D("10.00")
    assert closed.trade_history[0].exit_reason == "stop"


def test_order_when_foreign_then_nothing_is_learned() -> None:
    """An order that nobody here sent changes nothing; nor does an unknown activity."""
    foreign = seen_of(an_entry("TSLA", client_order_id="foreign"), "b-77", OrderStatus.NEW)
    state = after(seen(OPENED))

    assert apply_all(state, [seen(foreign), FillSeen(a_fill(foreign, 1, 1, "9", at(1)))]) == state


def test_order_when_adopted_then_its_fills_count() -> None:
    """A close from outside, once adopted, closes the position it worked on."""
    close = an_exit(ENTRY, "by-hand")
    shown = filled(seen_of(close, "b-8", OrderStatus.NEW), 10, "99.00", at(30))

    state = after(
        seen(OPENED), OrderAdopted(close, shown, at(31)), OrderAdopted(close, shown, at(32))
    )

    assert state.positions == {}
    assert state.pnl.realized == D("-10.00")
    assert sum(item.kind == "reconciled" for item in state.outbox) == 1


def test_outcome_when_unknown_then_it_stays_until_the_broker_speaks() -> None:
    """UNKNOWN is full exposure; what the broker shows settles it, later doubts change nothing."""
    doubt = OutcomeUnknown(ENTRY.client_order_id, "timeout", at(1))
    unknown = after(doubt)

    assert unknown.orders[ENTRY.client_order_id].status is OrderStatus.UNKNOWN
    assert set(unknown.unknown_outcomes) == {ENTRY.client_order_id}
    settled = apply_all(unknown, [seen(WORKING), doubt])
    assert settled.orders[ENTRY.client_order_id].status is OrderStatus.NEW
    assert settled.unknown_outcomes == {}


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (OrderRefused(ENTRY.client_order_id, "403", "no", at(2)), OrderStatus.REJECTED),
        (NotSent(ENTRY.client_order_id, "absent", at(2)), OrderStatus.NOT_SENT),
    ],
)
def test_entry_when_refused_or_never_sent_then_it_ends_and_the_symbol_rests(
    event: OrderRefused | NotSent, status: OrderStatus
) -> None:
    """An ended entry is not sent again; what the broker shows live is not ended by us."""
    doubt = OutcomeUnknown(ENTRY.client_order_id, "timeout", at(1))
    state = after(doubt, event, event)

    assert state.orders[ENTRY.client_order_id].status is status
    assert state.unknown_outcomes == {}
    assert state.cooldowns == {"AAPL": at(2)}
    assert after(seen(WORKING), event) == after(seen(WORKING))


def test_order_when_not_sent_yet_found_later_then_its_fill_is_booked() -> None:
    """Rule 10: the late order is taken back to life, with its legs."""
    gone = NotSent(ENTRY.client_order_id, "absent in every look", at(2))

    state = after(gone, seen(OPENED))

    assert state.positions["AAPL"].qty == D(10)
    assert state.orders["leg-s-AAPL"].status is OrderStatus.HELD


def test_order_when_refused_yet_shown_by_the_broker_then_the_showing_wins() -> None:
    """A gateway sent the request twice and handed on the second's refusal: the first one lives,
    so it is watched, cancelled and counted like any other.
    """
    refused = OrderRefused(ENTRY.client_order_id, "422", "must be unique", at(1))

    working, state = after(refused, seen(WORKING)), after(refused, seen(WORKING), seen(OPENED))

    assert working.orders[ENTRY.client_order_id].status is OrderStatus.NEW
    assert state.orders == after(refused, seen(OPENED), seen(WORKING)).orders
    assert state.orders[ENTRY.client_order_id].status is OrderStatus.FILLED
    assert state.positions["AAPL"].qty == D(10)


def test_intent_when_recorded_twice_then_it_stands_once() -> None:
    """A repeated intent never resets what is known of the order."""
    state = after(seen(OPENED))

    assert apply_all(state, [IntentRecorded((ENTRY,), at(9))]) == state


def test_intent_when_it_names_no_position_then_it_serves_the_open_one() -> None:
    """An exit without a key is tied to the symbol's position."""
    close = replace(an_exit(ENTRY, "close"), position_key="")

    assert after(seen(OPENED), IntentRecorded((close,), at(9))).orders["close"].position_key == KEY
    assert after(IntentRecorded((close,), at(9))).orders["close"].position_key == ""


def test_outbox_when_written_then_the_item_is_gone_for_good() -> None:
    """An item leaves by its key, and the same news do not bring it back."""
    state = after(seen(OPENED), seen(filled(TARGET, 10, "103.00", at(60))))
    kinds = [item.kind for item in state.outbox]
    assert kinds.count("trade") == 1
    assert {"intent", "accepted", "fill"} <= set(kinds)

    drained = apply_all(state, [OutboxWritten(tuple(item.key for item in state.outbox))])

    assert drained.outbox == ()
    assert apply_all(drained, [seen(OPENED), IntentRecorded((ENTRY,), NOON)]) == drained


def test_symbol_when_an_old_group_fills_late_then_the_shares_are_counted() -> None:
    """A late fill of a closed group joins the open position of the same symbol."""
    newer = an_entry(client_order_id="newer", created_at=at(100))
    old_done = replace(WORKING, status=OrderStatus.CANCELED, updated_at=at(50))
    opened = filled(seen_of(newer, "b-n", OrderStatus.NEW), 10, "101.00", at(110))
    late = replace(old_done, filled_qty=D(2), filled_avg_price=D(100), updated_at=at(120))

    state = after(seen(old_done), IntentRecorded((newer,), at(100)), seen(opened), seen(late))

    assert state.positions["AAPL"].qty == D(12)
    assert state.positions["AAPL"].position_key == "newer"
    assert sum((held.qty for held in state.positions.values()), Decimal(0)) == D(12)
