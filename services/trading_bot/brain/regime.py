"""What kind of market a symbol is in, read from its own minute bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.trading_bot.indicators import average_true_range, efficiency
from shared.models.market import Candle

REGIME_BARS = 30
"""Bars over which the path is judged, beside the one before them."""
RECENT_BARS = 5
TREND_EFFICIENCY_MIN = 0.5
"""From this share of its whole way on a path counts as a trend."""
STORM_RATIO_MIN = 3.0
"""True range of the recent bars, in true ranges of all, from which on it counts as a storm."""


class Regime(StrEnum):
    """How prices move."""

    RISING = "rising"
    FALLING = "falling"
    RANGE = "range"
    STORM = "storm"


@dataclass(frozen=True, slots=True)
class RegimeReading:
    """A regime and the two numbers that it was judged by."""

    regime: Regime
    efficiency: float
    """Way from first to last as a share of the whole way gone, 0 to 1."""
    storm_ratio: float
    """True range of the recent bars in true ranges of all."""


def regime_of(candles: Sequence[Candle]) -> RegimeReading | None:
    """Return the regime at the last of these bars, oldest first; None while they are too few."""
    if len(candles) <= REGIME_BARS:
        return None
    last = candles[-REGIME_BARS - 1 :]
    closes = [float(candle.close) for candle in last]
    highs = [float(candle.high) for candle in last]
    lows = [float(candle.low) for candle in last]
    usual = average_true_range(highs, lows, closes, REGIME_BARS)
    recent = average_true_range(highs, lows, closes, RECENT_BARS)
    ratio, path = (recent / usual if usual > 0 else 0.0), efficiency(closes)
    regime = Regime.RISING if closes[-1] > closes[0] else Regime.FALLING
    if ratio >= STORM_RATIO_MIN:
        regime = Regime.STORM
    elif path < TREND_EFFICIENCY_MIN:
        regime = Regime.RANGE
    return RegimeReading(regime, path, ratio)
