"""A partly filled entry stands without a stop: its rest gets two seconds, then it is protected."""

from __future__ import annotations

import pytest

from shared.models.orders import OrderRole
from shared.models.plans import PlanKind
from shared.models.trading_state import TradingState
from tests.support.bot_bench import BotBench


def test_partial_entry_when_further_fills_come_then_the_two_seconds_count_from_the_first() -> None:
    """Rule 2: a trickle of fills must not put the stop off again and again."""
    bench = BotBench()
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 2, "100")
    bench.turn()
    bench.pass_time(1.5)
    bench.broker.fill(own_id, 2, "100")
    bench.turn()
    assert bench.broker.cancelled == []

    bench.pass_time(1)
    bench.turn()

    (protection,) = [each for each in bench.broker.submitted[1:] if each.qty == 4]
    assert protection.stop_loss_price is not None
    assert bench.state.plans == ()


def test_partial_entry_when_it_is_seen_late_then_the_rest_is_cancelled_at_once() -> None:
    """After an outage the broker's own time of the fill counts."""
    bench = BotBench()
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 4, "100")
    bench.pass_time(3)

    bench.turn()

    assert len(bench.broker.cancelled) == 1
    assert bench.state.plans == ()


def test_partial_entry_when_the_rest_fills_in_time_then_nothing_is_cancelled() -> None:
    """The legs of the bracket protect the whole; the plan ends by itself."""
    bench = BotBench()
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 4, "100")
    bench.turn()
    assert [plan.kind for plan in bench.state.plans] == [PlanKind.PARTIAL_ENTRY]
    bench.pass_time(1)
    bench.broker.fill(own_id, 6, "100")

    bench.turn()

    assert bench.state.plans == ()
    assert bench.broker.cancelled == []
    stops = [each for each in bench.state.orders.live() if each.role is OrderRole.STOP]
    assert [stop.qty for stop in stops] == [10]


@pytest.mark.parametrize("trading_state", [TradingState.REDUCING, TradingState.HALTED])
def test_partial_entry_when_trading_is_not_active_then_its_rest_goes_at_once(
    trading_state: TradingState,
) -> None:
    """Rule 1 knows no grace once trading has left ACTIVE, not even for a plan that waits."""
    bench = BotBench()
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 4, "100")
    bench.turn()
    bench.trading_state = trading_state

    bench.turn()

    assert len(bench.broker.cancelled) == 1
