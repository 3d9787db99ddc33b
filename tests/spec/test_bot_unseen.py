"""When the broker's positions, or all of its lists, cannot be read: rules 5 and 22."""

from __future__ import annotations

import pytest

from services.trading_bot.plan import plan_break_glass
from services.trading_bot.unseen import is_closed_unseen
from shared.models.broker import CloseRequested, NoPosition
from shared.models.orders import OrderRole, OrderStatus
from shared.models.plans import PlanKind
from shared.models.trading_state import TradingState
from tests.support.bot_bench import BotBench


def roles(bench: BotBench) -> list[tuple[OrderRole, OrderStatus]]:
    """Every order that still works, by role."""
    return [(order.role, order.status) for order in bench.state.orders.live()]


@pytest.mark.parametrize("trading_state", list(TradingState))
def test_exit_when_positions_cannot_be_read_then_the_broker_closes_by_its_own_computation(
    trading_state: TradingState,
) -> None:
    """REDUCE without a fresh position is DELETE of the position, once its legs are gone."""
    bench = BotBench(trading_state=trading_state, positions_readable=False)
    bench.hold()
    bench.flatten = "operator: drill"

    decisions = bench.turn()

    assert all(decision.exits == () for decision in decisions)
    assert [close.symbol for each in decisions for close in each.closes] == ["AAPL"]
    assert bench.broker.held == {}
    assert bench.state.positions == {}
    assert bench.state.plans == ()
    assert bench.state.pnl.trades == 1


def test_exit_when_the_close_is_not_taken_then_it_is_asked_again_and_never_doubled() -> None:
    """Each ask is recorded first and waits for its patience; what the broker holds bounds it."""
    bench = BotBench(positions_readable=False)
    bench.hold()
    bench.flatten = "operator: drill"
    bench.broker.closes_refused = 1

    bench.turn()
    at_once = bench.turn()
    bench.pass_time(2)
    bench.turn()

    assert all(decision.closes == () for decision in at_once)
    assert bench.broker.asked_to_close == ["AAPL", "AAPL"]
    assert bench.broker.held == {}


def test_protection_when_positions_cannot_be_read_then_it_goes_by_the_last_known_quantity() -> None:
    """PROTECT does not wait for a reading: the broker refuses an excess itself."""
    bench = BotBench(positions_readable=False)
    bench.hold()
    bench.broker.fills_on_submit = False
    stop = next(each for each in bench.state.orders.values() if each.role is OrderRole.STOP)
    bench.broker.cancel(stop.broker_order_id or "")

    decisions = bench.turn()

    assert [send.request.qty for each in decisions for send in each.protective] == [10]
    assert (OrderRole.STOP, OrderStatus.HELD) in roles(bench)


def test_replacement_when_positions_become_unreadable_then_the_position_is_closed_instead() -> None:
    """A PATCH is judged by the fresh quantity; without one the broker computes it."""
    bench = BotBench()
    bench.hold()
    bench.flatten = "operator: drill"
    bench.book(*bench.decide().bookings)
    assert [plan.kind for plan in bench.state.plans] == [PlanKind.REPLACE]
    bench.positions_readable = False

    bench.turn()

    assert bench.broker.held == {}


def test_entries_when_positions_cannot_be_read_then_none_is_sent() -> None:
    """What cannot be read denies an entry before it is thought of."""
    bench = BotBench(positions_readable=False)

    assert bench.decide().entries == ()


def test_break_glass_when_contracts_forbid_reading_then_legs_go_and_the_broker_closes() -> None:
    """Cancel by id, then DELETE of the position, judged by the status code: 404 twice is flat."""
    bench = BotBench(trading_state=TradingState.HALTED)
    key = bench.hold()
    bench.flatten = "operator: drill"
    bench.go_blind()
    words = []
    for _ in range(5):
        decision = plan_break_glass(bench.facts())
        words.append((len(decision.cancels), len(decision.closes)))
        bench.carry_out(decision)
        bench.pass_time(5)

    assert words == [(1, 0), (0, 1), (0, 1), (0, 1), (0, 0)]
    assert bench.broker.held == {}
    assert is_closed_unseen(bench.state, key)
    assert bench.state.positions != {}, "no fill is made up while nothing can be read"


def test_break_glass_when_reading_comes_back_then_the_close_is_booked() -> None:
    """The broker's own order, never seen before, becomes the exit of the position."""
    bench = BotBench(trading_state=TradingState.HALTED)
    bench.hold()
    bench.flatten = "operator: drill"
    bench.go_blind()
    for _ in range(5):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(5)

    bench.see_again()
    bench.reconcile()
    bench.turn()

    assert bench.state.positions == {}
    assert bench.state.plans == ()
    assert bench.state.pnl.trades == 1


def test_break_glass_when_nobody_asked_for_it_then_protection_stays() -> None:
    """HALTED closes only on command: working entries go, stops stay."""
    bench = BotBench(trading_state=TradingState.HALTED)
    bench.hold()
    waiting = bench.enter(symbol="MSFT")
    bench.go_blind()

    decision = plan_break_glass(bench.facts())

    assert [cancel.client_order_id for cancel in decision.cancels] == [waiting]
    assert decision.closes == ()


def test_break_glass_when_the_account_is_suspended_then_protection_is_never_cancelled() -> None:
    """A suspended account could not sell, and its stop would be gone (rule 5)."""
    bench = BotBench(trading_state=TradingState.HALTED, account_suspended=True)
    bench.hold()
    bench.flatten = "operator: drill"
    bench.go_blind(account_too=False)

    decision = plan_break_glass(bench.facts())

    assert decision.cancels == ()
    assert decision.closes == ()


def test_break_glass_when_another_plan_runs_then_the_operator_comes_first() -> None:
    """An exit by PATCH, or a protection that cannot be confirmed, holds no flatten back."""
    bench = BotBench(trading_state=TradingState.HALTED)
    bench.hold()
    bench.flatten = "operator: drill"
    bench.book(*bench.decide().bookings)
    bench.go_blind()

    for _ in range(3):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(5)

    assert bench.broker.held == {}


def test_close_when_answered_then_only_two_words_of_none_make_it_flat() -> None:
    """A taken request is no flat position, and one 404 may be a late book (rule 8)."""
    bench = BotBench(trading_state=TradingState.HALTED)
    key = bench.hold()
    bench.flatten = "operator: drill"
    bench.go_blind()
    seen = []
    for answer in (None, CloseRequested(None), NoPosition(), NoPosition()):
        bench.broker.close_answer = answer
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(5)
        seen.append(is_closed_unseen(bench.state, key))

    assert seen == [False, False, False, True]
