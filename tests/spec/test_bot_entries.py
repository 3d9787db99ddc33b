"""The way in: when a breakout becomes an entry, and when it never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.trading_bot.decision import Decision
from services.trading_bot.guard_facts import exposure
from services.trading_bot.plan import plan_turn
from shared.errors import FailureClass
from shared.models.broker import Rejected
from shared.models.orders import OrderClass, OrderType
from shared.models.portfolio import Position
from shared.models.trading_state import TradingState
from tests.support.bars import FIRST_BAR, bars_of_closes, buffer_of, flat_then_breakout
from tests.support.bot_bench import BotBench

pytestmark = pytest.mark.unit

REFUSED = Rejected(FailureClass.RISK, "40310000", "potential wash trade detected")


def breakout_facts(bench: BotBench) -> Decision:
    """Decide at a moment when AAPL breaks out."""
    candles = bars_of_closes(flat_then_breakout(1.5))
    now = candles[-1].start + timedelta(minutes=1)
    bench.pass_time((now - bench.now).total_seconds())
    bench.broker.prices["AAPL"] = candles[-1].close
    facts = bench.facts()
    facts = replace(facts, market=replace(facts.market, buffers={"AAPL": buffer_of(candles)}))
    return plan_turn(facts)


def test_plan_when_a_breakout_comes_then_one_bracket_sized_by_the_limits() -> None:
    """A bracket, GTC, marketable, with stop and target; never more than the position limit."""
    bench = BotBench(now=FIRST_BAR)

    decision = breakout_facts(bench)

    (send,) = decision.entries
    request = send.request
    assert (request.order_class, request.type) == (OrderClass.BRACKET, OrderType.LIMIT)
    assert request.limit_price is not None
    assert request.stop_loss_price is not None
    assert request.take_profit_price is not None
    assert request.stop_loss_price < request.limit_price < request.take_profit_price
    assert request.qty * request.limit_price <= Decimal(5_000)
    assert [result.gate for result in decision.gates if not result.passed] == []
    assert [note.event for note in decision.notes] == ["signal_won", "entry_decided"]


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_plan_when_trading_is_held_back_then_no_strategy_is_asked(state: TradingState) -> None:
    """Only ACTIVE enters."""
    assert breakout_facts(BotBench(now=FIRST_BAR, trading_state=state)).entries == ()


def test_plan_when_the_market_is_closed_then_no_entry() -> None:
    """Entries are for the regular session."""
    assert breakout_facts(BotBench(now=FIRST_BAR, is_open=False)).entries == ()


def test_plan_when_an_entry_was_decided_then_the_same_signal_never_enters_again() -> None:
    """An entry decision is sent at most once, whatever became of it (rule 7)."""
    bench = BotBench(now=FIRST_BAR)
    (send,) = breakout_facts(bench).entries
    bench.broker.next_outcome = REFUSED
    bench.send(send)

    assert breakout_facts(bench).entries == ()


def test_plan_when_the_limits_leave_a_crumb_then_no_entry() -> None:
    """An entry far below a full position is not worth its slot, and the log says so."""
    bench = BotBench(now=FIRST_BAR)
    bench.broker.cash = Decimal(70_010)
    price = Decimal(100)
    bench.broker.held["MSFT"] = Position("MSFT", Decimal(299), price, current_price=price)

    decision = breakout_facts(bench)

    assert decision.entries == ()
    assert decision.notes[-1].event == "entry_too_small"


def test_plan_when_a_position_has_no_price_then_nothing_is_entered_and_it_is_said() -> None:
    """What it is worth now is unknown: the price once paid for it stands in for display only."""
    bench = BotBench(now=FIRST_BAR)
    bench.broker.held["MSFT"] = Position("MSFT", Decimal(1), Decimal(100))

    decision = breakout_facts(bench)

    assert decision.entries == ()
    assert decision.notes[-1].event == "entry_unsized"
    assert exposure(bench.facts(), "AAPL") == 0
    assert exposure(bench.facts(), None) is None
