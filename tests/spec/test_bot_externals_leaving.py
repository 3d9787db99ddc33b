"""Leaving external shares: only on command, only with the flag (ORDER_PATH.md rule 22)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.trading_bot.close_result import is_done_unseen
from services.trading_bot.pending import Pending
from services.trading_bot.plan import plan_break_glass
from services.trading_bot.unseen import is_closed_unseen
from shared.errors import FailureClass
from shared.models.broker import CloseOutcome, Rejected, Unknown
from shared.models.commands import Command, CommandName
from shared.models.externals import EXTERNAL
from shared.models.ids import parse_own_id
from shared.models.orders import (
    OrderType,
)
from shared.models.trading_state import TradingState
from tests.support.bot_bench import BotBench
from tests.support.external_bench import KEY, a_bench, by_hand, hold_external
from tests.support.spoken_command import spoken

REFUSED = Rejected(FailureClass.RISK, "403", "insufficient qty available")


def the_stop() -> Command:
    """An emergency stop that closes whatever the account holds."""
    return spoken(CommandName.EMERGENCY_STOP, flatten=True, include_external=True)


def test_stop_when_externals_are_included_then_only_two_empty_lists_in_a_row_confirm_it() -> None:
    """One may be a broker's late book (rule 8)."""
    bench = BotBench()
    pending = Pending(the_stop(), 0.0)
    seen = []
    for qty in ("", "10", "", ""):
        bench.broker.held.clear()
        if qty:
            hold_external(bench, qty)
        seen.append(pending.confirmed(bench.facts()) is not None)

    assert seen == [False, False, False, True]


def test_flatten_when_externals_are_not_included_then_they_stay() -> None:
    """`--flatten` alone closes what is ours."""
    bench = a_bench(adopts=False)
    bench.hold()
    bench.flatten = "operator: drill"

    bench.turn()

    assert bench.broker.held.keys() == {"GOOG"}


@pytest.mark.parametrize("trading_state", list(TradingState))
def test_flatten_when_externals_are_included_then_each_leaves_by_an_order_of_its_own(
    trading_state: TradingState,
) -> None:
    """Our stop and the orders of others that hold the shares go first; only theirs, one by one."""
    bench = a_bench()
    bench.trading_state = trading_state
    bench.hold()
    by_hand(bench, "4")
    bench.turn()
    bench.broker.prices["GOOG"] = Decimal(200)
    bench.flatten, bench.flatten_externals = "operator: drill", True

    bench.turn()

    assert bench.broker.held == {}
    assert bench.broker.asked_to_close == []
    (sale,) = [one for one in bench.broker.submitted if one.type is OrderType.MARKET]
    parts = parse_own_id(sale.client_order_id)
    assert parts is not None
    assert (sale.symbol, sale.qty, parts.strategy) == ("GOOG", Decimal(10), EXTERNAL)
    assert all(not one.status.is_live for one in bench.broker.books.values())
    bench.turn()
    bench.reconcile()
    assert bench.state.plans == ()
    assert [trade.symbol for trade in bench.state.trade_history] == ["AAPL"]


def test_flatten_when_the_sale_of_externals_is_unknown_then_it_is_not_sent_twice() -> None:
    """The same rule as for ours: no second sale before the first one's outcome is known."""
    bench = a_bench(adopts=False)
    bench.flatten, bench.flatten_externals = "operator: drill", True
    bench.broker.fills_on_submit = False
    bench.broker.lose_reply = True

    for _ in range(3):
        bench.turn()
        bench.pass_time(5)

    assert len(bench.broker.submitted) == 1


@pytest.mark.parametrize("included", [False, True])
def test_break_glass_when_nothing_can_be_read_then_externals_close_only_with_the_flag(
    *, included: bool
) -> None:
    """DELETE of the position, judged by its status code alone: 404 twice is flat."""
    bench = a_bench()
    bench.turn()
    bench.broker.prices["GOOG"] = Decimal(200)
    bench.flatten, bench.flatten_externals = "operator: drill", included
    bench.go_blind()

    for _ in range(6):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(5)

    assert (bench.broker.held == {}) is included
    assert is_closed_unseen(bench.state, KEY) is included
    assert len(bench.broker.asked_to_close) == (3 if included else 0)
    assert is_done_unseen(the_stop(), "", bench.state) is included
    bench.see_again()
    bench.reconcile()
    bench.turn()
    assert bench.state.trade_history == ()
    assert bench.state.plans == ()


@pytest.mark.parametrize(("answer", "asked"), [(None, 1), (Unknown("lost"), 1), (REFUSED, 4)])
def test_break_glass_when_externals_lie_beside_ours_then_only_our_number_is_asked_for(
    answer: CloseOutcome | None, asked: int
) -> None:
    """Without the flag the broker closes as many as are ours, and is never asked for them twice
    unless it refused: a second sale would be of shares that are not ours.
    """
    bench = BotBench()
    key = bench.hold(qty=10)
    bench.broker.held["AAPL"] = replace(bench.broker.held["AAPL"], qty=Decimal(15))
    bench.reconcile()
    bench.reconcile()
    bench.flatten = "operator: drill"
    bench.broker.close_answer = answer
    bench.go_blind()

    for _ in range(5):
        bench.carry_out(plan_break_glass(bench.facts()))
        bench.pass_time(5)

    assert len(bench.broker.asked_to_close) == asked
    assert bench.broker.held["AAPL"].qty == (5 if answer is None else 15)
    assert is_closed_unseen(bench.state, key) is (answer is None)
