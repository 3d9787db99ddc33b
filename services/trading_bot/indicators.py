"""Indicators over plain floats: true range, EMA, rate of change, rolling high.

Floats live here and in the strategies only; from the signal on money is Decimal. Every function
takes the oldest value first, reads no clock, and raises ValueError when it is given too few
values: an indicator that is not warm has no value, and zero would be a lie.
"""

from __future__ import annotations

from collections.abc import Sequence


def _require(count: int, needed: int, name: str) -> None:
    if needed < 1:
        raise ValueError(f"{name}: the period must be 1 or more, not {needed}")
    if count < needed:
        raise ValueError(f"{name} needs {needed} values, got {count}")


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
    """Return the mean true range of the last `period` bars, in dollars (period + 1 bars)."""
    _require(len(closes), period + 1, "average_true_range")
    start = -period - 1
    ranges = true_ranges(highs[start:], lows[start:], closes[start:])
    return sum(ranges) / period


def exponential_average(values: Sequence[float], period: int) -> float:
    """Return the exponential moving average with smoothing 2 / (period + 1).

    It is seeded with the first value, so that the same window always gives the same number.
    """
    _require(len(values), period, "exponential_average")
    weight = 2.0 / (period + 1.0)
    average = values[0]
    for value in values[1:]:
        average += weight * (value - average)
    return average


def rate_of_change(values: Sequence[float], period: int) -> float:
    """Return the change over the last `period` steps as a fraction (0.01 is one percent)."""
    _require(len(values), period + 1, "rate_of_change")
    before = values[-period - 1]
    if before == 0:
        raise ValueError("rate_of_change: the value before is 0")
    return values[-1] / before - 1.0


def rolling_high(values: Sequence[float], period: int) -> float:
    """Return the highest of the last `period` values."""
    _require(len(values), period, "rolling_high")
    return max(values[-period:])
