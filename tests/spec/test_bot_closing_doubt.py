"""Closing beside orders that hold nothing, or that close already: neither keeps shares naked."""

from __future__ import annotations

import pytest

from services.trading_bot.plan_steps import start_plan
from shared.events.types import PlanStarted
from shared.models.orders import OrderRole, OrderStatus, OrderType
from shared.models.plans import PlanKind
from tests.support.builders import D
from tests.support.venue_bench import LOST_AFTER, LOST_BEFORE, SYMBOL, WHOLE, VenueBench

pytestmark = pytest.mark.unit

WHY = ("operator: x", "operator")


def with_unknown_protection(word: str) -> tuple[VenueBench, str]:
    """A position whose legs are gone, and whose new protection met this on the wire."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    bench.venue.cancel(bench.exchange.legs_of(own_id)[0])
    bench.exchange.wire = lambda: word
    bench.look()
    bench.orders_readable = False
    bench.turn(rounds=1)
    bench.exchange.wire = lambda: WHOLE
    assert [order.status for order in bench.state.orders.live()] == [OrderStatus.UNKNOWN]
    return bench, own_id


def close(bench: VenueBench, own_id: str) -> None:
    """Begin to close the position, as an operator asks for it."""
    bench.book(PlanStarted(start_plan(bench.facts(), PlanKind.CLOSE, own_id, WHY)))


def test_close_when_protection_never_arrived_then_the_exit_does_not_wait_for_its_looks() -> None:
    """Absence is proved after 120 s only, and nothing stands at the broker meanwhile."""
    bench, own_id = with_unknown_protection(LOST_BEFORE)
    close(bench, own_id)

    bench.turn()

    assert bench.exchange.submitted[-1].type is OrderType.MARKET
    bench.trade("100")
    assert bench.exchange.held == {}


def test_close_when_unknown_protection_holds_the_shares_then_it_is_cancelled_first() -> None:
    """The broker refuses the exit then; once the protection is seen, the plan begins again."""
    bench, own_id = with_unknown_protection(LOST_AFTER)
    close(bench, own_id)
    bench.turn()
    assert bench.exchange.submitted[-1].type is OrderType.MARKET

    bench.orders_readable = True
    for _ in range(4):
        bench.live_turn()
        bench.trade("100")

    assert bench.exchange.held == {}
    assert not bench.venue.books.live_orders(SYMBOL)
    assert bench.state.unknown_outcomes == {}


def test_close_when_a_market_exit_works_already_then_it_is_left_to_work() -> None:
    """Cancelling it would only leave shares of whose stop nothing is left."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    close(bench, own_id)
    bench.turn()
    bench.pass_time(1)
    bench.turn()
    (exit_order,) = [one for one in bench.state.orders.live() if one.role is OrderRole.EXIT]
    working = bench.venue.books.find(exit_order.broker_order_id or "")
    assert working is not None
    bench.venue.fill(working, 4, 100)
    bench.look()
    close(bench, own_id)
    asked = list(bench.exchange.cancelled)

    for _ in range(5):
        bench.pass_time(2)
        bench.turn()

    assert bench.exchange.cancelled == asked
    assert bench.exchange.held[SYMBOL].qty == D(6)
