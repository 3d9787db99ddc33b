"""A raise that the guard denies is not asked for again at every turn."""

from __future__ import annotations

import pytest

from shared.models.plans import PlanKind
from tests.support.builders import D
from tests.support.trail_bench import RULES, TrailBench

pytestmark = pytest.mark.unit


def denied_bench() -> TrailBench:
    """A bench that has just been denied a raise to 102.99."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.account_matches = False
    bench.live_turn()
    bench.pass_time(5)
    bench.live_turn()
    assert [denied.request.stop_price for denied in bench.denied] == [D("102.99")]
    return bench


def test_raise_when_the_guard_denied_it_then_it_is_asked_again_after_its_interval_only() -> None:
    """Once a minute, as a raise that went through, instead of at every turn."""
    bench = denied_bench()
    for _ in range(10):
        bench.pass_time(5)
        bench.live_turn()
    assert len(bench.denied) == 1

    bench.pass_time(RULES.trail_every.total_seconds())
    bench.live_turn()
    assert len(bench.denied) == 2
    assert not [plan for plan in bench.state.plans if plan.kind is PlanKind.TRAIL and plan.attempts]


@pytest.mark.parametrize(("price", "asks"), [("105.10", False), ("105.30", True), ("104.70", True)])
def test_raise_when_what_is_wanted_moved_by_a_step_then_it_is_asked_again_at_once(
    price: str, asks: bool
) -> None:
    """Another price is another question; less than a step is the same one."""
    bench = denied_bench()

    bench.trade(price)
    bench.live_turn()

    assert len(bench.denied) == (2 if asks else 1)


def test_raise_when_the_guard_approves_again_then_the_stop_moves_after_the_interval() -> None:
    """Nothing is forgotten by waiting."""
    bench = denied_bench()
    bench.account_matches = True

    bench.pass_time(RULES.trail_every.total_seconds())
    bench.live_turn()

    assert bench.exchange.submitted[-1].stop_price == D("102.99")
