"""Indicators: known values, warmth, and what holds for every series."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.indicators import (
    average_true_range,
    exponential_average,
    rate_of_change,
    rolling_high,
    true_ranges,
)

pytestmark = pytest.mark.unit

PRICES = st.lists(st.floats(min_value=0.5, max_value=5_000.0), min_size=15, max_size=60)


def test_true_range_when_price_gaps_then_the_gap_counts() -> None:
    """The range reaches back to the close before, up and down."""
    ranges = true_ranges([10.0, 12.0, 8.0], [9.0, 11.5, 7.5], [9.5, 11.6, 7.6])

    assert ranges == pytest.approx([2.5, 4.1])


def test_true_range_when_lengths_differ_then_refused() -> None:
    """Three series of one length, or none."""
    with pytest.raises(ValueError, match="equally long"):
        true_ranges([1.0], [1.0, 2.0], [1.0])


def test_atr_when_computed_then_only_the_last_period_counts() -> None:
    """Older bars do not leak into the mean."""
    highs = [100.0, 2.0, 3.0, 4.0]
    lows = [50.0, 1.0, 2.0, 3.0]
    closes = [75.0, 1.5, 2.5, 3.5]

    assert average_true_range(highs, lows, closes, 2) == pytest.approx(1.5)


def test_ema_when_series_is_known_then_matches_hand_computation() -> None:
    """Seeded with the first value, weight 2 / (period + 1)."""
    assert exponential_average([1.0, 2.0, 3.0], 3) == pytest.approx(2.25)


def test_rate_of_change_when_price_doubles_then_one() -> None:
    """A fraction, not percent points."""
    assert rate_of_change([1.0, 5.0, 2.0], 2) == pytest.approx(1.0)


def test_rolling_high_when_older_value_is_higher_then_ignored() -> None:
    """Only the window counts."""
    assert rolling_high([9.0, 1.0, 3.0, 2.0], 3) == 3.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: average_true_range([1.0] * 3, [1.0] * 3, [1.0] * 3, 3),
        lambda: exponential_average([1.0], 2),
        lambda: rate_of_change([1.0, 2.0], 2),
        lambda: rate_of_change([0.0, 2.0], 1),
        lambda: rolling_high([], 1),
        lambda: rolling_high([1.0], 0),
    ],
)
def test_indicator_when_it_cannot_be_computed_then_raises(call: object) -> None:
    """Too few values have no indicator; zero would be a lie."""
    assert callable(call)

    with pytest.raises(ValueError, match=r".+"):
        call()


@given(PRICES)
def test_ema_when_any_series_then_lies_within_it(prices: list[float]) -> None:
    """An average never leaves the range of its values."""
    average = exponential_average(prices, 8)

    assert min(prices) - 1e-6 <= average <= max(prices) + 1e-6


@given(PRICES)
def test_atr_when_any_series_then_not_negative(prices: list[float]) -> None:
    """A range is a distance."""
    highs = [price + 0.1 for price in prices]
    lows = [price - 0.1 for price in prices]

    assert average_true_range(highs, lows, prices, 14) > 0


@given(PRICES, st.integers(min_value=1, max_value=15))
def test_rolling_high_when_any_series_then_no_value_of_the_window_is_above(
    prices: list[float], period: int
) -> None:
    """It is one of the values and none is higher."""
    high = rolling_high(prices, period)

    assert high in prices[-period:]
    assert all(price <= high for price in prices[-period:])
