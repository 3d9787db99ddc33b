"""Every formula of the trading day at its edges: bounded, and NaN and infinity never travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from math import inf, isfinite, isnan, nan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.backtest.measures import daily_returns, drawdown_curve, sharpe
from services.trading_bot.brain.bracket import StopRule, long_bracket
from services.trading_bot.brain.clamps import clamped
from services.trading_bot.brain.regime import REGIME_BARS, Regime, regime_of
from services.trading_bot.gates import GateFacts, judge_gates
from services.trading_bot.indicators import (
    average_true_range,
    decayed,
    efficiency,
    exponential_average,
    mean_and_deviation,
    rate_of_change,
    rolling_high,
    rolling_low,
)
from services.trading_bot.report import EquityPoint
from shared.models.market import Candle, Quote
from shared.models.numbers import round_to_tick
from shared.models.pnl import Pnl
from tests.support.bars import FIRST_BAR
from tests.support.bot_bench import a_signal

pytestmark = pytest.mark.unit

PERIOD = 5
ODD = st.sampled_from([nan, inf, -inf, 0.0, -0.0, 1e308, -1e308, 5e-324])
PRICES = st.floats(0.01, 1e6)
DOLLARS = st.decimals("0.0001", "1e6", places=4)
INDICATORS: dict[str, Callable[[Sequence[float]], float]] = {
    "average_true_range": lambda values: average_true_range(values, values, values, PERIOD),
    "exponential_average": lambda values: exponential_average(values, PERIOD),
    "rate_of_change": lambda values: rate_of_change(values, PERIOD),
    "rolling_high": lambda values: rolling_high(values, PERIOD),
    "rolling_low": lambda values: rolling_low(values, PERIOD),
    "mean": lambda values: mean_and_deviation(values, PERIOD)[0],
    "deviation": lambda values: mean_and_deviation(values, PERIOD)[1],
    "efficiency": efficiency,
}


@pytest.mark.parametrize("name", sorted(INDICATORS))
@given(values=st.lists(PRICES | ODD, min_size=PERIOD + 1, max_size=PERIOD + 3))
def test_indicator_when_given_anything_then_a_finite_number_or_refused(
    name: str, values: list[float]
) -> None:
    """Not one of them hands NaN or infinity on, or hides one that it was given."""
    try:
        found = INDICATORS[name](values)
    except ValueError:
        return
    assert isfinite(found)
    needed = values if name in ("efficiency", "exponential_average") else values[-PERIOD:]
    read = [values[-1], values[-PERIOD - 1]] if name == "rate_of_change" else needed
    assert all(isfinite(value) for value in read)


@pytest.mark.parametrize("name", sorted(INDICATORS))
@given(values=st.lists(PRICES, min_size=PERIOD + 1, max_size=40))
def test_indicator_when_given_prices_then_it_is_not_refused(name: str, values: list[float]) -> None:
    """Whatever a market may show has a value."""
    assert isfinite(INDICATORS[name](values))


@given(st.lists(PRICES, min_size=PERIOD, max_size=40))
def test_z_score_when_any_prices_then_no_further_than_so_many_values_allow(
    values: list[float],
) -> None:
    """The mean lies among its values, no value lies further off than the root of n - 1."""
    last = values[-PERIOD:]
    mean, deviation = mean_and_deviation(values, PERIOD)

    assert min(last) * (1 - 1e-12) <= mean <= max(last) * (1 + 1e-12)
    assert 0 <= deviation <= max(last) - min(last) + 1e-9
    if deviation > 1e-6 * mean:
        assert abs(mean - last[-1]) / deviation <= sqrt(PERIOD - 1) * (1 + 1e-6)


@given(st.lists(PRICES, min_size=PERIOD + 1, max_size=20), st.floats(0.01, 100))
def test_rate_and_range_when_prices_are_scaled_then_as_they_should(
    values: list[float], factor: float
) -> None:
    """A rate knows no currency; a range is in dollars, up to its bound, and 0 when all is still."""
    scaled = [value * factor for value in values]
    still = [values[0]] * (PERIOD + 1)

    assert rate_of_change(scaled, PERIOD) == pytest.approx(rate_of_change(values, PERIOD), abs=1e-6)
    plain = INDICATORS["average_true_range"](values)
    assert (
        INDICATORS["average_true_range"](scaled)
        == pytest.approx(min(1_000.0, plain * factor), rel=1e-6, abs=1e-6)
        or plain == 1_000.0
    )
    assert INDICATORS["average_true_range"](still) == rate_of_change(still, PERIOD) == 0.0


@pytest.mark.parametrize("half_life_s", [0.0, -1.0, nan, inf])
@pytest.mark.parametrize("age_s", [0.0, 60.0, inf])
def test_decay_when_the_half_life_is_none_then_refused(half_life_s: float, age_s: float) -> None:
    """Endless age over endless half-life would be NaN; no such half-life exists."""
    with pytest.raises(ValueError, match="decayed"):
        decayed(age_s, half_life_s)


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_clamp_when_any_number_then_within_or_none(value: Decimal) -> None:
    """What is no number has no clamped value; everything else stays or goes to a bound."""
    found = clamped(value, Decimal(-5), Decimal(7))

    assert (found is None) == (not value.is_finite())
    assert found is None or found == sorted((Decimal(-5), value, Decimal(7)))[1]


@given(left_s=st.floats(-1e5, 1e5), minutes_min=st.floats(0, 389))
def test_session_gate_when_any_time_is_left_then_it_passes_when_that_is_enough(
    left_s: float, minutes_min: float
) -> None:
    """To the microsecond, before the close and after it."""
    now, left = FIRST_BAR, timedelta(seconds=left_s)
    facts = GateFacts(
        now, None, None, None, Decimal(70), closes_at=now + left, close_minutes_min=minutes_min
    )
    (word,) = [one for one in judge_gates(a_signal(at=now), facts) if one.gate == "session"]

    assert word.passed == (left.total_seconds() / 60 >= minutes_min)


ROWS = st.lists(st.tuples(DOLLARS, DOLLARS, DOLLARS), max_size=REGIME_BARS + 4)


@given(ROWS)
def test_regime_when_any_bars_then_one_of_four_with_bounded_numbers_or_none(
    rows: list[tuple[Decimal, Decimal, Decimal]],
) -> None:
    """Enough bars always have a regime: shares lie in 0..1, recent ranges at most six usual ones,
    and what the words say of the path is so.
    """
    bars = []
    for number, row in enumerate(rows):
        low, close, high = sorted(row)
        bars.append(
            Candle("SPY", FIRST_BAR + number * timedelta(minutes=1), close, high, low, close, 1)
        )
    reading = regime_of(bars)

    assert (reading is None) == (len(bars) <= REGIME_BARS)
    if reading is None:
        return
    assert 0 <= reading.efficiency <= 1
    assert 0 <= reading.storm_ratio <= 6 * (1 + 1e-9)
    rose = bars[-1].close > bars[-REGIME_BARS - 1].close
    assert reading.regime is not (Regime.FALLING if rose else Regime.RISING)


@given(
    close=DOLLARS,
    atr=st.floats(0, 1_000),
    sides=st.none() | st.tuples(DOLLARS, DOLLARS),
    multiple=st.floats(0.1, 10),
    reward_risk=st.decimals("0.5", "10", places=2),
)
def test_bracket_when_any_numbers_then_on_the_tick_and_worth_its_risk(
    close: Decimal,
    atr: float,
    sides: tuple[Decimal, Decimal] | None,
    multiple: float,
    reward_risk: Decimal,
) -> None:
    """Stop below, target above, at least so far away as each least says, never rounded below the
    promised reward; no stop at or below zero.
    """
    quote = Quote("SPY", FIRST_BAR, min(sides), max(sides)) if sides is not None else None
    rule = StopRule(multiple, 0.001, 3.0, reward_risk)
    bracket = long_bracket(float(close), atr, quote, rule)

    entry = max(sides) if sides is not None else round_to_tick(close)
    spread = max(sides) - min(sides) if sides is not None else Decimal(0)
    if bracket is None:
        assert entry <= max(
            Decimal(multiple * atr), close * Decimal("0.001"), spread * 3, Decimal("0.02")
        ) + Decimal("0.02")
        return
    risk = bracket.entry - bracket.stop
    assert 0 < bracket.stop < bracket.entry == entry
    assert bracket.stop == round_to_tick(bracket.stop)
    assert bracket.target == round_to_tick(bracket.target)
    assert bracket.target - bracket.entry >= risk * reward_risk
    assert risk >= max(spread * 3, Decimal(multiple * atr)) - Decimal("0.011")


@given(
    equities=st.lists(st.decimals("0.01", "1e9", places=2), min_size=1, max_size=30),
    counts=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_measures_when_any_equity_then_shares_are_shares_and_ratios_finite(
    equities: list[Decimal], counts: tuple[int, int]
) -> None:
    """Drawdown and win rate lie in 0..1; Sharpe is a number or nothing."""
    points = [
        EquityPoint((FIRST_BAR + timedelta(days=number)).isoformat(), equity)
        for number, equity in enumerate(equities)
    ]
    ratio = sharpe(daily_returns(equities[0], points))
    pnl = Pnl(wins=counts[0], losses=counts[1], equity=equities[-1], peak_equity=max(equities))

    assert all(0 <= depth < 1 for depth in drawdown_curve(points))
    assert ratio is None or (isfinite(ratio) and not isnan(ratio))
    assert pnl.drawdown_pct is not None
    assert 0 <= pnl.drawdown_pct < 1
    assert pnl.win_rate is None or 0 <= pnl.win_rate <= 1
