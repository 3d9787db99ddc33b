"""Trailing raises the stop by PATCH: a plan first, the old stop until it is replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.trading_bot.coverage import coverage
from shared.errors import TransientFault
from shared.events.types import IntentRecorded, OutcomeUnknown, PlanStarted
from shared.models.orders import OrderClass, OrderRole, OrderStatus
from shared.models.plans import PlanKind
from shared.models.trading_state import BotState, TradingState
from tests.support.builders import D
from tests.support.trail_bench import TRAILING, TrailBench
from tests.support.venue_bench import (
    DOUBLED,
    LATE,
    LOST_AFTER,
    LOST_BEFORE,
    SYMBOL,
    WHOLE,
)

pytestmark = pytest.mark.unit


def stops(state: BotState) -> list[tuple[str, str]]:
    """Price and status of every stop of the state, oldest first."""
    return [
        (str(order.stop_price), order.status.value)
        for order in state.orders.values()
        if order.role is OrderRole.STOP
    ]


def stands_at(bench: TrailBench, price: str) -> bool:
    """Whether exactly one stop works at the exchange, for all shares, at that price."""
    live = [one for one in bench.venue.books.live_orders(SYMBOL) if one.stop_price is not None]
    return [(one.stop_price, one.remaining) for one in live] == [(D(price), D(10))]


def test_trail_when_the_price_rose_then_the_stop_is_replaced_by_one_higher() -> None:
    """One PATCH under an id of ours, in the old leg's group; the target stays as it is."""
    bench = TrailBench()
    own_id = bench.hold_bracket()
    bench.rise("105")

    bench.live_turn()

    (patch,) = bench.exchange.submitted[1:]
    assert (patch.replaces is not None, patch.stop_price) == (True, D("102.99"))
    assert patch.client_order_id.startswith("sht-")
    bench.pass_time(1)
    bench.live_turn()
    assert stands_at(bench, "102.99")
    assert stops(bench.state) == [("98", "replaced"), ("102.99", "held")]
    assert bench.state.positions[SYMBOL].stop_price == D("102.99")
    assert (bench.state.plans, bench.exchange.cancelled) == ((), [])
    assert all(leg.is_live for leg in bench.exchange.legs_of(own_id) if leg.limit_price)


def test_trail_when_the_rules_do_not_ask_for_it_then_the_stop_stays() -> None:
    """Trailing is off unless the position's own strategy asks for it."""
    bench = TrailBench(policy=replace(TRAILING, exit_rules={}))
    bench.hold_bracket()
    bench.rise("105")

    bench.live_turn()

    assert len(bench.exchange.submitted) == 1


def test_trail_when_it_was_accepted_then_it_counts_only_once_it_is_replaced() -> None:
    """200 is not yet replaced: until then the old stop alone covers, and stands in the books."""
    bench = TrailBench()
    bench.venue.switch("replace_lag_s=5")
    bench.hold_bracket()
    bench.rise("105")

    bench.live_turn()

    assert [status for _, status in stops(bench.state)] == ["pending_replace", "pending_new"]
    assert coverage(bench.state, bench.now)[SYMBOL].stop_qty == 10
    assert bench.state.positions[SYMBOL].stop_price == D(98)
    assert [plan.kind for plan in bench.state.plans] == [PlanKind.TRAIL]
    bench.pass_time(6)
    bench.live_turn()
    assert (bench.state.positions[SYMBOL].stop_price, bench.state.plans) == (D("102.99"), ())


@pytest.mark.parametrize("word", [LOST_AFTER, LATE, LOST_BEFORE, DOUBLED])
def test_trail_when_the_wire_fails_then_it_is_sent_once_and_one_stop_stands(word: str) -> None:
    """A lost reply is settled by the old order's successor, then by our id; never by a repeat."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.exchange.wire = lambda: word
    bench.live_turn()
    bench.exchange.wire = lambda: WHOLE
    assert coverage(bench.state, bench.now)[SYMBOL].is_covered

    for _ in range(30):
        bench.pass_time(5)
        bench.live_turn()
        assert len(bench.exchange.held) == 1
        assert coverage(bench.state, bench.now)[SYMBOL].is_covered

    changes = [one for one in bench.exchange.submitted if one.replaces is not None]
    assert len({one.client_order_id for one in changes}) == len(changes)
    assert stands_at(bench, "102.99")
    assert (bench.state.unknown_outcomes, bench.state.plans) == ({}, ())
    assert len(changes) == (2 if word == LOST_BEFORE else 1)


def test_trail_when_the_reply_is_lost_then_the_old_orders_successor_tells() -> None:
    """Rule 4: the old id first; no look by our own id is needed to know what became of it."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.look()
    decision = bench.decide()
    (send,) = decision.protective
    bench.book(*decision.bookings, IntentRecorded((send.order,), bench.now))
    bench.book(OutcomeUnknown(send.request.client_order_id, "reset", bench.now))
    bench.exchange.place(send.request)
    bench.pass_time(1)
    bench.exchange.lookup_fault = TransientFault("no look by our id")

    bench.settle()

    assert bench.state.unknown_outcomes == {}
    assert stops(bench.state)[-1] == ("102.99", "held")


