"""Bid and ask around a price, for bars that come without quotes."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from shared.models.market import Quote
from shared.models.numbers import CENT

EXTENDED_SPREAD = 5
"""In extended hours bid and ask stand so many times as far apart as in the session,"""
EXTENDED_LOTS = 1
"""with so many hundreds of shares on each side."""
_SMALL_TICK = Decimal("0.0001")


def quote_around(
    symbol: str, at: datetime, price: Decimal, spread_bps: Decimal, round_lots: int = 2
) -> Quote:
    """Return a quote of `spread_bps` basis points around the price, at least one tick wide
    unless the spread is 0; `round_lots` hundreds of shares stand on each side.
    """
    tick = CENT if price >= 1 else _SMALL_TICK
    middle = max(1, int((price / tick).to_integral_value(ROUND_HALF_EVEN)))
    width = 0
    if spread_bps > 0:
        wanted = price * spread_bps / (10_000 * tick)
        width = max(1, int(wanted.to_integral_value(ROUND_HALF_EVEN)))
    bid = max(1, middle - width // 2)
    size = 100 * max(1, round_lots)
    return Quote(
        symbol=symbol,
        at=at,
        bid=bid * tick,
        ask=(bid + width) * tick,
        bid_size=size,
        ask_size=size,
    )
