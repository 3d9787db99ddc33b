"""An exit beside a stop that is being raised: it goes first, and nobody asks what must refuse."""

from __future__ import annotations

import pytest

from services.trading_bot.plan_steps import cancels, start_plan
from shared.events.types import PlanStarted
from shared.models.orders import Order, OrderRole, OrderStatus
from shared.models.plans import PlanKind
from tests.support.trail_bench import TrailBench
from tests.support.venue_bench import LATE, LATE_BY, SYMBOL, WHOLE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("kind", [PlanKind.CLOSE, PlanKind.REPLACE])
def test_trail_when_an_exit_begins_meanwhile_then_the_exit_goes_first(kind: PlanKind) -> None:
    """A leg that is being replaced refuses its cancellation; nobody asks it."""
    bench = TrailBench()
    bench.venue.switch("replace_lag_s=3")
    own_id = bench.hold_bracket()
    bench.rise("105")
    bench.live_turn()
    assert [plan.kind for plan in bench.state.plans] == [PlanKind.TRAIL]
    bench.book(PlanStarted(start_plan(bench.facts(), kind, own_id, ("operator: now", "operator"))))

    for _ in range(8):
        bench.live_turn()
        assert len(bench.state.plans) <= 1
        bench.trade("105")

    assert bench.exchange.held == {}
    changing = {
        one.id for one in bench.venue.books.orders.values() if one.status.value == "replaced"
    }
    assert not changing & set(bench.exchange.cancelled)
    assert not bench.venue.books.live_orders(SYMBOL)


def test_trail_when_its_unknown_change_lost_its_order_then_no_exit_waits_for_it() -> None:
    """The old leg is cancelled: a change of it can never happen, however late it arrives."""
    bench = TrailBench()
    own_id = bench.hold_bracket()
    bench.rise("105")
    bench.exchange.wire = lambda: LATE
    bench.live_turn()
    bench.exchange.wire = lambda: WHOLE
    bench.book(
        PlanStarted(start_plan(bench.facts(), PlanKind.CLOSE, own_id, ("operator: x", "operator")))
    )

    bench.live_turn()
    bench.pass_time(1)
    bench.live_turn()
    bench.trade("105")

    assert bench.exchange.held == {}
    bench.pass_time(LATE_BY.total_seconds())
    bench.live_turn()
    assert bench.state.unknown_outcomes == {}
    assert not bench.venue.books.live_orders(SYMBOL)


def changing_group() -> tuple[Order, Order, Order]:
    """Target, the stop that is being replaced, and the change that waits behind it."""
    bench = TrailBench()
    bench.venue.switch("replace_lag_s=5")
    bench.hold_bracket()
    bench.rise("105")
    bench.live_turn()
    orders = bench.state.orders.values()
    (target,) = [one for one in orders if one.role is OrderRole.TARGET]
    old, change = [one for one in orders if one.role is OrderRole.STOP]
    assert old.status is OrderStatus.PENDING_REPLACE
    return target, old, change


def test_cancel_when_a_leg_is_being_replaced_then_only_its_sibling_is_asked() -> None:
    """`pending_replace` refuses; the target takes the whole group along, alone nothing is asked."""
    target, old, change = changing_group()

    asked = cancels([old, change, target], "leaving").cancels

    assert [one.broker_order_id for one in asked] == [target.broker_order_id]
    assert cancels([old, change], "leaving").cancels == ()
    assert [one.broker_order_id for one in cancels([change], "leaving").cancels] == [
        change.broker_order_id
    ]