def test_trail_when_it_is_refused_then_the_old_stop_stays_and_nothing_is_cancelled() -> None:
    """The market fell through the wanted price while the change was on its way."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.venue.quote(SYMBOL, 101)

    bench.live_turn()
    bench.live_turn()

    assert stops(bench.state) == [("98", "held"), ("102.99", "rejected")]
    assert bench.state.positions[SYMBOL].stop_price == D(98)
    assert stands_at(bench, "98")
    assert (bench.exchange.cancelled, bench.state.plans) == ([], ())


def test_trail_when_the_price_falls_or_ranges_widen_then_the_stop_never_falls() -> None:
    """What was won stays won, whatever price and range do then."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.live_turn()
    for price, atr in (("104", "1"), ("105", "5"), ("106", "4")):
        bench.atr = D(atr)
        bench.rise(price)
        bench.live_turn()

    assert stands_at(bench, "102.99")
    assert len(bench.exchange.submitted) == 2


def test_trail_when_raises_follow_each_other_then_time_and_step_throttle_them() -> None:
    """A quarter ATR and a minute at least lie between two changes."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.live_turn()
    bench.trade("106")
    bench.live_turn()
    assert len(bench.exchange.submitted) == 2

    bench.rise("105.20")
    bench.live_turn()
    assert len(bench.exchange.submitted) == 2
    bench.rise("106")
    bench.live_turn()

    bench.pass_time(1)
    assert stands_at(bench, "103.99")
    assert len(bench.exchange.submitted) == 3


def test_trail_when_shares_were_raised_twice_then_the_group_is_still_counted_once() -> None:
    """An exit after two raises is not denied for shares that its own group protects."""
    bench = TrailBench()
    bench.hold_bracket()
    for price in ("103", "105"):
        bench.rise(price)
        bench.live_turn()
    bench.flatten = "operator: drill"

    bench.pass_time(1)
    bench.live_turn()
    bench.trade("105")
    bench.live_turn()

    assert (bench.exchange.held, bench.denied) == ({}, [])
    assert not bench.exchange.cancelled


def test_trail_when_the_protection_must_be_made_anew_then_the_raised_price_is_kept() -> None:
    """A cancelled leg's price is remembered: new protection never falls behind it."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.live_turn()
    bench.pass_time(1)
    (stop,) = [one for one in bench.venue.books.live_orders(SYMBOL) if one.stop_price is not None]
    bench.venue.cancel(stop)

    bench.live_turn()

    assert bench.exchange.submitted[-1].stop_loss_price == D("102.99")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"order_class": OrderClass.OTO}, TradingState.ACTIVE),
        ({"status": OrderStatus.PENDING_REPLACE}, TradingState.ACTIVE),
        ({"status": OrderStatus.PENDING_CANCEL}, TradingState.ACTIVE),
        ({"status": OrderStatus.PARTIALLY_FILLED, "filled_qty": D(4)}, TradingState.ACTIVE),
        ({}, TradingState.HALTED),
    ],
)
def test_trail_when_the_leg_cannot_be_changed_then_nothing_is_asked(
    changes: dict[str, Any], state: TradingState
) -> None:
    """OTO legs cannot be replaced, one change at a time, and HALTED keeps protection as it is."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.trading_state = state
    bench.rise("105")
    bench.look()
    (leg,) = [one for one in bench.state.orders.values() if one.role is OrderRole.STOP]
    bench.state = replace(bench.state, orders=bench.state.orders.put(replace(leg, **changes)))

    decision = bench.decide()

    assert not [send for send in decision.protective if send.request.replaces]
    started = [one.plan.kind for one in decision.bookings if isinstance(one, PlanStarted)]
    assert PlanKind.TRAIL not in started


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
def test_trail_when_trading_only_reduces_then_it_goes_on(state: TradingState) -> None:
    """REDUCING keeps the exit rules running (rule 20)."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.trading_state = state
    bench.rise("105")
    bench.look()

    assert [send.request.stop_price for send in bench.decide().protective] == [D("102.99")]
