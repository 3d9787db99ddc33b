"""No close too many: whatever the wire loses, delays or doubles, nothing is sold that is not held.

Lost closes are sent again under their id, and unknown protection does not stand in an exit's way;
both are tried here against the exchange's own books, reservations and matching.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.coverage import coverage
from services.trading_bot.plan_steps import start_plan
from shared.events.types import PlanStarted
from shared.models.orders import OrderRole, OrderStatus, OrderType, Side
from shared.models.plans import PlanKind
from tests.support.trail_bench import TrailBench
from tests.support.venue_bench import (
    DOUBLED,
    LATE,
    LATE_BY,
    LOST_AFTER,
    LOST_BEFORE,
    SYMBOL,
    WHOLE,
    VenueBench,
)

pytestmark = pytest.mark.unit

TROUBLES = (LOST_BEFORE, LOST_AFTER, LATE, DOUBLED)
STEPS = 28


def happen(bench: VenueBench, dice: Random) -> None:
    """Let the market, an operator or time do something."""
    what = dice.choice(("rise", "fall", "wait", "wait", "cancel", "leave", "blind", "flatten"))
    price = bench.exchange.prices[SYMBOL]
    position = bench.state.positions.get(SYMBOL)
    if what == "rise":
        bench.trade(price + dice.choice((1, 3)))
    elif what == "fall":
        bench.trade(max(Decimal(90), price - dice.choice((1, 3))))
    elif what == "cancel" and (live := bench.venue.books.live_orders(SYMBOL)):
        foreign = dice.choice(live)
        if foreign.status not in (OrderStatus.PENDING_REPLACE, OrderStatus.PENDING_CANCEL):
            bench.venue.cancel(foreign)
    elif what == "leave" and position is not None and not bench.state.plans:
        kind = dice.choice((PlanKind.CLOSE, PlanKind.REPLACE))
        why = ("operator: x", "operator")
        bench.book(PlanStarted(start_plan(bench.facts(), kind, position.position_key, why)))
    elif what == "blind":
        bench.positions_readable = dice.random() < 0.6
    elif what == "flatten":
        bench.flatten = dice.choice((None, None, "operator: drill"))
    bench.pass_time(dice.choice((0.5, 1, 2, 8)))


def check(bench: VenueBench) -> None:
    """Nothing short, never more sold than bought, one market close at a time."""
    books = bench.venue.books
    assert bench.venue.held(SYMBOL) >= 0
    sold = sum(order.filled_qty for order in books.orders.values() if order.side is Side.SELL)
    bought = sum(order.filled_qty for order in books.orders.values() if order.side is Side.BUY)
    assert sold <= bought
    closes = [
        order
        for order in books.live_orders(SYMBOL)
        if order.type is OrderType.MARKET and order.side is Side.SELL
    ]
    assert len(closes) <= 1
    ids = [order.client_order_id for order in books.orders.values()]
    assert len(ids) == len(set(ids))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_closes_when_the_wire_is_bad_then_nothing_is_sold_twice_or_short(seed: int) -> None:
    """In any history the books never go short, and once all is calm nothing is left half done."""
    dice = Random(seed)
    bench = TrailBench()
    bench.venue.switch(
        f"partial_fill_rate={dice.choice((0, 0.7))}",
        f"cancel_lag_s={dice.choice((0, 0.8))}",
        f"replace_lag_s={dice.choice((0, 1.5))}",
        f"lookup_lag_s={dice.choice((0, 0.4))}",
    )
    bad = dice.choice((0.1, 0.4, 0.7))
    bench.exchange.wire = lambda: dice.choice(TROUBLES) if dice.random() < bad else WHOLE
    bench.bracket(dice.choice((1, 10, 40)))
    for _ in range(STEPS):
        happen(bench, dice)
        bench.live_turn()
        check(bench)

    bench.exchange.wire = lambda: WHOLE
    bench.positions_readable, bench.flatten = True, None
    for _ in range(45):
        bench.pass_time(4)
        bench.trade(bench.exchange.prices[SYMBOL])
        bench.live_turn()
        check(bench)
    assert bench.state.unknown_outcomes == {}
    assert all(row.is_covered for row in coverage(bench.state, bench.now).values())
    held = bench.state.positions.get(SYMBOL)
    assert (held.qty if held is not None else 0) == bench.venue.held(SYMBOL)


@pytest.mark.parametrize("word", TROUBLES)
def test_close_when_its_reply_is_lost_again_and_again_then_one_order_closed(word: str) -> None:
    """The five repeats carry one id: whichever arrives, the exchange knows one close."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    why = ("operator: x", "operator")
    bench.book(PlanStarted(start_plan(bench.facts(), PlanKind.CLOSE, own_id, why)))
    bench.exchange.wire = lambda: word if bench.exchange.cancelled else WHOLE
    for _ in range(12):
        bench.live_turn()
        bench.pass_time(1)
        check(bench)
    bench.exchange.wire = lambda: WHOLE
    for _ in range(40):
        bench.pass_time(4)
        bench.trade("100")
        bench.live_turn()
        check(bench)

    filled = [
        order
        for order in bench.venue.books.orders.values()
        if order.side is Side.SELL and order.filled_qty > 0
    ]
    assert [(order.filled_qty, order.type) for order in filled] == [(Decimal(10), OrderType.MARKET)]
    assert (bench.state.positions, bench.state.unknown_outcomes) == ({}, {})
    (booked,) = [
        one for one in bench.state.orders.values() if one.role is OrderRole.EXIT and one.filled_qty
    ]
    assert booked.client_order_id == filled[0].client_order_id


def test_close_when_unknown_protection_arrives_after_it_then_it_opens_no_short() -> None:
    """An exit does not wait for protection of unknown fate; late, that has nothing to hold."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    for leg in bench.exchange.legs_of(own_id)[:1]:
        bench.venue.cancel(leg)
    bench.exchange.wire = lambda: LATE
    bench.look()
    bench.turn(rounds=1)
    bench.exchange.wire = lambda: WHOLE
    assert [order.status for order in bench.state.orders.live()] == [OrderStatus.UNKNOWN]
    bench.exchange.prices[SYMBOL] = Decimal(97)

    bench.look()
    bench.turn()
    bench.trade("97")
    assert bench.exchange.held == {}

    bench.pass_time(LATE_BY.total_seconds())
    bench.trade("97")
    bench.live_turn()
    check(bench)
    assert not bench.venue.books.live_orders(SYMBOL)
