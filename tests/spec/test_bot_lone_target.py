"""A stop ends and its target stays: that holds the shares, protects none, and must go first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.trading_bot.coverage import coverage
from shared.models.orders import OrderRole, OrderStatus, OrderType
from tests.support.venue_bench import SYMBOL, VenueBench

pytestmark = pytest.mark.unit

TURNS_MAX = 3


def end_stop(bench: VenueBench, own_id: str, status: OrderStatus, **changes: object) -> None:
    """Let the broker end the stop leg alone."""
    for leg in bench.exchange.legs_of(own_id):
        if leg.type is OrderType.STOP and leg.status.is_live:
            ended = replace(leg, status=status, updated_at=bench.now, **changes)  # type: ignore[arg-type]
            bench.venue.books.put(ended)


def turns(bench: VenueBench, count: int) -> None:
    """Let turns pass at a still market."""
    for _ in range(count):
        bench.pass_time(1)
        bench.trade("100")
        bench.live_turn()


def is_covered(bench: VenueBench) -> bool:
    """Whether all ten shares are held and have their stop."""
    row = coverage(bench.state, bench.now)[SYMBOL]
    return row.is_covered and row.open_qty == bench.exchange.held[SYMBOL].qty == 10


@pytest.mark.parametrize(
    "status", [OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELED]
)
def test_stop_when_it_alone_ends_then_its_target_goes_and_a_whole_group_stands(
    status: OrderStatus,
) -> None:
    """The guard lets no second exit pass beside the target, so that would be naked for ever."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    end_stop(bench, own_id, status)

    turns(bench, TURNS_MAX)

    assert is_covered(bench)
    assert bench.state.plans == ()
    live = [one for one in bench.state.orders.group(own_id) if one.status.is_live]
    assert sorted(one.role for one in live) == [OrderRole.STOP, OrderRole.TARGET]
    assert bench.denied == []


def test_stop_when_that_of_new_protection_ends_at_once_then_another_kind_protects() -> None:
    """An OCO that was accepted and lost its stop is no protection either."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    end_stop(bench, own_id, OrderStatus.REJECTED)
    turns(bench, TURNS_MAX)
    (oco,) = (one for one in bench.exchange.submitted if one.client_order_id != own_id)
    end_stop(bench, oco.client_order_id, OrderStatus.REJECTED)

    turns(bench, TURNS_MAX)

    assert is_covered(bench)
    assert bench.state.plans == ()


def test_stop_when_its_successor_is_not_seen_yet_then_the_group_stays() -> None:
    """A replaced stop has not ended; to cancel its group would take the new one, too."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    end_stop(bench, own_id, OrderStatus.REPLACED, replaced_by="somebody-unseen")

    turns(bench, 1)

    assert bench.exchange.cancelled == []
