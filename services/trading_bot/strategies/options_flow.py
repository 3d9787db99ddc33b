"""Options flow: buy where fresh money went into calls and large prints hold below the price.

Every alert is worth its premium, more when it was a sweep, halved each half-life: so a signal
decays by itself from 1 to 0. Entry: the calls of the window are worth enough, puts are few
beside them, the newest call is fresh, the close lies above the mean price of the dark pool
prints and above its own fast average. Exit beside stop and target: the stop follows the price,
or the signal has decayed. Pure: floats inside, Decimal from the signal on.
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
from services.trading_bot.indicators import average_true_range, decayed, exponential_average
from shared.models.exits import ExitRules
from shared.models.flow import FlowView
from shared.models.limits import Limits
from shared.models.market import Candle, Quote
from shared.models.orders import Side
from shared.models.signals import Signal
from shared.ports import MarketSnapshot, PortfolioView

REWARD_RISK = Decimal("2.0")
_BAR = timedelta(minutes=1)
_HALF_LIFE_S = 900.0
_EXITS = ExitRules(
    trail_atr_multiple=4.0, decay_half_life=timedelta(seconds=_HALF_LIFE_S), decay_min=0.0625
)


@dataclass(frozen=True, slots=True)
class OptionsFlowParameters:
    """Tuning of the strategy. Times are market time, money is dollars."""

    half_life_s: Annotated[float, "Market seconds after which an alert is worth half."] = (
        _HALF_LIFE_S
    )
    sweep_weight: Annotated[float, "A sweep counts so many times its premium."] = 1.5
    call_premium_min: Annotated[float, "Least decayed premium of the calls, in dollars."] = 400_000
    call_premium_full: Annotated[float, "Premium at which the strength is full."] = 2_000_000
    put_call_max: Annotated[float, "Most decayed premium of puts per dollar of calls."] = 0.5
    freshness_min: Annotated[float, "The newest call must be worth this share of itself."] = 0.4
    print_premium_min: Annotated[float, "Least money in dark pool prints, in dollars."] = 100_000
    fast_bars: Annotated[int, "Period of the exponential average that the close must exceed."] = 8
    atr_bars: Annotated[int, "Bars of the average true range (ATR)."] = 14
    stop_atr_multiple: Annotated[float, "Stop distance in ATR (STOP_ATR_MULTIPLE)."] = 2.0
    stop_fraction_min: Annotated[float, "Least stop distance as a fraction of the price."] = 0.002
    stop_spreads_min: Annotated[float, "Least stop distance in spreads."] = 3.0
    reward_risk: Annotated[Decimal, "Target distance in stop distances."] = REWARD_RISK
    bar_age_s_max: Annotated[
        float, "A last bar that ended longer ago (market seconds) gives no signal."
    ] = 90.0
    warm_bars: Annotated[int, "Bars without which nothing is said."] = 30


@dataclass(frozen=True, slots=True)
class FlowReading:
    """The flow of one symbol at one moment; premiums in dollars after decay."""

    calls: float
    puts: float
    freshness: float
    """What the newest call is still worth, 0 to 1."""
    print_price: float | None
    """Mean price of the dark pool prints by size; None when too little money went there."""

    @property
    def put_call(self) -> float:
        """Puts per call; infinitely many without calls never leave this module."""
        return self.puts / self.calls if self.calls > 0 else float("inf")


class OptionsFlow:
    """Follows the money in calls; see the module for its rules."""

    name = "options_flow"
    exit_rules = _EXITS

    def __init__(self, parameters: OptionsFlowParameters | None = None) -> None:
        self.parameters = parameters or OptionsFlowParameters()

    def decide(self, snapshot: MarketSnapshot, portfolio: PortfolioView) -> Sequence[Signal]:
        """Return what the flow speaks for in symbols that nobody owns, strongest first."""
        return strongest_first(
            snapshot.flow.alerts.keys() & snapshot.buffers.keys(),
            portfolio,
            lambda symbol: self._signal(snapshot, symbol),
        )

    def read(self, flow: FlowView, symbol: str, now: datetime) -> FlowReading:
        """Return the flow of a symbol as it is worth at that moment."""
        rules = self.parameters
        calls = puts = freshness = 0.0
        for alert in flow.alerts.get(symbol, ()):
            left = decayed((now - alert.at).total_seconds(), rules.half_life_s)
            worth = float(alert.premium) * left * (rules.sweep_weight if alert.is_sweep else 1.0)
            if alert.is_call:
                calls, freshness = calls + worth, max(freshness, left)
            else:
                puts += worth
        prints = flow.prints.get(symbol, ())
        shares = sum(one.size for one in prints)
        money = float(sum((one.price * one.size for one in prints), Decimal(0)))
        has_prints = shares > 0 and money >= rules.print_premium_min
        return FlowReading(calls, puts, freshness, money / shares if has_prints else None)

    def _signal(self, snapshot: MarketSnapshot, symbol: str) -> Signal | None:
        rules = self.parameters
        candles = snapshot.buffers[symbol].tail(rules.warm_bars)
        if len(candles) < rules.warm_bars:
            return None
        ended_at = candles[-1].start + _BAR
        if (snapshot.now - ended_at).total_seconds() > rules.bar_age_s_max:
            return None
        flow = self.read(snapshot.flow, symbol, snapshot.now)
        is_money = flow.calls >= rules.call_premium_min and flow.put_call <= rules.put_call_max
        if not is_money or flow.freshness < rules.freshness_min or flow.print_price is None:
            return None
        closes = [float(candle.close) for candle in candles]
        fast = exponential_average(closes, rules.fast_bars)
        if closes[-1] <= max(fast, flow.print_price):
            return None
        return self._follow(candles, flow, snapshot.quotes.get(symbol))

    def _follow(
        self, candles: Sequence[Candle], flow: FlowReading, quote: Quote | None
    ) -> Signal | None:
        rules, last = self.parameters, candles[-1]
        atr = average_true_range(
            [float(candle.high) for candle in candles],
            [float(candle.low) for candle in candles],
            [float(candle.close) for candle in candles],
            rules.atr_bars,
        )
        stops = StopRule(
            rules.stop_atr_multiple,
            rules.stop_fraction_min,
            rules.stop_spreads_min,
            rules.reward_risk,
        )
        bracket = long_bracket(float(last.close), atr, quote, stops)
        if atr <= 0 or bracket is None:
            return None
        full = min(1.0, flow.calls / rules.call_premium_full)
        return Signal(
            strategy=self.name,
            symbol=last.symbol,
            side=Side.BUY,
            at=last.start + _BAR,
            entry_price=bracket.entry,
            stop_price=bracket.stop,
            target_price=bracket.target,
            strength=round(full * max(0.0, 1 - flow.put_call) * flow.freshness, 6),
            reason=(
                f"calls worth {flow.calls:.0f}, puts per call {flow.put_call:.2f}, newest call "
                f"{flow.freshness:.2f} fresh, close {last.close:.2f} above the prints' mean "
                f"{flow.print_price:.2f}, ATR {atr:.4f}"
            ),
        )


def _made(limits: Limits) -> OptionsFlow:
    return OptionsFlow(OptionsFlowParameters(stop_atr_multiple=float(limits.stop_atr_multiple)))


STRATEGY = StrategySheet(
    name=OptionsFlow.name,
    reward_risk=REWARD_RISK,
    make=_made,
    parameters=OptionsFlowParameters,
    needs_flow=True,
    unsuited=frozenset({Regime.FALLING, Regime.STORM}),
    close_minutes_min=15.0,
)
