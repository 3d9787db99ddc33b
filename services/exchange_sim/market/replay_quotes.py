"""Bid and ask around the minutes of a replay: recorded ones where there are some. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from services.exchange_sim.market.bar_file import epoch_minute
from services.exchange_sim.market.played import PlayedSeries
from services.exchange_sim.market.spread import EXTENDED_LOTS, EXTENDED_SPREAD, quote_around
from shared.models.market import Candle, Quote

_ONE_MINUTE = timedelta(minutes=1)


class ReplayQuotes:
    """Quotes of recorded minutes, wider and thinner in extended hours."""

    def __init__(self, series: Mapping[str, PlayedSeries], spread_bps: Decimal) -> None:
        self._series = series
        self._spread_bps = spread_bps

    def of_minute(self, candle: Candle) -> list[Quote]:
        """Return the quotes around the minute's open and at its close."""
        return [self.opening(candle), self.closing(candle)]

    def opening(self, candle: Candle) -> Quote:
        """Return the quote around the minute's open."""
        return self._around(candle, candle.start, candle.open)

    def closing(self, candle: Candle) -> Quote:
        """Return the quote as it stood at the minute's end."""
        at = candle.start + _ONE_MINUTE
        sides = self._series[candle.symbol].quote_sides(epoch_minute(candle.start))
        if sides is None:
            return self._around(candle, at, candle.close)
        bid, bid_size, ask, ask_size = sides
        return Quote(candle.symbol, at, bid, ask, bid_size, ask_size)

    def _around(self, candle: Candle, at: datetime, price: Decimal) -> Quote:
        if self._series[candle.symbol].is_extended(epoch_minute(candle.start)):
            spread_bps = self._spread_bps * EXTENDED_SPREAD
            return quote_around(candle.symbol, at, price, spread_bps, EXTENDED_LOTS)
        return quote_around(candle.symbol, at, price, self._spread_bps)
