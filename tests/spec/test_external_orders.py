"""Orders beside external shares: the person's own, and ours that serve them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.trading_bot.execution.settling import Settler
from services.trading_bot.external_shares import external_coverage
from services.trading_bot.guard_facts import System, guard_facts
from services.trading_bot.haste import naked_symbols
from services.trading_bot.naked import NakedWatch
from services.trading_bot.plan_steps import start_plan
from services.trading_bot.sends import Send, resend_of
from shared.events.handlers import Change
from shared.events.types import OrderSeen, PlanStarted
from shared.models.broker import Unknown
from shared.models.orders import OrderRole, OrderStatus, Purpose, Side
from shared.models.plans import PlanKind
from tests.support.bot_bench import POLICY, BotBench
from tests.support.clock import ManualClock
from tests.support.external_bench import KEY, a_bench, hold_external, own_stops
from tests.support.person_bench import PersonBench
from tests.support.venue_bench import SYMBOL

pytestmark = pytest.mark.unit

OCO: dict[str, Any] = {
    "side": "sell",
    "type": "limit",
    "order_class": "oco",
    "take_profit": {"limit_price": "120"},
    "stop_loss": {"stop_price": "90"},
}
STOP: dict[str, Any] = {"side": "sell", "type": "stop", "stop_price": "90"}
LIMIT: dict[str, Any] = {"side": "sell", "type": "limit", "limit_price": "120"}
BRACKET: dict[str, Any] = {
    "type": "limit",
    "limit_price": "101",
    "order_class": "bracket",
    "take_profit": {"limit_price": "120"},
    "stop_loss": {"stop_price": "90"},
}


@pytest.mark.parametrize("words", [OCO, BRACKET])
def test_adoption_when_the_person_has_a_group_then_its_shares_count_once(
    words: dict[str, Any],
) -> None:
    """Target and stop of one group close the same shares; the others get their stop of ours."""
    bench = PersonBench(adopts=True)
    bench.person(10)
    bench.trade("100")
    if words is OCO:
        bench.person(10)
        bench.trade("100")
    assert bench.person(10, **words) is not None
    bench.trade("100")

    bench.live_on(4, 61)

    assert bench.theirs == 20
    assert [one.remaining_qty for one in bench.own_external_stops] == [10]
    assert bench.live_sells() == 20


def test_adoption_when_the_person_buys_more_slowly_then_our_stop_grows_with_it() -> None:
    """A part of a purchase is protected, then the rest: never twice, never more than is there."""
    bench = PersonBench(adopts=True)
    order = bench.person(10, type="limit", limit_price="99", time_in_force="gtc")
    assert order is not None
    for _ in range(2):
        bench.venue.fill(bench.venue.again(order), 5, "99")
        bench.live_on(4, 61)
        assert bench.live_sells() <= bench.venue.held()

    assert bench.theirs == 10
    assert bench.live_sells() == 10
    assert bench.denied == []


def test_adoption_when_it_is_switched_off_then_our_stop_goes_and_comes_back_with_it() -> None:
    """Without the setting external shares are never traded, not even by a stop of yesterday."""
    bench = a_bench()
    bench.turn()
    assert [one.qty for one in own_stops(bench)] == [10]

    bench.policy = replace(POLICY, adopt_external=False)
    bench.turn()
    bench.turn()
    assert own_stops(bench) == []
    assert len(bench.broker.submitted) == 1

    bench.policy = replace(POLICY, adopt_external=True)
    bench.pass_time(61)
    bench.turn()
    assert [one.qty for one in own_stops(bench)] == [10]


@pytest.mark.parametrize("loses_state", [False, True])
def test_adoption_when_the_bot_dies_between_two_steps_then_it_goes_on_without_a_double(
    *, loses_state: bool
) -> None:
    """With its file and without any: ours, theirs and the stops of each come back."""
    bench = PersonBench(adopts=True)
    bench.beside()
    bench.restart(loses_state=loses_state)

    bench.live_on(4, 61)

    assert bench.shares[1:] == (10, 5)
    assert bench.live_sells() == 15
    assert [one.remaining_qty for one in bench.own_external_stops] == [5]
    bench.person(5, "sell")
    bench.trade("94")
    bench.live_on(3, 61)
    assert bench.shares == (0, 0, 0)
    (trade,) = bench.state.trade_history
    assert trade.qty == 10


@pytest.mark.parametrize("side", list(Side))
def test_guard_when_an_exit_of_the_same_side_is_unknown_then_it_is_counted(side: Side) -> None:
    """Buying back a person's short is an exit, too: no second one before the first is known."""
    bench = a_bench("-10" if side is Side.BUY else "10", adopts=False)
    bench.flatten, bench.flatten_externals = "operator: drill", True
    bench.broker.next_outcome = Unknown("the reply was lost")
    bench.turn()
    (exit_,) = bench.state.orders.group(KEY)
    assert (exit_.side, exit_.status) == (side, OrderStatus.UNKNOWN)
    again = Send(replace(resend_of(exit_, Purpose.REDUCE), client_order_id="another"), exit_)

    seen = guard_facts(again, bench.facts(), System(False, True, True, 0.0, True, True, None, None))

    assert seen.unknown_exits == 1


