"""Random histories of the broker's news: shuffled, doubled, thinned out; one end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.apply import apply, apply_all
from shared.events.codec import event_from_json, event_to_json
from shared.events.types import Event, FillSeen, IntentRecorded, OrderSeen
from shared.models.broker import BrokerOrder
from shared.models.orders import OrderRole, OrderStatus, Side
from shared.models.state_codec import StateEncoder, state_from_payload, state_to_payload
from shared.models.trading_state import CLOSED_ORDERS_KEPT, TRADES_KEPT, BotState
from tests.support.builders import (
    NOON,
    D,
    a_fill,
    a_state,
    an_entry,
    at,
    filled,
    legs_of,
    own_id,
    seen_of,
)

pytestmark = pytest.mark.unit


def _fills(data: st.DataObject, order: BrokerOrder, qty: int, start: float) -> list[Event]:
    """Fill an order in random parts, each shown by the order or by an activity or by both."""
    events: list[Event] = []
    done, cost, number = 0, Decimal(0), 0
    while done < qty:
        part = data.draw(st.integers(1, qty - done))
        price = D(data.draw(st.integers(9700, 10400))) / 100
        done, cost, number = done + part, cost + part * price, number + 1
        when = at(start + number)
        shown = filled(order, done, str(cost / done), when)
        events.append(OrderSeen(shown, when))
        events.append(FillSeen(a_fill(order, done, part, str(price), when)))
    return events


def _history(data: st.DataObject) -> list[Event]:
    """A round trip: entry filled in parts, perhaps cut off, then one leg filled in parts."""
    entry = an_entry()
    target, stop = legs_of(entry)
    working = seen_of(entry, "b-1", OrderStatus.NEW, legs=(target, stop))
    news: list[Event] = [OrderSeen(working, NOON)]
    news += _fills(data, working, 10, 1)
    if data.draw(st.booleans()):
        leg, other = data.draw(st.permutations([target, stop]))
        news += _fills(data, leg, 10, 60)
        gone = replace(other, status=OrderStatus.CANCELED, updated_at=at(99))
        news.append(OrderSeen(gone, at(99)))
    return news


def _end(news: list[Event]) -> BotState:
    entry = an_entry()
    target, stop = legs_of(entry)
    reply = seen_of(entry, "b-1", OrderStatus.NEW, legs=(target, stop))
    start = apply_all(a_state(), [IntentRecorded((entry,), NOON), OrderSeen(reply, NOON)])
    return replace(apply_all(start, news), outbox=())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_history_when_shuffled_and_doubled_then_the_end_is_the_same(data: st.DataObject) -> None:
    """Order and repetition of the broker's news do not matter (rule 11)."""
    news = _history(data)
    mixed = data.draw(st.permutations(news + data.draw(st.lists(st.sampled_from(news)))))

    assert _end(mixed) == _end(news)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_history_when_news_are_lost_then_the_last_whole_reading_heals_it(
    data: st.DataObject,
) -> None:
    """Whatever the stream lost, the orders' own totals bring the same end."""
    news = _history(data)
    kept = [event for event in news if data.draw(st.booleans())]
    last = {event.order.broker_order_id: event for event in news if isinstance(event, OrderSeen)}

    assert _end([*kept, *last.values()]) == _end(news)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_history_when_applied_then_shares_and_money_are_conserved(data: st.DataObject) -> None:
    """Open shares are bought less sold; a booked trade is what the fills came to."""
    state = a_state()
    entry = an_entry()
    state = apply(state, IntentRecorded((entry,), NOON))
    encoder = StateEncoder()
    for event in _history(data):
        state = apply(state, event)
        assert encoder.payload(state) == state_to_payload(state)
        orders = state.orders.group(entry.position_key)
        net = sum(
            (order.filled_qty if order.side is Side.BUY else -order.filled_qty for order in orders),
            Decimal(0),
        )
        held = state.positions.get("AAPL")
        assert (held.qty if held else 0) == net
        assert state.pnl.trades == len(state.trade_history)
        assert state.pnl.trades == state.pnl.wins + state.pnl.losses + state.pnl.breakeven
        assert state.pnl.realized == sum((one.pnl for one in state.trade_history), Decimal(0))
        assert event_from_json(event_to_json(event)) == event
    assert state_from_payload(state_to_payload(state)) == state


def _round_trip(number: int) -> list[Event]:
    moment = NOON + timedelta(minutes=number)
    name = own_id(number=number)
    entry = an_entry(client_order_id=name, position_key=name, created_at=moment)
    legs = tuple(
        replace(
            leg,
            broker_order_id=f"{leg.broker_order_id}-{number}",
            client_order_id=f"{leg.client_order_id}-{number}",
        )
        for leg in legs_of(entry)
    )
    working = seen_of(entry, f"b-{number}", OrderStatus.NEW, legs=legs)
    return [
        IntentRecorded((entry,), moment),
        OrderSeen(filled(working, 10, "100.00", moment), moment),
        OrderSeen(filled(legs[0], 10, "103.00", moment), moment),
        OrderSeen(replace(legs[1], status=OrderStatus.CANCELED, updated_at=moment), moment),
    ]


@pytest.mark.no_cover
def test_state_when_many_trades_pass_then_it_stays_bounded_and_forgets_no_open_group() -> None:
    """Closed groups go, oldest first; the open one stays, and the totals count all."""
    held = an_entry("MSFT", created_at=NOON)
    opened = filled(seen_of(held, "b-held", OrderStatus.NEW, legs=legs_of(held)), 10, "50.00", NOON)
    state = apply_all(a_state(), [IntentRecorded((held,), NOON), OrderSeen(opened, NOON)])
    count = TRADES_KEPT + 100

    for number in range(1, count + 1):
        state = apply_all(state, _round_trip(number))
        state = replace(state, outbox=())

    assert len(state.trade_history) == TRADES_KEPT
    assert state.pnl.trades == count
    assert state.pnl.realized == D(30) * count
    assert len(state.orders) <= CLOSED_ORDERS_KEPT + 200
    assert {order.role for order in state.orders.group(held.position_key)} == set(OrderRole) - {
        OrderRole.EXIT
    }
    assert state.forgotten_until is not None
    assert state.positions["MSFT"].qty == D(10)
