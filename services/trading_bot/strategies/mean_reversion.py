"""Mean reversion: buy a fall that went too far and has begun to turn, stop by ATR.

Entry, all on finished minute bars: the close lies at least `stretch_min` standard deviations
below the mean of the recent closes, the last bar has turned (it closed above its open and above
the close before), and the mean is at least as far away as the target, so that the target asks
for no more than a return. Exit beside stop and target: price is back at the mean, or the time
is up. Pure: floats inside, Decimal from the signal on.
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
from services.trading_bot.brain.regime import Regime
from services.trading_bot.indicators import average_true_range, mean_and_deviation
from shared.models.exits import ExitRules
from shared.models.limits import Limits
from shared.models.market import Candle, CandleBuffer, Quote
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView

REWARD_RISK = Decimal("1.5")
_BAR = timedelta(minutes=1)
_HOLD_MAX = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class MeanReversionParameters:
    """Tuning of the strategy. Periods count finished minute bars."""

    mean_bars: Annotated[int, "Bars of the mean to which the price is to return."] = 30
    stretch_min: Annotated[float, "Least fall below it, in standard deviations."] = 2.0
    stretch_full: Annotated[float, "Fall at which the strength is full."] = 4.0
    atr_bars: Annotated[int, "Bars of the average true range (ATR)."] = 14
    stop_atr_multiple: Annotated[float, "Stop distance in ATR (STOP_ATR_MULTIPLE)."] = 2.0
    stop_fraction_min: Annotated[float, "Least stop distance as a fraction of the price."] = 0.001
    stop_spreads_min: Annotated[float, "Least stop distance in spreads."] = 3.0
    reward_risk: Annotated[Decimal, "Target distance in stop distances."] = REWARD_RISK
    bar_age_s_max: Annotated[
        float, "A last bar that ended longer ago (market seconds) gives no signal."
    ] = 90.0


@dataclass(frozen=True, slots=True)
class _Reading:
    """The indicators of one symbol at its last bar, in dollars; `stretch` in deviations."""

    close: float
    mean: float
    stretch: float
    atr: float


class MeanReversion:
    """Buys the turn after a fall; see the module for its rules."""

    name = "mean_reversion"
    exit_rules = ExitRules(hold_max=_HOLD_MAX)

    def __init__(self, parameters: MeanReversionParameters | None = None) -> None:
        self.parameters = parameters or MeanReversionParameters()

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return the turns of this moment in symbols that nobody owns, strongest first."""
        return strongest_first(
            snapshot.buffers, portfolio, lambda symbol: self._signal(snapshot, symbol)
        )

    def exit_reason(self, position: Position, buffer: CandleBuffer, now: datetime) -> str | None:
        """Return that price is back at the mean, or None to keep the position."""
        candles = buffer.tail(self.parameters.mean_bars)
        opened_at = position.opened_at or now
        if len(candles) < self.parameters.mean_bars or candles[-1].start < opened_at:
            return None
        closes = [float(candle.close) for candle in candles]
        mean, _ = mean_and_deviation(closes, self.parameters.mean_bars)
        if closes[-1] < mean:
            return None
        return f"mean: close {closes[-1]:.2f} is back at the mean {mean:.2f}"

    def _signal(self, snapshot: MarketSnapshot, symbol: str) -> Signal | None:
        rules = self.parameters
        candles = snapshot.buffers[symbol].tail(max(rules.mean_bars, rules.atr_bars + 1))
        if len(candles) < max(rules.mean_bars, rules.atr_bars + 1):
            return None
        last, before = candles[-1], candles[-2]
        ended_at = last.start + _BAR
        if (snapshot.now - ended_at).total_seconds() > rules.bar_age_s_max:
            return None
        if last.close <= last.open or last.close <= before.close:
            return None
        reading = self._read(candles)
        if reading is None or reading.stretch < rules.stretch_min:
            return None
        return self._turn(symbol, ended_at, reading, snapshot.quotes.get(symbol))

    def _read(self, candles: Sequence[Candle]) -> _Reading | None:
        rules = self.parameters
        closes = [float(candle.close) for candle in candles]
        mean, deviation = mean_and_deviation(closes, rules.mean_bars)
        atr = average_true_range(
            [float(candle.high) for candle in candles],
            [float(candle.low) for candle in candles],
            closes,
            rules.atr_bars,
        )
        if deviation <= 0 or atr <= 0:
            return None
        return _Reading(closes[-1], mean, (mean - closes[-1]) / deviation, atr)

    def _turn(
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
        if bracket is None or float(bracket.target) > reading.mean:
            return None
        return Signal(
            strategy=self.name,
            symbol=symbol,
            side=Side.BUY,
            at=at,
            entry_price=bracket.entry,
            stop_price=bracket.stop,
            target_price=bracket.target,
            strength=round(min(1.0, reading.stretch / rules.stretch_full), 6),
            reason=(
                f"close {reading.close:.2f} lies {reading.stretch:.2f} deviations below the "
                f"{rules.mean_bars}-bar mean {reading.mean:.2f} and turned up, "
                f"ATR {reading.atr:.4f}"
            ),
        )


def _made(limits: Limits) -> MeanReversion:
    return MeanReversion(MeanReversionParameters(stop_atr_multiple=float(limits.stop_atr_multiple)))


STRATEGY = StrategySheet(
    name=MeanReversion.name,
    reward_risk=REWARD_RISK,
    make=_made,
    parameters=MeanReversionParameters,
    unsuited=frozenset({Regime.STORM}),
    close_minutes_min=15.0,
)