@pytest.mark.parametrize("has_ours", [True, False])
def test_settling_when_a_stop_of_vanished_externals_is_unknown_then_it_is_not_sent_again(
    *, has_ours: bool
) -> None:
    """Shares of ours in the symbol are no reason to protect shares that are gone."""
    bench = BotBench(policy=replace(POLICY, adopt_external=True))
    if has_ours:
        bench.hold(symbol="GOOG")
    ours = bench.broker.held.get("GOOG")
    hold_external(bench, "20")
    bench.pass_time(90)
    for _ in range(2):
        bench.reconcile()
    bench.broker.next_outcome = Unknown("the reply was lost")
    bench.turn()
    assert len(bench.state.unknown_outcomes) == 1
    del bench.broker.held["GOOG"]
    if ours is not None:
        bench.broker.held["GOOG"] = ours
    bench.reconcile()

    settled = Settler(bench.broker, ManualClock()).settle(bench.state, bench.broker.held, bench.now)

    assert settled.resend == ()


def test_haste_when_only_external_shares_are_left_then_nothing_of_ours_is_naked() -> None:
    """A look for naked shares goes before every share of reads: it is not spent on others."""
    bench = a_bench(adopts=False)
    plan = start_plan(bench.facts(), PlanKind.CLOSE, KEY, ("operator: drill", "operator"))
    bench.book(PlanStarted(replace(plan, step="send_exit")))

    assert naked_symbols(bench.state) == frozenset()


def test_naked_time_when_an_external_stop_moves_meanwhile_then_only_orders_of_ours_count() -> None:
    """Ours stood naked for two seconds; an order for others, stamped later, makes it no longer."""
    bench = PersonBench(adopts=True)
    bench.beside()
    watch = NakedWatch()
    (theirs,) = bench.own_external_stops
    stop = next(
        one
        for one in bench.state.orders.live()
        if one.role is OrderRole.STOP and one.parent_id is not None
    )
    lost = bench.state.orders.put(replace(stop, status=OrderStatus.CANCELED, updated_at=bench.now))
    naked = replace(bench.state, orders=lost)
    late = replace(theirs, updated_at=bench.now + timedelta(seconds=60))
    again = replace(stop, status=OrderStatus.NEW, updated_at=bench.now + timedelta(seconds=2))
    moved = replace(naked, orders=naked.orders.put(late))
    healed = replace(moved, orders=moved.orders.put(again))

    shown = bench.broker.order(stop.broker_order_id or "")
    assert shown is not None
    event = OrderSeen(shown, bench.now)
    watch.hear(Change(event, bench.state, naked))
    watch.hear(Change(event, naked, moved))
    watch.hear(Change(event, moved, healed))

    assert watch.worst_s == 2


@pytest.mark.parametrize(("words", "protected"), [(STOP, 4), (OCO, 4), (LIMIT, 0)])
def test_external_row_when_the_persons_order_is_no_stop_then_it_is_not_called_protection(
    words: dict[str, Any], protected: int
) -> None:
    """A limit above the market holds the shares, so that no stop of ours can be had; it is said."""
    bench = PersonBench(adopts=True)
    bench.person(10)
    bench.trade("100")
    assert bench.person(4, **words) is not None
    bench.trade("100")
    bench.live_on(3, 61)

    facts = bench.facts()
    rows = external_coverage(facts.state, facts.broker_positions, facts.now, facts.foreign_orders)

    assert [one.remaining_qty for one in bench.own_external_stops] == [6]
    assert rows[SYMBOL].stop_qty == 6 + protected
