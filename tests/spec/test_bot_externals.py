"""External shares: observed, and protected only with ADOPT_EXTERNAL (rule 18)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.trading_bot.external_shares import external_coverage
from services.trading_bot.guard_facts import System, guard_facts
from services.trading_bot.plan_steps import start_plan
from services.trading_bot.sends import Holding, target_patch
from shared.errors import FailureClass
from shared.events.apply import apply_all
from shared.events.positions import is_closed, refresh_group
from shared.events.types import IntentRecorded, PlanStarted
from shared.models.broker import Rejected, SubmitOutcome, Unknown
from shared.models.externals import EXTERNAL, external_key
from shared.models.ids import parse_own_id
from shared.models.orders import (
    OrderRole,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from shared.models.plans import PlanKind
from shared.models.portfolio import BrokerPosition, Position
from tests.support.bot_bench import POLICY, BotBench
from tests.support.external_bench import KEY, a_bench, by_hand, hold_external, own_stops


def test_externals_when_not_adopted_then_nothing_is_sent_and_they_are_shown_naked() -> None:
    """The setting is off by default: observed and counted, never traded, never protected."""
    bench = a_bench(adopts=False)

    decisions = bench.turn()

    assert not any(each.acts for each in decisions)
    assert bench.broker.submitted == []
    assert external_coverage(bench.state, bench.broker.held, bench.now)["GOOG"].gap_qty == 10


def test_externals_when_adopted_then_they_get_one_stop_with_our_prefix_and_owner() -> None:
    """GTC, for all shares, the widest distance while no ATR is known, and once only."""
    bench = a_bench()

    bench.turn()
    bench.turn()
    bench.reconcile()
    bench.turn()

    (request,) = bench.broker.submitted
    parts = parse_own_id(request.client_order_id)
    assert parts is not None
    assert parts.strategy == EXTERNAL
    assert (request.side, request.qty, request.type) == (Side.SELL, Decimal(10), OrderType.STOP)
    assert (request.time_in_force, request.stop_price) == (TimeInForce.GTC, Decimal(190))
    assert external_coverage(bench.state, bench.broker.held, bench.now)["GOOG"].is_covered


@pytest.mark.parametrize(("qty", "free", "wanted"), [("10", "6", [6]), ("10.7", "10.7", [10])])
def test_externals_when_some_are_held_or_broken_then_only_free_whole_shares_get_a_stop(
    qty: str, free: str, wanted: list[int]
) -> None:
    """What an order of somebody else holds is not ours to protect, a fraction nobody's."""
    bench = a_bench()
    hold_external(bench, qty, free)
    bench.reconcile()
    bench.turn()

    assert [request.qty for request in bench.broker.submitted] == wanted


def test_externals_when_a_foreign_stop_appears_then_ours_follows() -> None:
    """Both together would sell more than is held: ours goes, and one for the rest comes."""
    bench = a_bench()
    bench.turn()

    by_hand(bench, "4")
    bench.turn()

    assert [order.remaining_qty for order in own_stops(bench)] == [6]


@pytest.mark.parametrize(("left", "wanted"), [("4", [4]), ("0", []), ("-3", [])])
@pytest.mark.parametrize("adopts", [True, False])
def test_externals_when_they_shrink_or_vanish_then_our_stop_never_sells_more_than_is_held(
    left: str, wanted: list[int], *, adopts: bool
) -> None:
    """Whatever the setting says by now: a stop of ours that could sell too much is cancelled."""
    bench = a_bench()
    bench.turn()
    bench.policy = replace(POLICY, adopt_external=adopts)
    if Decimal(left):
        hold_external(bench, left)
    else:
        del bench.broker.held["GOOG"]

    bench.turn()
    bench.reconcile()
    bench.turn()

    expected = wanted if adopts else []
    stops = [order.remaining_qty for order in own_stops(bench) if order.side is Side.SELL]
    assert stops == expected


def test_externals_when_their_stop_fills_then_no_trade_of_ours_is_booked() -> None:
    """Neither position, trade, profit nor cooldown: nothing of it was ever ours."""
    bench = a_bench()
    bench.turn()
    before = bench.state
    (stop,) = own_stops(bench)
    bench.broker.books[stop.broker_order_id or ""] = replace(
        bench.broker.books[stop.broker_order_id or ""],
        status=OrderStatus.FILLED,
        filled_qty=Decimal(10),
        filled_avg_price=Decimal(190),
        filled_at=bench.now,
    )
    bench.turn()
    assert own_stops(bench) == [], "the list of positions may lag behind the fill"
    del bench.broker.held["GOOG"]
    bench.reconcile()

    assert bench.state.orders[stop.client_order_id].filled_qty == 10
    assert (bench.state.positions, bench.state.trade_history) == ({}, ())
    assert (bench.state.pnl, bench.state.cooldowns) == (before.pnl, before.cooldowns)
    assert bench.state.external_positions == {}
    assert is_closed(bench.state.orders.group(KEY)), "the bounded state may forget it"


def test_externals_when_ours_share_their_symbol_then_each_has_its_own_stops() -> None:
    """An external stop is no cover of ours, and ours holds none of the shares beyond."""
    bench = beside_ours()
    key = external_key("AAPL")

    bench.turn()
    stop = next(one for one in bench.state.orders.values() if one.role is OrderRole.STOP)
    bench.broker.cancel(stop.broker_order_id or "")
    bench.turn()

    assert [one.qty for one in bench.state.orders.group(key)] == [5]
    live = [one for one in bench.state.orders.live() if one.role is OrderRole.STOP]
    assert sorted(one.remaining_qty for one in live) == [5, 10]
    assert bench.state.positions["AAPL"].qty == 10


