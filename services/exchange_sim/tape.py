"""The newest quote and trade of each symbol, as matching and valuation see them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from services.exchange_sim.market.port import Market
from services.exchange_sim.matching import Point
from shared.models.market import Quote


class Tape:
    """Fed by the market's events; asks the market for a symbol that has had none yet."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._quotes: dict[str, Quote] = {}
        self._trades: dict[str, Decimal] = {}
        self._trade_times: dict[str, datetime] = {}

    def note_quote(self, quote: Quote) -> None:
        """Take a newer quote."""
        self._quotes[quote.symbol] = quote

    def note_trade(self, symbol: str, price: Decimal, at: datetime) -> None:
        """Take a newer trade."""
        self._trades[symbol] = price
        self._trade_times[symbol] = at

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Return the newest quote, None when the symbol has none."""
        if symbol not in self._quotes:
            found = self._market.quote(symbol, now)
            if found is None:
                return None
            self._quotes[symbol] = found
        return self._quotes[symbol]

    def last(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the price of the newest trade, the middle of the quote when there was none."""
        if symbol not in self._trades:
            found = self._market.last_trade(symbol, now)
            if found is None:
                quote = self.quote(symbol, now)
                return quote.mid if quote is not None and quote.is_tradable else None
            self.note_trade(symbol, found.price, found.at)
        return self._trades[symbol]

    def forget(self, symbol: str) -> None:
        """Ask the market again: a split has changed what a share is."""
        self._quotes.pop(symbol, None)
        self._trades.pop(symbol, None)

    def last_trade_at(self, symbol: str) -> datetime | None:
        """Return when the newest trade happened, None when none was seen."""
        return self._trade_times.get(symbol)

    def point(self, symbol: str, now: datetime) -> Point | None:
        """Return the symbol's moment for matching, None while it has no price."""
        quote, last = self.quote(symbol, now), self.last(symbol, now)
        if quote is None or last is None:
            return None
        return Point(bid=quote.bid, ask=quote.ask, last=last)

    def bid_ask(self, symbol: str, now: datetime) -> tuple[Decimal, Decimal] | None:
        """Return bid and ask, the last trade standing in for a missing side."""
        point = self.point(symbol, now)
        if point is None:
            return None
        return (point.bid or point.last, point.ask or point.last)
