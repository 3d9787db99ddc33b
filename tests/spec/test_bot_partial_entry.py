"""A partly filled entry stands without a stop: its rest gets two seconds, then it is protected."""

from __future__ import annotations

import pytest

from shared.errors import FailureClass
from shared.models.broker import CancelOutcome, Rejected, Unknown
from shared.models.orders import OrderRole, OrderType
from shared.models.plans import PlanKind
from shared.models.trading_state import TradingState
from tests.support.bot_bench import NOON, BotBench
from tests.support.builders import D
from tests.support.fake_broker import FakeBroker


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


class _DeafBroker(FakeBroker):
    """Takes the first cancellation without any effect, as when the request was lost."""

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        if self.cancelled:
            return super().cancel(broker_order_id)
        self.cancelled.append(broker_order_id)
        return Unknown("the request was lost")


def test_partial_entry_when_the_cancellation_never_arrives_then_it_is_asked_again_at_once() -> None:
    """An order that still works, and is not even being cancelled, did not hear us: its shares must
    not wait naked for the answer's whole patience.
    """
    bench = BotBench(broker=_DeafBroker(NOON))
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 4, "100")
    bench.pass_time(3)
    bench.turn()
    assert len(bench.broker.cancelled) == 1

    bench.pass_time(1)
    bench.turn()

    assert len(bench.broker.cancelled) == 2
    assert [each.qty for each in bench.broker.submitted[1:]] == [4]
    assert bench.state.plans == ()


def test_partial_entry_when_its_protection_is_lost_and_the_stop_is_passed_then_it_is_sold() -> None:
    """Sent again, the protection would be refused; its looks alone would take two minutes."""
    bench = BotBench()
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 4, "100")
    bench.pass_time(3)
    bench.broker.next_outcome = Unknown("the request was lost")
    bench.turn()
    bench.broker.prices["AAPL"] = D("98")

    bench.turn()

    assert bench.broker.held == {}
    assert bench.state.positions == {}


def test_partial_entry_when_a_trailing_stop_takes_the_place_then_its_distance_is_in_cents() -> None:
    """The broker refuses a sub-penny distance, however small it is."""
    bench = BotBench()
    own_id = bench.enter(qty=10)
    bench.broker.fill(own_id, 4, "100")
    bench.pass_time(3)
    bench.broker.prices["AAPL"] = D("99.2793")
    bench.broker.next_outcome = Rejected(FailureClass.RISK, "refused", "no OCO")

    bench.turn()

    (trailing,) = [each for each in bench.broker.submitted if each.type is OrderType.TRAILING_STOP]
    assert trailing.stop_price == D("0.27")
