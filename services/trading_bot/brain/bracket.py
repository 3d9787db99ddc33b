"""Entry, stop and target of a long entry, made of the last close, its ATR and the quote. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from shared.models.market import Quote
from shared.models.numbers import CENT, round_to_tick


@dataclass(frozen=True, slots=True)
class StopRule:
    """How far the stop lies below the entry, and the target above it in those distances."""

    atr_multiple: float
    fraction_min: float
    """The distance is never below this fraction of the price: noise would fill it."""
    spreads_min: float
    """Nor below this many spreads: the quote itself would fill it."""
    reward_risk: Decimal


@dataclass(frozen=True, slots=True)
class Bracket:
    """Prices in dollars, on the broker's tick."""

    entry: Decimal
    stop: Decimal
    target: Decimal


def long_bracket(close: float, atr: float, quote: Quote | None, rule: StopRule) -> Bracket | None:
    """Return the bracket of a buy at the ask (at the close without a quote of two sides), None
    when the stop would lie at zero or below.
    """
    is_quoted = quote is not None and quote.is_tradable
    entry = quote.ask if quote is not None and is_quoted else _money(close)
    spread = float(quote.ask - quote.bid) if quote is not None and is_quoted else 0.0
    distance = max(rule.atr_multiple * atr, rule.fraction_min * close, rule.spreads_min * spread)
    stop = round_to_tick(entry - max(_money(distance), 2 * CENT))
    if stop <= 0:
        return None
    # Upwards and from the rounded stop: rounding must not eat into the minimum reward/risk.
    reward = (entry - stop) * rule.reward_risk
    return Bracket(entry, stop, (entry + reward).quantize(CENT, rounding=ROUND_CEILING))


def _money(value: float) -> Decimal:
    return round_to_tick(Decimal(f"{value:.6f}"))
