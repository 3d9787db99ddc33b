"""Orders get lost on their way to a broker who can be read: how soon shares are protected again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.trading_bot.coverage import coverage
from shared.models.orders import OrderClass
from tests.support.venue_bench import LOST_BEFORE, SYMBOL, WHOLE, VenueBench

pytestmark = pytest.mark.unit

TURN_S = 2
NAKED_TURNS_MAX = 3
"""Five seconds, and the turn in which the broker takes orders again."""


def naked_bench(wire: Callable[[], str]) -> VenueBench:
    """Hold a position whose stop has just gone, behind such a wire."""
    bench = VenueBench()
    own_id = bench.hold_bracket()
    bench.venue.cancel(bench.exchange.legs_of(own_id)[0])
    bench.exchange.wire = wire
    return bench


def covered_after(bench: VenueBench, turns_max: int) -> int:
    """Return how many turns it took until every share had its stop."""
    for turn in range(turns_max):
        bench.pass_time(TURN_S - 1)
        bench.trade("100")
        bench.live_turn()
        if coverage(bench.state, bench.now)[SYMBOL].is_covered:
            return turn + 1
    raise AssertionError("still naked")


@pytest.mark.parametrize("away_s", [4, 14, 30, 90, 300])
def test_protection_when_orders_were_lost_for_a_while_then_it_stands_seconds_after_that(
    away_s: int,
) -> None:
    """It is sent again as long as it is unknown (rule 10): 120 s of looks would be 120 s naked."""
    words = [LOST_BEFORE]
    bench = naked_bench(lambda: words[0])
    with pytest.raises(AssertionError, match="still naked"):
        covered_after(bench, away_s // TURN_S)

    words[0] = WHOLE

    assert covered_after(bench, NAKED_TURNS_MAX) <= NAKED_TURNS_MAX
    assert len(bench.exchange.held) == 1


def test_protection_when_one_kind_is_lost_again_and_again_then_another_kind_protects() -> None:
    """A broker who drops one form of order may take the next; both can never hold the shares."""
    bench = naked_bench(lambda: WHOLE)

    def wire() -> str:
        is_oco = bench.exchange.submitted[-1].order_class is OrderClass.OCO
        return LOST_BEFORE if is_oco else WHOLE

    bench.exchange.wire = wire

    assert covered_after(bench, 10) <= 10
    assert len(bench.exchange.held) == 1


def test_protection_when_its_shares_have_gone_meanwhile_then_it_is_sent_no_more() -> None:
    """Nothing is left to protect, and entries everywhere wait for its looks to end."""
    bench = naked_bench(lambda: LOST_BEFORE)
    with pytest.raises(AssertionError, match="still naked"):
        covered_after(bench, 10)
    bench.venue.send(symbol=SYMBOL, qty="10", side="sell", type="market", time_in_force="day")
    bench.trade("100")
    bench.live_turn()
    bench.live_turn()
    assert SYMBOL not in bench.state.positions
    before = len(bench.exchange.submitted), len(bench.denied)

    for _ in range(150 // TURN_S):
        bench.pass_time(TURN_S - 1)
        bench.trade("100")
        bench.live_turn()

    assert (len(bench.exchange.submitted), len(bench.denied)) == before
    assert bench.state.unknown_outcomes == {}
    assert bench.state.plans == ()
