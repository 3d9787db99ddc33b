"""Reconcile over random deaths: whatever was seen before, the broker's truth is reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.reconcile import BrokerSnapshot, reconcile
from shared.events.apply import apply_all
from shared.events.types import Event, IntentRecorded, OrderSeen
from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.orders import OrderStatus
from shared.models.portfolio import Position
from shared.models.trading_state import BotState
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
    own_id,
    seen_of,
)

pytestmark = pytest.mark.unit

STAGES = ("working", "partial", "open", "target", "stopped", "canceled")


def _trip(symbol: str, number: int, stage: str) -> tuple[list[Event], list[BrokerOrder]]:
    """Return everything the broker said of one round trip up to a stage, and its last words."""
    start = NOON + timedelta(seconds=10 * number)
    name = own_id(symbol, number)
    entry = an_entry(symbol, client_order_id=name, position_key=name, created_at=start)
    legs = tuple(
        replace(leg, broker_order_id=f"{leg.broker_order_id}-{number}",
                client_order_id=f"{leg.client_order_id}-{number}")
        for leg in legs_of(entry)
    )  # fmt: skip
    working = seen_of(entry, f"b-{symbol}-{number}", OrderStatus.NEW, legs=legs)
    when = [start + timedelta(seconds=step) for step in range(1, 5)]
    words = [working]
    if stage == "canceled":
        words.append(replace(working, status=OrderStatus.CANCELED, updated_at=when[0]))
        words += [replace(leg, status=OrderStatus.CANCELED, updated_at=when[0]) for leg in legs]
    if stage in ("partial", "open", "target", "stopped"):
        words.append(filled(working, 4, "99.50", when[0]))
    if stage in ("open", "target", "stopped"):
        words.append(replace(filled(working, 10, "99.80", when[1]), legs=()))
        words.append(replace(legs[0], status=OrderStatus.NEW, updated_at=when[1]))
    if stage in ("target", "stopped"):
        won, gone = legs if stage == "target" else (legs[1], legs[0])
        price = "103.00" if stage == "target" else "97.95"
        words.append(filled(won, 10, price, when[2]))
        words.append(replace(gone, status=OrderStatus.CANCELED, updated_at=when[3]))
    news: list[Event] = [IntentRecorded((entry,), start)]
    news += [OrderSeen(word, word.updated_at or start) for word in words]
    last = {word.broker_order_id: word for word in (*legs, *words)}
    return news, list(last.values())


def _truth(news: list[list[Event]]) -> BotState:
    return apply_all(a_state(), [event for trip in news for event in trip])


def _positions(state: BotState) -> tuple[Position, ...]:
    return tuple(Position(s, p.qty, p.entry_price) for s, p in state.positions.items())


def _fills_of(orders: list[BrokerOrder]) -> list[BrokerFill]:
    return [
        a_fill(order, int(order.filled_qty), int(order.filled_qty), str(order.filled_avg_price),
               order.updated_at or NOON)
        for order in orders
        if order.filled_qty
    ]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_reconcile_when_the_bot_died_anywhere_then_the_brokers_truth_is_reached(
    data: st.DataObject,
) -> None:
    """Events lost, doubled and shuffled before the death, lists shuffled and doubled after it."""
    count = data.draw(st.integers(1, 4))
    trips = [
        _trip(symbol, number, data.draw(st.sampled_from(STAGES)))
        for number, symbol in enumerate(["AAPL", "MSFT", "XOM", "JPM"][:count])
    ]
    truth = _truth([news for news, _ in trips])
    # Intents are on disk before the send, so death leaves a prefix of intents or loses a reply.
    heard: list[Event] = []
    for news, _ in trips:
        if data.draw(st.booleans()):
            heard.append(news[0])
            seen = [event for event in news[1:] if data.draw(st.booleans())]
            heard += data.draw(st.permutations(seen + seen[:2]))
    local = apply_all(a_state(), heard)
    orders = [order for _, last in trips for order in last]
    orders += data.draw(st.lists(st.sampled_from(orders), max_size=3))
    snapshot = BrokerSnapshot(
        an_account(),
        tuple(data.draw(st.permutations(orders))),
        tuple(data.draw(st.permutations(_positions(truth)))),
        tuple(data.draw(st.permutations(_fills_of(orders)))),
        at(5000),
    )

    report = reconcile(local, snapshot)
    state = apply_all(local, report.events)

    assert report.is_clean, [item for item in report.items if item in report.bad_items]
    assert {s: p.qty for s, p in state.positions.items()} == {
        s: p.qty for s, p in truth.positions.items()
    }
    assert {t.trade_key: t.pnl for t in state.trade_history} == {
        t.trade_key: t.pnl for t in truth.trade_history
    }
    assert state.pnl.realized == truth.pnl.realized
    assert state.external_positions == {}
    for symbol in state.positions:
        assert state.positions[symbol].stop_price == D("98.00")
        assert state.positions[symbol].strategy == "momentum"
    again = reconcile(state, snapshot)
    assert apply_all(state, again.events) == state
    assert set(again.counts) <= {"matched"}
    assert sum((p.qty for p in state.positions.values()), Decimal(0)) == sum(
        (p.qty for p in snapshot.positions), Decimal(0)
    )
