"""Indicators over plain floats: true range, averages, rates, extremes, decay.

Floats live here and in the strategies only; from the signal on money is Decimal. Every function
takes the oldest value first, reads no clock, and raises ValueError when it is given too few
values: an indicator that is not warm has no value, and zero would be a lie. So does NaN, infinity,
and what would become one of them: they never travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf, isfinite, isnan, pow, sqrt

ATR_MAX = 1_000.0
"""Dollars; no average true range above it is believed."""


def _require(count: int, needed: int, name: str) -> None:
    if needed < 1:
        raise ValueError(f"{name}: the period must be 1 or more, not {needed}")
    if count < needed:
        raise ValueError(f"{name} needs {needed} values, got {count}")


def _require_number(value: float, name: str) -> None:
    # A sum is enough to tell: one value that is no number makes it none.
    if not isfinite(value):
        raise ValueError(f"{name} of values that are no numbers")


def true_ranges(
    highs: Sequence[float], lows: Sequence[float], closes: Sequence[float]
) -> list[float]:
    """Return the true range of every bar but the first, in dollars.

    The true range is the largest of high - low and the two gaps to the close before.
    """
    if not len(highs) == len(lows) == len(closes):
        raise ValueError("highs, lows and closes must be equally long")
    ranges = []
    for high, low, before in zip(highs[1:], lows[1:], closes[:-1], strict=True):
        ranges.append(max(high, before) - min(low, before))
    return ranges


def average_true_range(
    highs: Sequence[float], lows: Sequence[float], closes: Sequence[float], period: int
) -> float:
    """Return the mean true range of the last `period` bars, in dollars (period + 1 bars), between
    0 and ATR_MAX.
    """
    _require(len(closes), period + 1, "average_true_range")
    start = -period - 1
    highs, lows, closes = highs[start:], lows[start:], closes[start:]
    # Looked at before: a comparison with NaN would hide it.
    _require_number(sum(highs) + sum(lows) + sum(closes), "average_true_range")
    return min(ATR_MAX, sum(true_ranges(highs, lows, closes)) / period)


def exponential_average(values: Sequence[float], period: int) -> float:
    """Return the exponential moving average with smoothing 2 / (period + 1).

    It is seeded with the first value, so that the same window always gives the same number.
    """
    _require(len(values), period, "exponential_average")
    weight = 2.0 / (period + 1.0)
    average = values[0]
    for value in values[1:]:
        average += weight * (value - average)
    _require_number(average, "exponential_average")
    return average


def rate_of_change(values: Sequence[float], period: int) -> float:
    """Return the change over the last `period` steps as a fraction (0.01 is one percent)."""
    _require(len(values), period + 1, "rate_of_change")
    before = values[-period - 1]
    if before == 0:
        raise ValueError("rate_of_change: the value before is 0")
    rate = values[-1] / before - 1.0
    _require_number(rate + before, "rate_of_change")
    return rate


def rolling_high(values: Sequence[float], period: int) -> float:
    """Return the highest of the last `period` values."""
    _require(len(values), period, "rolling_high")
    last = values[-period:]
    _require_number(sum(last), "rolling_high")
    return max(last)


def rolling_low(values: Sequence[float], period: int) -> float:
    """Return the lowest of the last `period` values."""
    _require(len(values), period, "rolling_low")
    last = values[-period:]
    _require_number(sum(last), "rolling_low")
    return min(last)


def mean_and_deviation(values: Sequence[float], period: int) -> tuple[float, float]:
    """Return mean and standard deviation (of the whole, not of a sample) of the last values."""
    _require(len(values), period, "mean_and_deviation")
    last = values[-period:]
    mean = sum(last) / period
    # A product, not a power: that would raise where a number becomes too large.
    variance = sum((value - mean) * (value - mean) for value in last) / period
    _require_number(mean + variance, "mean_and_deviation")
    return mean, sqrt(variance)


def efficiency(values: Sequence[float]) -> float:
    """Return the way from first to last as a share of the whole way gone: 0 (none) to 1."""
    _require(len(values), 2, "efficiency")
    gone = sum(abs(after - before) for before, after in pairwise(values))
    _require_number(gone, "efficiency")
    return min(1.0, abs(values[-1] - values[0]) / gone) if gone > 0 else 0.0


def decayed(age_s: float, half_life_s: float) -> float:
    """Return what is left of a thing of that age, 1 (new, or from the future) down to 0.

    Raises ValueError for NaN and for a half-life that is not a number above 0.
    """
    if isnan(age_s) or not 0 < half_life_s < inf:
        raise ValueError(f"decayed: no age {age_s} with half-life {half_life_s}")
    return pow(0.5, max(0.0, age_s) / half_life_s)
