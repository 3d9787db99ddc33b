"""Coverage, states and leaving, rule by rule (ORDER_PATH.md 3, 4, 5, 8, 20 and 22)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.trading_bot.coverage import coverage
from services.trading_bot.decision import BrokerClose
from services.trading_bot.guard_facts import System, guard_facts
from services.trading_bot.plan import plan_break_glass
from services.trading_bot.plan_steps import start_plan
from services.trading_bot.sends import entry_send
from services.trading_bot.unseen import close_events
from shared.errors import FailureClass
from shared.events.types import PlanStarted, PlanStepped
from shared.models.broker import CloseOutcome, NoPosition, Rejected, Unknown
from shared.models.orders import OrderClass, OrderRole, OrderStatus, Purpose
from shared.models.plans import PlanKind
from shared.models.trading_state import TradingState
from tests.support.bot_bench import POLICY, BotBench, a_signal
from tests.support.builders import NOON, D, an_exit
from tests.support.venue_bench import SYMBOL, VenueBench

pytestmark = pytest.mark.unit

NEAR_THE_CLOSE_S = 4 * 3_600 - 120
"""From noon in New York to two minutes before the session ends."""


# --- rules 3 and 8: what covers


def test_coverage_when_a_stop_is_partly_filled_then_only_its_rest_counts() -> None:
    """Shares that came after the stop's own are naked."""
    bench = BotBench()
    bench.hold(10)
    (stop,) = [one for one in bench.state.orders.values() if one.role is OrderRole.STOP]
    partly = replace(stop, filled_qty=D(4), filled_avg_price=D(98), filled_at=bench.now)
    state = replace(bench.state, orders=bench.state.orders.put(partly))

    row = coverage(state)["AAPL"]

    assert (row.stop_qty, row.gap_qty) == (D(6), D(4))


def test_coverage_when_a_market_exit_is_queued_then_its_shares_count_as_covered() -> None:
    """A close out of session waits for the next one, and is on its way out (rule 8)."""
    bench = BotBench()
    bench.hold(10)
    held = bench.state.positions["AAPL"]
    gone = [replace(one, status=OrderStatus.CANCELED) for one in bench.state.orders.live()]
    queued = replace(
        an_exit(bench.state.orders[held.position_key], "x"),
        status=OrderStatus.ACCEPTED,
        broker_order_id="b-x",
    )
    state = replace(bench.state, orders=bench.state.orders.put(*gone, queued))

    assert coverage(state)["AAPL"].is_covered


# --- rules 4 and 5: leaving


def leaving(bench: VenueBench, kind: PlanKind, own_id: str) -> None:
    """Begin to leave on an operator's word."""
    why = ("operator: x", "operator")
    bench.book(PlanStarted(start_plan(bench.facts(), kind, own_id, why)))


def test_close_when_the_cancellation_is_not_confirmed_then_its_one_plan_waits() -> None:
    """204 is only a request."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    bench.venue.switch("cancel_lag_s=30")
    leaving(bench, PlanKind.CLOSE, own_id)

    for _ in range(3):
        bench.turn()
        bench.pass_time(0.2)

    assert [plan.step for plan in bench.state.plans] == ["await_cancel"]
    assert len(bench.exchange.submitted) == 1
    assert len(bench.exchange.cancelled) == 1


def test_leaving_when_the_bid_stands_near_the_stop_then_the_limit_stays_above_it() -> None:
    """The broker refuses a target at or below the stop of its own group."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    bench.exchange.prices[SYMBOL] = D("98.20")
    leaving(bench, PlanKind.REPLACE, own_id)

    (patch,) = bench.decide().exits

    assert patch.request.limit_price == D("98.01")


def test_leaving_when_the_target_is_of_an_oto_then_it_is_not_patched() -> None:
    """The legs of an OTO cannot be replaced: the position is closed instead."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    legs = [replace(one, order_class=OrderClass.OTO) for one in bench.state.orders.live()]
    bench.state = replace(bench.state, orders=bench.state.orders.put(*legs))
    leaving(bench, PlanKind.REPLACE, own_id)

    decision = bench.decide()

    assert not decision.exits
    assert decision.cancels


def test_leaving_when_the_account_is_suspended_then_nothing_is_changed_or_cancelled() -> None:
    """Its stop is all that a blocked account has."""
    bench = VenueBench()
    bench.hold_bracket()
    bench.flatten, bench.account_suspended = "operator: drill", True

    decision = bench.decide()

    assert not decision.acts


# --- rules 20 and 22: states, and leaving without sight


@pytest.mark.parametrize("state", list(TradingState))
def test_protection_when_a_stop_is_missing_then_it_goes_out_in_every_state(
    state: TradingState,
) -> None:
    """HALTED closes nothing by itself, and protects all the same (rule 20)."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    bench.trading_state = state
    bench.venue.cancel(bench.exchange.legs_of(own_id)[0])
    bench.look()

    assert [send.request.purpose for send in bench.decide().protective] == [Purpose.PROTECT]


@pytest.mark.parametrize("state", list(TradingState))
def test_guard_when_it_is_asked_then_it_knows_the_trading_state(state: TradingState) -> None:
    """The last check of an entry sees what the plan saw."""
    bench = VenueBench(trading_state=state)
    send = entry_send(bench.state, a_signal(SYMBOL), D(5), bench.now)
    system = System(False, True, True, 0.0, True, True, None, None)

    assert guard_facts(send, bench.facts(), system).trading_state is state


@pytest.mark.parametrize(
    ("state", "leaves"),
    [(TradingState.ACTIVE, True), (TradingState.REDUCING, True), (TradingState.HALTED, False)],
)
def test_leaving_when_the_session_ends_soon_then_every_state_but_halted_leaves(
    state: TradingState, leaves: bool
) -> None:
    """REDUCING keeps the exit rules running (rule 20)."""
    bench = BotBench(policy=replace(POLICY, exit_at_close=True), trading_state=state)
    bench.hold(10)
    bench.pass_time(NEAR_THE_CLOSE_S)

    started = [one for one in bench.decide().bookings if isinstance(one, PlanStarted)]

    assert bool(started) is leaves


def test_break_glass_when_a_strategy_was_leaving_then_its_protection_is_not_cancelled() -> None:
    """Without sight only an operator's word takes stops away (rule 22)."""
    bench = BotBench()
    own_id = bench.hold(10)
    why = ("time: held too long", "strategy")
    bench.book(PlanStarted(start_plan(bench.facts(), PlanKind.CLOSE, own_id, why)))
    bench.go_blind()

    assert not plan_break_glass(bench.facts()).acts


@pytest.mark.parametrize(
    ("outcome", "flat_answers"),
    [(NoPosition(), "1"), (Rejected(FailureClass.RISK, "403", "held"), "0"), (Unknown("x"), "0")],
)
def test_close_when_the_broker_answers_then_only_no_position_is_flat(
    outcome: CloseOutcome, flat_answers: str
) -> None:
    """Judged by the status code alone; a refusal says that shares are there (rule 22)."""
    close = BrokerClose("AAPL", "key", "momentum", "p", "send_exit", 1, 0, "drill")

    (stepped, *_) = close_events(close, outcome, NOON)

    assert isinstance(stepped, PlanStepped)
    assert stepped.facts["flat_answers"] == flat_answers
