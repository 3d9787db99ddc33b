"""The rules of leaving and trailing at their edges: no raise is lower, stale or out of place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.trading_bot.exits import raised_stop, reason_to_leave, stop_leg
from services.trading_bot.plan import plan_turn
from shared.models.exits import ExitRules
from shared.models.market import Quote
from shared.models.orders import Order
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView
from tests.support.bars import bars_of_closes, buffer_of
from tests.support.bot_bench import POLICY, BotBench
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
        {"decay_half_life": timedelta(0)},
        {"decay_min": 0.0},
        {"decay_min": 1.0},
        {"decay_min": float("nan")},
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


FADING = ExitRules(decay_half_life=timedelta(minutes=15), decay_min=1 / 16)


@example(age_s=3_600.0)
@example(age_s=3_599.0)
@given(age_s=st.floats(-1e6, 1e6))
def test_exit_when_the_signal_has_decayed_then_the_position_is_left_and_not_before(
    age_s: float,
) -> None:
    """Four half-lives leave a sixteenth; a position from the future, or of no known age, stays."""
    bench = BotBench(policy=replace(POLICY, exit_rules={"momentum": FADING}, strategies={}))
    bench.hold()
    (held,) = bench.state.positions.values()
    age = timedelta(seconds=age_s)

    why = reason_to_leave(replace(held, opened_at=bench.now - age), bench.facts())

    assert (why is not None) == (age >= timedelta(hours=1))
    assert why is None or why[0].startswith("decay: its signal is worth ")
    assert reason_to_leave(replace(held, opened_at=None), bench.facts()) is None


class Stumbling:
    """Wants to leave everything, and cannot even judge one of the symbols."""

    name = "momentum"

    def __init__(self, failure: type[Exception]) -> None:
        self._failure = failure

    def decide(self, _: MarketSnapshot, __: PortfolioView) -> Sequence[Signal]:
        return ()

    def exit_reason(self, position: Position, *_: object) -> str | None:
        if position.symbol == "AAPL":
            raise self._failure("a bad position")
        return "time to go"


@pytest.mark.parametrize("failure", [KeyError, ValueError, AttributeError, RuntimeError])
def test_exit_when_one_position_cannot_be_judged_then_the_others_are_left_all_the_same(
    failure: type[Exception],
) -> None:
    """Whatever goes wrong with one is said and stays with it; it keeps its stop."""
    bench = BotBench(policy=replace(POLICY, strategies={"momentum": Stumbling(failure)}))
    for symbol in ("AAPL", "MSFT"):
        bench.hold(symbol=symbol)
    facts = bench.facts()
    buffers = {name: buffer_of(bars_of_closes([100.0] * 3, name), 1) for name in ("AAPL", "MSFT")}

    decision = plan_turn(replace(facts, market=replace(facts.market, buffers=buffers)))

    assert [send.request.symbol for send in decision.exits] == ["MSFT"]
    (note,) = [note for note in decision.notes if note.event == "item_failed"]
    assert note.is_problem
    assert note.message.startswith(f"exit of AAPL: {failure.__name__}")


def test_exit_when_one_position_cannot_be_read_at_all_then_the_others_are_left_all_the_same() -> (
    None
):
    """Nothing that looks at all positions in turn keeps the rest of the turn from happening."""
    bench = BotBench(policy=replace(POLICY, strategies={"momentum": Stumbling(KeyError)}))
    bench.hold(symbol="MSFT")
    facts = bench.facts()
    bad = {**facts.state.positions, "BAD": object.__new__(Position)}
    buffers = {"MSFT": buffer_of(bars_of_closes([100.0] * 3, "MSFT"), 1)}
    facts = replace(facts, state=replace(facts.state, positions=bad))

    decision = plan_turn(replace(facts, market=replace(facts.market, buffers=buffers)))

    assert [send.request.symbol for send in decision.exits] == ["MSFT"]
    failed = {note.message.split(":")[0] for note in decision.notes if note.is_problem}
    assert {"watch_coverage", "exit of BAD", "trailing of BAD"} <= failed
