"""The bot's plan: what each moment demands, and that sequences end protected or flat."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.trading_bot.coverage import coverage
from services.trading_bot.decision import Decision
from services.trading_bot.plan import plan_follow_up
from services.trading_bot.strategies.momentum import MomentumParameters
from shared.errors import FailureClass
from shared.models.broker import Rejected, Unknown
from shared.models.orders import OrderClass, OrderStatus, OrderType, Purpose, Side
from shared.models.plans import PlanKind
from shared.models.trading_state import TradingState
from tests.support.bars import (
    bars_of_closes,
    buffer_of,
)
from tests.support.bot_bench import NOON, POLICY, BotBench

pytestmark = pytest.mark.unit

REFUSED = Rejected(FailureClass.RISK, "40310000", "potential wash trade detected")


def is_protected(bench: BotBench) -> bool:
    """Whether every share of ours has a live stop at the broker."""
    return all(row.is_covered for row in coverage(bench.state, bench.now).values())


def kinds(bench: BotBench) -> list[PlanKind]:
    """The kinds of the running plans."""
    return [plan.kind for plan in bench.state.plans]


# --- entries


@pytest.mark.parametrize(
    ("seconds", "state", "is_open", "cancelled"),
    [
        (29, TradingState.ACTIVE, True, False),
        (30, TradingState.ACTIVE, True, True),
        (1, TradingState.REDUCING, True, True),
        (1, TradingState.HALTED, True, True),
        (1, TradingState.ACTIVE, False, True),
    ],
)
def test_plan_when_an_entry_rests_then_it_is_cancelled_in_time(
    seconds: float, state: TradingState, is_open: bool, cancelled: bool
) -> None:
    """No entry rests past its deadline, outside ACTIVE or outside the session (rule 1)."""
    bench = BotBench()
    own_id = bench.enter()
    bench.pass_time(seconds)
    bench.trading_state, bench.is_open = state, is_open

    bench.turn()

    status = bench.state.orders[own_id].status
    assert (status is OrderStatus.CANCELED) is cancelled
    assert bench.state.positions == {}


def test_plan_when_an_entry_fills_in_part_then_rest_is_cancelled_and_the_part_protected() -> None:
    """Legs are inert until the whole entry fills: an OCO covers what was bought (rule 2)."""
    bench = BotBench()
    own_id = bench.enter(10)
    bench.broker.prices["AAPL"] = Decimal(100)
    bench.broker.fill(own_id, 4, "100")
    bench.pass_time(1)
    bench.turn()
    assert bench.broker.cancelled == []
    bench.pass_time(1)

    bench.turn()

    assert bench.state.orders[own_id].status is OrderStatus.CANCELED
    assert bench.state.positions["AAPL"].qty == 4
    assert bench.broker.submitted[-1].order_class is OrderClass.OCO
    assert bench.broker.submitted[-1].qty == 4
    assert is_protected(bench)
    assert bench.state.plans == ()


def test_plan_when_the_rest_fills_before_the_cancel_then_its_legs_protect_it() -> None:
    """A fill that wins the race needs no OCO: the bracket is whole."""
    bench = BotBench()
    own_id = bench.enter(10)
    bench.broker.prices["AAPL"] = Decimal(100)
    bench.broker.fill(own_id, 4, "100")
    bench.look()
    bench.pass_time(2)
    decision = bench.decide()
    bench.broker.fill(own_id, 6, "100")

    bench.carry_out(decision)
    bench.turn()

    assert len(bench.broker.submitted) == 1
    assert is_protected(bench)
    assert bench.state.plans == ()


# --- protection


def test_plan_when_a_stop_vanishes_then_the_position_is_protected_anew() -> None:
    """Coverage is compared every cycle and a gap is closed at once."""
    bench = BotBench()
    bench.hold()
    for order in list(bench.broker.books.values()):
        if order.status.is_live:
            bench.broker.cancel(order.broker_order_id)

    bench.turn()

    sent = bench.broker.submitted[-1]
    assert (sent.purpose, sent.side, sent.stop_loss_price) == (
        Purpose.PROTECT,
        Side.SELL,
        Decimal(99),
    )
    assert is_protected(bench)
    assert bench.state.plans == ()


def test_plan_when_the_oco_is_refused_then_a_trailing_stop_then_a_market_exit() -> None:
    """Each refusal leads to the next means; a position never stays naked (rule 2)."""
    bench = BotBench()
    bench.hold()
    for order in list(bench.broker.books.values()):
        if order.status.is_live:
            bench.broker.cancel(order.broker_order_id)
    bench.broker.fills_on_submit = True
    types = []
    bench.look()
    for refusals in (REFUSED, REFUSED, None):
        bench.broker.next_outcome = refusals
        bench.carry_out(bench.decide())
        types.append(bench.broker.submitted[-1].type)

    bench.turn()

    assert types == [OrderType.LIMIT, OrderType.TRAILING_STOP, OrderType.MARKET]
    assert bench.state.positions == {}
    assert bench.broker.held == {}


def test_plan_when_the_market_has_passed_the_stop_then_the_position_is_sold() -> None:
    """A stop above the market would be refused: what it should have sold is sold."""
    bench = BotBench()
    bench.hold()
    for order in list(bench.broker.books.values()):
        if order.status.is_live:
            bench.broker.cancel(order.broker_order_id)
    bench.broker.trade("AAPL", "98.50")

    bench.turn()

    assert bench.broker.submitted[-1].type is OrderType.MARKET
    assert bench.broker.held == {}
    assert bench.state.positions == {}


def test_plan_when_protection_is_of_unknown_outcome_then_nothing_is_sent_beside_it() -> None:
    """An OCO that may exist is waited for, never doubled under a new id."""
    bench = BotBench()
    bench.hold()
    for order in list(bench.broker.books.values()):
        if order.status.is_live:
            bench.broker.cancel(order.broker_order_id)
    bench.broker.next_outcome = Unknown("timeout")
    bench.turn()
    sent = len(bench.broker.submitted)

    bench.turn()

    assert len(bench.broker.submitted) == sent
    assert kinds(bench) == [PlanKind.PROTECT]


# --- exits


def old_position(bench: BotBench) -> str:
    """Hold a position for longer than the strategy wants."""
    own_id = bench.hold()
    bench.pass_time(MomentumParameters().hold_minutes_max * 60)
    bench.look()
    return own_id


def with_buffer(bench: BotBench) -> Decision:
    """Decide with bars at hand, so that exit rules can speak."""
    facts = bench.facts()
    buffers = {"AAPL": buffer_of(bars_of_closes([100.0] * 40))}
    return plan_follow_up(replace(facts, market=replace(facts.market, buffers=buffers)))


def test_plan_when_a_position_is_held_too_long_then_its_target_becomes_marketable() -> None:
    """The target leg is PATCHed, the stop stays until the limit fills (rule 5)."""
    bench = BotBench()
    own_id = old_position(bench)

    decision = with_buffer(bench)

    (send,) = decision.exits
    assert send.request.replaces == bench.broker.by_client_id(own_id).broker_order_id + "t"  # type: ignore[union-attr] # placed above
    assert send.request.limit_price is not None
    assert Decimal(99) < send.request.limit_price < Decimal(100)
    assert decision.cancels == ()
    bench.carry_out(decision)
    bench.broker.trade("AAPL", "100")
    bench.turn()
    assert bench.state.positions == {}
    assert bench.state.trade_history[-1].exit_reason.startswith("time")


def test_plan_when_the_patch_is_refused_then_legs_are_cancelled_and_shares_sold() -> None:
    """The plan CLOSE follows: cancel, confirmed, sell what the broker says is there."""
    bench = BotBench()
    old_position(bench)
    bench.broker.next_outcome = REFUSED
    bench.carry_out(with_buffer(bench))

    decisions = bench.turn()

    assert len([cancel for decision in decisions for cancel in decision.cancels]) == 1
    assert bench.broker.submitted[-1].type is OrderType.MARKET
    assert bench.broker.held == {}
    assert bench.state.plans == ()


def test_plan_when_the_account_is_suspended_then_protection_is_never_cancelled() -> None:
    """Without the right to sell, the stop is all there is (rule 5)."""
    bench = BotBench()
    bench.hold()
    bench.flatten, bench.account_suspended = "operator: drill", True

    decisions = bench.turn()

    assert all(decision.cancels == () for decision in decisions)
    assert is_protected(bench)


def test_plan_when_all_must_be_closed_then_every_position_is_flat_and_nothing_rests() -> None:
    """Flatten closes every position of ours, in every trading state."""
    bench = BotBench()
    bench.hold(10, "AAPL")
    bench.hold(5, "MSFT")
    bench.flatten, bench.trading_state = "operator: drill", TradingState.HALTED

    bench.turn()
    bench.turn()

    assert bench.state.positions == {}
    assert bench.broker.held == {}
    assert not any(order.status.is_live for order in bench.broker.books.values())


@pytest.mark.parametrize("state", [TradingState.HALTED])
def test_plan_when_halted_then_no_strategy_closes_anything(state: TradingState) -> None:
    """HALTED keeps protection and closes only on command (rule 20)."""
    bench = BotBench()
    old_position(bench)
    bench.trading_state = state

    assert with_buffer(bench) == Decision()


def test_plan_when_positions_cannot_be_read_then_nothing_is_sold_blindly() -> None:
    """A failed read is not flat, and no quantity is invented."""
    bench = BotBench(is_open=False)
    bench.hold()
    bench.flatten = "operator: drill"
    bench.turn(rounds=1)
    bench.look()
    broker_qty = bench.broker.held["AAPL"].qty
    bench.broker.held["AAPL"] = replace(bench.broker.held["AAPL"], qty=Decimal(7))

    decision = bench.decide()

    assert broker_qty == 10
    assert [send.request.qty for send in decision.exits] == [Decimal(7)]


def test_plan_when_exit_at_close_then_positions_are_left_before_the_session_ends() -> None:
    """EXIT_AT_CLOSE leaves everything five minutes before the end."""
    bench = BotBench(policy=replace(POLICY, exit_at_close=True))
    bench.hold()
    bench.pass_time((NOON.replace(hour=20, minute=54, second=59) - NOON).total_seconds())
    assert bench.decide().exits == ()
    bench.pass_time(1)

    assert len(bench.decide().exits) == 1
