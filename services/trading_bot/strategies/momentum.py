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
from decimal import ROUND_CEILING, Decimal

from services.trading_bot.indicators import (
    average_true_range,
    exponential_average,
    rate_of_change,
    rolling_high,
)
from shared.models.market import Candle, CandleBuffer, Quote
from shared.models.numbers import CENT, round_to_tick
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.models.strategies import REWARD_RISK_OF_STRATEGY
from shared.ports import MarketSnapshot, PortfolioView

_BAR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MomentumParameters:
    """Tuning of the strategy. Periods count finished minute bars."""

    breakout_bars: int = 15
    """The close must exceed the highest high of this many bars before it."""
    fast_bars: int = 8
    slow_bars: int = 21
    """Periods of the two exponential averages whose order tells the trend."""
    rate_bars: int = 10
    """The rise that counts as momentum is measured over this many bars."""
    rate_atr_min: float = 1.0
    """That rise must be at least this many ATR."""
    atr_bars: int = 14
    stop_atr_multiple: float = 2.0
    """Stop distance in ATR (STOP_ATR_MULTIPLE)."""
    stop_fraction_min: float = 0.001
    """Stop distance is never below this fraction of the price: noise would fill it."""
    stop_spreads_min: float = 3.0
    """Nor below this many spreads: the quote itself would fill it."""
    reward_risk: Decimal = REWARD_RISK_OF_STRATEGY["momentum"]
    """Target distance in stop distances; the settings refuse a MIN_REWARD_RISK above it."""
    hold_minutes_max: float = 25.0
    """Market minutes after which a position that did nothing is left."""
    hold_minutes_min: float = 5.0
    """Market minutes during which a fading trend is not yet believed."""
    bar_age_s_max: float = 90.0
    """A last bar that ended longer ago (market seconds) gives no signal."""
    warm_bars: int = 30


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
        signals = []
        for symbol in sorted(snapshot.buffers):
            if symbol in portfolio.busy_symbols:
                continue
            signal = self._signal(snapshot, symbol)
            if signal is not None:
                signals.append(signal)
        return sorted(signals, key=lambda signal: (-signal.strength, signal.symbol))

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
        entry = quote.ask if quote is not None and quote.is_tradable else _money(reading.close)
        spread = float(quote.ask - quote.bid) if quote is not None and quote.is_tradable else 0.0
        distance = max(
            rules.stop_atr_multiple * reading.atr,
            rules.stop_fraction_min * reading.close,
            rules.stop_spreads_min * spread,
        )
        stop = round_to_tick(entry - max(_money(distance), 2 * CENT))
        if stop <= 0:
            return None
        # Upwards and from the rounded stop: rounding must not eat into the minimum reward/risk.
        reward = (entry - stop) * rules.reward_risk
        target = (entry + reward).quantize(CENT, rounding=ROUND_CEILING)
        above = (reading.close - reading.high) / reading.atr
        rise = reading.rate * reading.close / reading.atr
        return Signal(
            strategy=self.name,
            symbol=symbol,
            side=Side.BUY,
            at=at,
            entry_price=entry,
            stop_price=stop,
            target_price=target,
            strength=_strength(above, rise),
            reason=(
                f"close {reading.close:.2f} above {rules.breakout_bars}-bar high "
                f"{reading.high:.2f} by {above:.2f} ATR, EMA{rules.fast_bars} {reading.fast:.2f} "
                f"over EMA{rules.slow_bars} {reading.slow:.2f}, rise {rise:.2f} ATR in "
                f"{rules.rate_bars} bars, ATR {reading.atr:.4f}"
            ),
        )


def _money(value: float) -> Decimal:
    return round_to_tick(Decimal(f"{value:.6f}"))


def _strength(above_atr: float, rise_atr: float) -> float:
    """0..1: how far above the high (full at 2 ATR) and how steep (full at 8 ATR), in halves."""
    return round(0.5 * min(1.0, above_atr / 2.0) + 0.5 * min(1.0, rise_atr / 8.0), 6)