def test_externals_when_the_intent_of_their_stop_is_lost_then_it_is_adopted_as_theirs() -> None:
    """The owner is read from the id, so that no position of ours ever gets its fills."""
    bench = a_bench()
    fresh = bench.state
    bench.turn()
    bench.state = fresh

    bench.reconcile()
    bench.turn()

    (order,) = bench.state.orders.values()
    assert (order.position_key, order.role, order.strategy) == (KEY, OrderRole.STOP, EXTERNAL)
    assert len(bench.broker.submitted) == 1


@pytest.mark.parametrize(
    ("answer", "after_s", "sent"),
    [
        (Unknown("the reply was lost"), 5, 1),
        (Unknown("the reply was lost"), 90, 1),
        (Rejected(FailureClass.RISK, "403", "insufficient qty available"), 5, 1),
        (Rejected(FailureClass.RISK, "403", "insufficient qty available"), 90, 2),
    ],
)
def test_externals_when_the_stop_is_unknown_or_refused_then_no_other_is_sent_at_once(
    answer: SubmitOutcome, after_s: float, sent: int
) -> None:
    """An unknown outcome is settled first, and a refusal is not answered with a burst."""
    bench = a_bench()
    bench.broker.next_outcome = answer

    bench.turn()
    bench.pass_time(after_s)
    bench.turn()

    assert len(bench.broker.submitted) == sent


def test_intent_when_it_serves_externals_then_our_position_of_the_symbol_never_owns_it() -> None:
    """Recording it beside a position of ours keeps the key that it came with."""
    bench = a_bench()
    (send,) = bench.decide().protective

    state = apply_all(bench.state, [IntentRecorded((send.order,), bench.now)])

    assert state.orders[send.order.client_order_id].position_key == KEY


def test_position_of_the_broker_when_compared_then_what_is_free_is_no_part_of_it() -> None:
    """Two readings are the same position whatever orders hold of it."""
    free, held = (
        BrokerPosition("GOOG", Decimal(3), Decimal(1), available_qty=Decimal(each))
        for each in (3, 0)
    )

    assert free == held
    assert isinstance(free, Position)


def beside_ours(beyond: int = 5, since_s: float = 90) -> BotBench:
    """A bench with ten shares of ours under their stop, and others beside them."""
    bench = BotBench(policy=replace(POLICY, adopt_external=True))
    bench.hold(qty=10)
    bench.pass_time(since_s)
    bench.broker.held["AAPL"] = replace(bench.broker.held["AAPL"], qty=Decimal(10 + beyond))
    bench.reconcile()
    bench.reconcile()
    return bench


@pytest.mark.parametrize("orders", [1, 2])
def test_fills_when_they_are_of_externals_then_they_sum_up_to_nothing_of_ours(orders: int) -> None:
    """Bought back after a stop, beside a position of ours: no share and no profit is booked."""
    bench = beside_ours()
    bench.turn()
    key = external_key("AAPL")
    (stop,) = bench.state.orders.group(key)
    buy = replace(stop, client_order_id="back", side=Side.BUY, broker_order_id="b-back")
    filled = [
        replace(
            each,
            status=OrderStatus.FILLED,
            filled_qty=Decimal(5),
            filled_avg_price=Decimal(90),
            filled_at=bench.now,
        )
        for each in (stop, buy)
    ]
    at = replace(bench.state, orders=bench.state.orders.put(*filled[:orders]))

    after = refresh_group(refresh_group(at, key), bench.state.positions["AAPL"].position_key)

    assert after.positions == bench.state.positions
    assert after.trade_history == ()


def test_guard_when_an_order_is_for_externals_then_it_sees_their_shares_and_exits_alone() -> None:
    """What is ours is no room for them, and their stop takes none from ours."""
    bench = beside_ours()
    (theirs,) = bench.decide().protective
    bench.turn()
    (ours,) = (one for one in bench.state.orders.values() if one.role is OrderRole.TARGET)
    holding = Holding(bench.state, bench.state.positions["AAPL"], bench.now)
    sends = theirs, target_patch(holding, ours, Decimal(101), "a test")
    system = System(False, True, True, 0.0, True, True, None, None)

    seen = [guard_facts(send, bench.facts(), system) for send in sends]

    rooms = [(one.position_qty, one.position_qty_known, one.exits_live_qty) for one in seen]
    assert rooms == [tuple(map(Decimal, room)) for room in ((5, 5, 0), (15, 10, 0))]


def test_coverage_when_only_a_plan_for_externals_runs_then_a_gap_of_ours_is_closed() -> None:
    """Leaving theirs has nothing in hand of ours."""
    bench = beside_ours()
    why = ("operator: drill", "operator")
    plan = start_plan(bench.facts(), PlanKind.CLOSE, external_key("AAPL"), why)
    bench.book(PlanStarted(plan))
    stop = next(one for one in bench.state.orders.values() if one.role is OrderRole.STOP)
    bench.broker.cancel(stop.broker_order_id or "")
    bench.look()

    decision = bench.decide()

    key = bench.state.positions["AAPL"].position_key
    assert [send.order.position_key for send in decision.protective] == [key]


def test_externals_when_ours_beside_them_have_just_changed_then_they_wait() -> None:
    """The broker's positions may lag behind our fill: nobody can tell what lies beyond."""
    bench = beside_ours(since_s=5)

    bench.turn()
    at_once = len(bench.state.orders.group(external_key("AAPL")))
    bench.pass_time(60)
    bench.turn()

    assert (at_once, len(bench.state.orders.group(external_key("AAPL")))) == (0, 1)
