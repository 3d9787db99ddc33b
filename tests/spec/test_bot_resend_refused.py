"""A repeat that is refused settles nothing: what was sent before it may still arrive."""

from __future__ import annotations

import pytest

from services.trading_bot.coverage import coverage
from services.trading_bot.plan_steps import start_plan
from shared.events.types import PlanStarted
from shared.models.orders import OrderStatus, OrderType, Side
from shared.models.plans import PlanKind
from tests.support.venue_bench import (
    LATE,
    LATE_BY,
    LOST_BEFORE,
    REFUSED,
    SYMBOL,
    WHOLE,
    VenueBench,
)

pytestmark = pytest.mark.unit

LOOKS_S = 130


def repeated(bench: VenueBench, first: str) -> str:
    """Let the next order meet this on the wire and its repeat be refused; return its id."""
    bench.exchange.wire = lambda: first
    bench.look()
    bench.turn(rounds=1)
    (own_id,) = bench.state.unknown_outcomes
    bench.exchange.wire = lambda: REFUSED
    bench.settle()
    bench.exchange.wire = lambda: WHOLE
    assert [one.client_order_id for one in bench.exchange.submitted[-2:]] == [own_id, own_id]
    return own_id


def calm(bench: VenueBench, seconds: float) -> None:
    """Let turns pass, five seconds apart."""
    for _ in range(int(seconds / 5)):
        bench.pass_time(5)
        bench.trade(bench.exchange.prices[SYMBOL])
        bench.live_turn()


@pytest.mark.parametrize("first", [LATE, LOST_BEFORE])
def test_protection_when_its_repeat_is_refused_then_it_stays_unknown_and_another_kind_protects(
    first: str,
) -> None:
    """No new risk until its looks end (rules 9 and 10), and no share waits for them."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    bench.venue.cancel(bench.exchange.legs_of(own_id)[0])
    lost = repeated(bench, first)

    bench.turn()
    assert coverage(bench.state, bench.now)[SYMBOL].is_covered
    assert set(bench.state.unknown_outcomes) == {lost}
    assert bench.state.orders[lost].status is OrderStatus.REJECTED

    calm(bench, LATE_BY.total_seconds() + LOOKS_S)
    assert [one.client_order_id for one in bench.exchange.submitted].count(lost) == 2
    assert bench.state.unknown_outcomes == {}
    assert coverage(bench.state, bench.now)[SYMBOL].is_covered


def test_close_when_its_repeat_is_refused_then_no_second_one_goes_beside_it() -> None:
    """The first may be selling the shares already."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    why = ("operator: x", "operator")
    bench.book(PlanStarted(start_plan(bench.facts(), PlanKind.CLOSE, own_id, why)))
    bench.turn()
    bench.pass_time(1)
    lost = repeated(bench, LATE)

    bench.turn()
    assert bench.state.orders[lost].status is OrderStatus.UNKNOWN

    calm(bench, LATE_BY.total_seconds() + LOOKS_S)
    sales = [one for one in bench.exchange.submitted if one.type is OrderType.MARKET]
    assert {one.client_order_id for one in sales if one.side is Side.SELL} == {lost}
    assert (bench.exchange.held, bench.state.unknown_outcomes) == ({}, {})
