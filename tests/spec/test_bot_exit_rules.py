"""The rules of leaving and trailing at their edges: no raise is lower, stale or out of place."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.exits import raised_stop, stop_leg
from shared.models.exits import ExitRules
from shared.models.market import Quote
from shared.models.orders import Order
from tests.support.builders import D
from tests.support.trail_bench import TRAILING, TrailBench
from tests.support.venue_bench import SYMBOL

pytestmark = pytest.mark.unit

PRICES = st.sampled_from([D("NaN"), D("Infinity"), D(0), D(-5), D("1e30"), D(10) ** 12]) | (
    st.decimals(min_value=D("0.01"), max_value=D(200), places=2)
)


def rule_on(leg_stop: Decimal, target: Decimal | None, bid: Decimal, atr: Decimal) -> Any:
    """Ask the pure rule about one position, leg, bid and range."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.pass_time(100)
    bench.atr = atr
    facts = bench.facts()
    leg = stop_leg(bench.state.positions[SYMBOL], facts)
    assert isinstance(leg, Order)
    if bid.is_finite() and bid > 0:
        quote = Quote(SYMBOL, bench.now, bid, bid)
        facts = replace(facts, market=replace(facts.market, quotes={SYMBOL: quote}))
    else:
        facts = replace(facts, market=replace(facts.market, quotes={}))
    held = replace(bench.state.positions[SYMBOL], target_price=target)
    return raised_stop(held, replace(leg, stop_price=leg_stop), facts)


@settings(max_examples=60, deadline=None)
@given(
    leg_stop=st.decimals(min_value=D("0.01"), max_value=D(200), places=2),
    target=st.none() | st.decimals(min_value=D("0.01"), max_value=D(250), places=2),
    bid=PRICES,
    atr=st.decimals(min_value=D("0.01"), max_value=D(90), places=4),
)
def test_rule_when_numbers_are_anything_then_a_raise_is_higher_finite_and_takeable(
    leg_stop: Decimal, target: Decimal | None, bid: Decimal, atr: Decimal
) -> None:
    """Never lower, never NaN, a step and a cent at least, a cent below the bid and the target."""
    wanted = rule_on(leg_stop, target, bid, atr)

    if wanted is not None:
        assert wanted.is_finite()
        assert wanted >= leg_stop + max(D("0.01"), atr * D("0.25") - D("0.000001"))
        assert wanted <= bid - D("0.01")
        assert target is None or wanted <= target - D("0.01")
        assert wanted == wanted.quantize(D("0.01") if wanted >= 1 else D("0.0001"))


@pytest.mark.parametrize("age_s", [-1, 121])
def test_rule_when_the_bid_is_stale_or_from_the_future_then_nothing_moves(age_s: int) -> None:
    """A stop is not raised on a price that the guard would not take."""
    bench = TrailBench()
    bench.hold_bracket()
    bench.rise("105")
    bench.look()
    facts = bench.facts()
    at = bench.now - timedelta(seconds=age_s)
    quote = Quote(SYMBOL, at, D("104.99"), D("105.01"))
    facts = replace(facts, market=replace(facts.market, quotes={SYMBOL: quote}))
    held = bench.state.positions[SYMBOL]
    leg = stop_leg(held, facts)

    assert leg is not None
    assert raised_stop(held, leg, facts) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"trail_atr_multiple": float("nan")},
        {"trail_atr_multiple": 0.0},
        {"trail_atr_bars": 0},
        {"trail_step_atr": -1.0},
        {"trail_every": timedelta(0)},
        {"hold_max": timedelta(seconds=-1)},
    ],
)
def test_rules_when_a_number_means_nothing_then_they_cannot_be_made(
    changes: dict[str, Any],
) -> None:
    """A rule that is no rule is found at the start, not at an exit."""
    with pytest.raises(ValueError, match=next(iter(changes))):
        ExitRules(**changes)


def test_exit_when_the_position_was_held_for_its_time_then_it_is_left() -> None:
    """The time exit of the rules, beside the strategy's own."""
    rules = {"momentum": ExitRules(hold_max=timedelta(minutes=7))}
    bench = TrailBench(policy=replace(TRAILING, exit_rules=rules, strategies={}))
    bench.hold_bracket()
    bench.pass_time(6 * 60)
    assert bench.decide().exits == ()

    bench.pass_time(61)
    bench.look()

    (send,) = bench.decide().exits
    assert send.request.reason.startswith("time: held 7 min")
