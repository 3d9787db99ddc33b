"""Momentum breakout: buy a close above the recent high in a rising trend, stop by ATR.

Entry, all on finished minute bars: the close lies above the highest high of the bars before,
the fast EMA above the slow one, and the price has risen by at least one ATR over the rate
window. Exit beside stop and target: the trend has faded (fast EMA below slow EMA and a close
below the entry's trend), or the position has been held for its longest time. Pure: floats
inside, Decimal from the signal on; the same bars always give the same signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from services.trading_bot.brain.asking import strongest_first
from services.trading_bot.brain.bracket import StopRule, long_bracket
from services.trading_bot.brain.port import StrategySheet
from services.trading_bot.indicators import (
    average_true_range,
    exponential_average,
    rate_of_change,
    rolling_high,
)
from shared.models.limits import Limits
from shared.models.market import Candle, CandleBuffer, Quote
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView

REWARD_RISK = Decimal("2.0")
_BAR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MomentumParameters:
    """Tuning of the strategy. Periods count finished minute bars."""

    breakout_bars: Annotated[
        int, "The close must exceed the highest high of this many bars before it."
    ] = 15
    fast_bars: Annotated[int, "Period of the fast exponential average; above the slow one."] = 8
    slow_bars: Annotated[int, "Period of the slow one; their order tells the trend."] = 21
    rate_bars: Annotated[int, "The rise that counts as momentum is measured over these bars."] = 10
    rate_atr_min: Annotated[float, "That rise must be at least this many ATR."] = 1.0
    atr_bars: Annotated[int, "Bars of the average true range (ATR)."] = 14
    stop_atr_multiple: Annotated[float, "Stop distance in ATR (STOP_ATR_MULTIPLE)."] = 2.0
    stop_fraction_min: Annotated[
        float, "Least stop distance as a fraction of the price: noise would fill a nearer one."
    ] = 0.001
    stop_spreads_min: Annotated[
        float, "Least stop distance in spreads: the quote itself would fill a nearer one."
    ] = 3.0
    reward_risk: Annotated[Decimal, "Target distance in stop distances."] = REWARD_RISK
    hold_minutes_max: Annotated[
        float, "Market minutes after which a position that did nothing is left."
    ] = 25.0
    hold_minutes_min: Annotated[
        float, "Market minutes during which a fading trend is not yet believed."
    ] = 5.0
    bar_age_s_max: Annotated[
        float, "A last bar that ended longer ago (market seconds) gives no signal."
    ] = 90.0
    warm_bars: Annotated[int, "Bars without which nothing is said."] = 30


@dataclass(frozen=True, slots=True)
class _Reading:
    """The indicators of one symbol at its last bar, in dollars."""

    close: float
    high: float
    fast: float
    slow: float
    rate: float
    atr: float


class Momentum:
    """The strategy of the first day; see the module for its rules."""

    name = "momentum"

    def __init__(self, parameters: MomentumParameters | None = None) -> None:
        self.parameters = parameters or MomentumParameters()

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return the breakouts of this moment in symbols that nobody owns, strongest first."""
        return strongest_first(
            snapshot.buffers, portfolio, lambda symbol: self._signal(snapshot, symbol)
        )

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        """Return why this position should be left now, or None to keep it."""
        if position.opened_at is None:
            return None
        rules = self.parameters
        held_minutes = (now - position.opened_at).total_seconds() / 60
        if held_minutes >= rules.hold_minutes_max:
            return f"time: held {held_minutes:.0f} min, at most {rules.hold_minutes_max:.0f}"
        if held_minutes < rules.hold_minutes_min or len(buffer) < rules.warm_bars:
            return None
        reading = self._read(buffer.tail(rules.warm_bars))
        if reading.fast < reading.slow and reading.close < reading.slow:
            return (
                f"fade: close {reading.close:.2f} below slow EMA {reading.slow:.2f}, "
                f"fast EMA {reading.fast:.2f}"
            )
        return None

    def _read(self, candles: Sequence[Candle]) -> _Reading:
        rules = self.parameters
        closes = [float(candle.close) for candle in candles]
        highs = [float(candle.high) for candle in candles]
        lows = [float(candle.low) for candle in candles]
        return _Reading(
            close=closes[-1],
            high=rolling_high(highs[:-1], rules.breakout_bars),
            fast=exponential_average(closes, rules.fast_bars),
            slow=exponential_average(closes, rules.slow_bars),
            rate=rate_of_change(closes, rules.rate_bars),
            atr=average_true_range(highs, lows, closes, rules.atr_bars),
        )

    def _signal(self, snapshot: MarketSnapshot, symbol: str) -> Signal | None:
        rules = self.parameters
        candles = snapshot.buffers[symbol].tail(rules.warm_bars)
        if len(candles) < rules.warm_bars:
            return None
        ended_at = candles[-1].start + _BAR
        if (snapshot.now - ended_at).total_seconds() > rules.bar_age_s_max:
            return None
        # The cheap test first: most minutes end here, and the averages need every bar.
        before = candles[-rules.breakout_bars - 1 : -1]
        if candles[-1].close <= max(candle.high for candle in before):
            return None
        reading = self._read(candles)
        rise = reading.rate * reading.close
        if reading.atr <= 0 or reading.fast <= reading.slow:
            return None
        if rise < rules.rate_atr_min * reading.atr:
            return None
        return self._breakout(symbol, ended_at, reading, snapshot.quotes.get(symbol))

    def _breakout(
        self, symbol: str, at: datetime, reading: _Reading, quote: Quote | None
    ) -> Signal | None:
        rules = self.parameters
        stops = StopRule(
            rules.stop_atr_multiple,
            rules.stop_fraction_min,
            rules.stop_spreads_min,
            rules.reward_risk,
        )
        bracket = long_bracket(reading.close, reading.atr, quote, stops)
        if bracket is None:
            return None
        above = (reading.close - reading.high) / reading.atr
        rise = reading.rate * reading.close / reading.atr
        return Signal(
            strategy=self.name,
            symbol=symbol,
            side=Side.BUY,
            at=at,
            entry_price=bracket.entry,
            stop_price=bracket.stop,
            target_price=bracket.target,
            strength=_strength(above, rise),
            reason=(
                f"close {reading.close:.2f} above {rules.breakout_bars}-bar high "
                f"{reading.high:.2f} by {above:.2f} ATR, EMA{rules.fast_bars} {reading.fast:.2f} "
                f"over EMA{rules.slow_bars} {reading.slow:.2f}, rise {rise:.2f} ATR in "
                f"{rules.rate_bars} bars, ATR {reading.atr:.4f}"
            ),
        )


def _strength(above_atr: float, rise_atr: float) -> float:
    """0..1: how far above the high (full at 2 ATR) and how steep (full at 8 ATR), in halves."""
    return round(0.5 * min(1.0, above_atr / 2.0) + 0.5 * min(1.0, rise_atr / 8.0), 6)


def _made(limits: Limits) -> Momentum:
    return Momentum(MomentumParameters(stop_atr_multiple=float(limits.stop_atr_multiple)))


STRATEGY = StrategySheet(
    name=Momentum.name, reward_risk=REWARD_RISK, make=_made, parameters=MomentumParameters
)
