"""What was traded before a split, told in the shares after it; `ratio` new shares for an old one.

Pure. A ratio of one gives back the very same value.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from shared.models.market import Candle, Quote
from shared.models.numbers import round_to_tick

_FINEST_PRICE = Decimal("0.0001")


def price_after(value: Decimal, ratio: Decimal) -> Decimal:
    """Return a price; what costs nothing stays so, anything else keeps the finest tick."""
    if ratio == 1 or value <= 0:
        return value
    return max(_FINEST_PRICE, round_to_tick(value / ratio))


def quote_after(quote: Quote, ratio: Decimal) -> Quote:
    """Return a quote; its sizes are lots and stay."""
    if ratio == 1:
        return quote
    return replace(quote, bid=price_after(quote.bid, ratio), ask=price_after(quote.ask, ratio))


def candle_after(candle: Candle, ratio: Decimal) -> Candle:
    """Return a candle, its volume in new shares too."""
    if ratio == 1:
        return candle
    return replace(
        candle,
        open=price_after(candle.open, ratio),
        high=price_after(candle.high, ratio),
        low=price_after(candle.low, ratio),
        close=price_after(candle.close, ratio),
        volume=int(candle.volume * ratio),
    )
