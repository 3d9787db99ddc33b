"""Leaving a position on an operator's word: its stop stays until the shares are sold."""

from __future__ import annotations

import pytest

from services.trading_bot.plan_steps import start_plan
from shared.errors import FailureClass
from shared.events.types import PlanStarted, PlanStepped
from shared.models.broker import Rejected
from shared.models.orders import OrderRole, OrderType
from shared.models.plans import PlanKind
from shared.models.trading_state import TradingState
from tests.support.bot_bench import BotBench


@pytest.mark.parametrize("trading_state", list(TradingState))
def test_plan_when_the_operator_flattens_in_session_then_no_leg_is_cancelled_first(
    trading_state: TradingState,
) -> None:
    """Rule 5: the target leg becomes the exit, and the group stays whole until it fills."""
    bench = BotBench(trading_state=trading_state)
    bench.hold()
    bench.flatten = "operator: drill"

    decisions = bench.turn()

    assert all(not decision.cancels for decision in decisions)
    assert bench.state.positions == {}
    assert bench.broker.held == {}


def test_plan_when_the_operator_flattens_out_of_session_then_a_market_order_is_queued() -> None:
    """Nothing marketable fills at night; the queued order counts as coverage (rule 8)."""
    bench = BotBench(is_open=False)
    bench.hold()
    bench.flatten = "operator: drill"

    bench.turn(rounds=1)

    (plan,) = bench.state.plans
    assert plan.kind is PlanKind.CLOSE


def test_plan_when_the_group_cannot_be_changed_then_it_is_closed_instead() -> None:
    """Without a target leg the market order follows the confirmed cancellation."""
    bench = BotBench()
    bench.hold()
    del bench.broker.prices["AAPL"]
    bench.flatten = "operator: drill"

    bench.turn()

    exits = [order for order in bench.state.orders.values() if order.role is OrderRole.EXIT]
    assert [order.type for order in exits] == [OrderType.MARKET]


def test_plan_when_the_target_has_partly_filled_then_only_the_rest_is_asked_for() -> None:
    """Nine of ten shares are sold already: an exit of ten would be more than is held."""
    bench = BotBench()
    bench.hold(qty=10)
    (target,) = [each for each in bench.state.orders.values() if each.role is OrderRole.TARGET]
    bench.broker.fill(target.client_order_id, 9, "102")
    bench.look()
    bench.flatten = "operator: drill"

    (send,) = bench.decide().exits

    assert send.request.replaces == target.broker_order_id
    assert send.request.qty == send.order.qty == 1


def test_plan_when_the_change_of_the_target_never_goes_out_then_it_is_closed_instead() -> None:
    """A change that the guard denies each time must not hold the exit back for ever."""
    bench = BotBench()
    bench.hold()
    bench.flatten = "operator: drill"
    denied = bench.decide()
    bench.book(*denied.bookings)

    bench.pass_time(21)
    decision = bench.decide()

    assert [send.request.replaces for send in denied.exits] != [None]
    assert decision.exits == ()
    assert decision.cancels != ()


def test_plan_when_another_one_protects_the_shares_meanwhile_then_the_close_begins_again() -> None:
    """A partly filled entry's own plan brings a stop while the operator's close waits to sell.
    Shares that an order holds cannot be sold, so the close must clear them again.
    """
    bench = BotBench()
    own_id = bench.hold(qty=10)
    why = ("operator: drill", "operator tester")
    close = start_plan(bench.facts(), PlanKind.CLOSE, own_id, why)
    bench.book(PlanStarted(close), PlanStepped(close.plan_id, "send_exit", 0, bench.now))

    decisions = bench.turn()

    assert not decisions[0].exits
    assert bench.broker.held == {}
    assert bench.state.positions == {}
    bench.turn()
    assert bench.state.plans == ()


def test_plan_when_a_sale_below_the_stop_is_refused_then_a_trailing_stop_is_tried() -> None:
    """Beside an order of somebody else for the other side the broker takes no market order, and an
    OCO would stand above the market: only a trailing stop is left (rule 2).
    """
    bench = BotBench()
    bench.hold()
    for order in list(bench.broker.books.values()):
        if order.status.is_live:
            bench.broker.cancel(order.broker_order_id)
    bench.broker.trade("AAPL", "98.50")
    sent_before = len(bench.broker.submitted)
    for _ in range(8):
        bench.look()
        bench.broker.next_outcome = Rejected(FailureClass.RISK, "wash_trade", "opposite order")
        bench.carry_out(bench.decide())
        bench.pass_time(1)

    types = [request.type for request in bench.broker.submitted[sent_before:]]
    assert types[:3] == [OrderType.MARKET] * 3
    assert OrderType.TRAILING_STOP in types
