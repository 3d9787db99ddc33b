"""Market data over HTTP: bars with pages, latest bars, quotes and trades, snapshots."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import (
    moment_of,
    reply,
    short_stamp,
    whole_number,
    word_list,
)
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.market.port import ONE_DAY, ONE_MINUTE, BarQuery
from services.exchange_sim.market.timeframe import parse_timeframe
from services.exchange_sim.records import Refusal
from services.exchange_sim.wire import Document
from services.exchange_sim.wire_market import bar_document, quote_document, trade_document
from shared.models.market import Candle

BARS_DEFAULT = 1_000
BARS_MAX = 10_000
_LATEST_WITHIN = timedelta(days=7)
_RECENT = timedelta(minutes=15)
_BAD_REQUEST = 400
_BAD_CODE = 40010001
_TICK = timedelta(microseconds=1)


def _bad(message: str) -> Refusal:
    return Refusal(_BAD_REQUEST, _BAD_CODE, message)


def _limit(request: Request) -> int:
    try:
        return whole_number(request, "limit", BARS_DEFAULT, BARS_MAX)
    except Refusal as refusal:
        raise _bad(f"invalid limit: {refusal.message}") from None


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a page of bars begins: a symbol and the last bar already given."""

    symbol: str = ""
    after: datetime | None = None

    def token(self) -> str:
        text = f"{self.symbol}|{short_stamp(self.after)}" if self.after else self.symbol
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def read(cls, token: str | None) -> _Page:
        if not token:
            return cls()
        try:
            symbol, _, stamp = base64.urlsafe_b64decode(token).decode().partition("|")
        except (binascii.Error, ValueError):
            raise _bad("invalid page_token") from None
        return cls(symbol, moment_of(stamp, "page_token") if stamp else None)


class MarketDataRoutes:
    """The endpoints under /v2/stocks."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        routes = [
            Route("/v2/stocks/bars", self.bars),
            Route("/v2/stocks/snapshots", self.snapshots),
            Route("/v2/stocks/{symbol}/bars", self.bars_of_one),
            Route("/v2/stocks/{symbol}/snapshot", self.snapshot_of_one),
        ]
        for name, read in (("quote", self._quote), ("trade", self._trade), ("bar", self._bar)):
            routes.append(Route(f"/v2/stocks/{name}s/latest", self._latest_of_many(name, read)))
            path = f"/v2/stocks/{{symbol}}/{name}s/latest"
            routes.append(Route(path, self._latest_of_one(name, read)))
        return routes

    # --- bars

    async def bars(self, request: Request) -> Response:
        """GET bars of several symbols, sorted by symbol and time."""
        symbols = sorted(word_list(request, "symbols"))
        if not symbols:
            raise _bad("symbols is required")
        bars, token = self._page_of_bars(request, symbols)
        return reply({"bars": bars, "next_page_token": token})

    async def bars_of_one(self, request: Request) -> Response:
        """GET bars of one symbol."""
        symbol = request.path_params["symbol"].upper()
        bars, token = self._page_of_bars(request, [symbol])
        return reply({"symbol": symbol, "bars": bars.get(symbol, []), "next_page_token": token})

    def _page_of_bars(
        self, request: Request, symbols: list[str]
    ) -> tuple[dict[str, list[Document]], str | None]:
        query, left = self._bar_query(request), _limit(request)
        page = _Page.read(request.query_params.get("page_token"))
        descending = request.query_params.get("sort") == "desc"
        found: dict[str, list[Document]] = {}
        for symbol in symbols:
            if symbol < page.symbol:
                continue
            after = page.after if symbol == page.symbol else None
            one = replace(query, symbol=symbol, limit=left + 1)
            candles = self._candles(one, after, descending=descending)
            if candles:
                found[symbol] = [bar_document(candle) for candle in candles[:left]]
            if len(candles) > left:
                last = candles[left - 1].start if left else after
                found = {name: bars for name, bars in found.items() if bars}
                return found, _Page(symbol, last).token()
            left -= len(candles)
        return found, None

    def _candles(
        self, query: BarQuery, after: datetime | None, *, descending: bool
    ) -> list[Candle]:
        if after is not None and descending:
            query = replace(query, end=after - _TICK)
        elif after is not None:
            query = replace(query, start=after + _TICK)
        if descending:
            query = replace(query, limit=None)  # the market counts from the oldest
        candles = list(self._exchange.market.bars(query))
        return candles[::-1] if descending else candles

    def _bar_query(self, request: Request) -> BarQuery:
        words, now = request.query_params, self._exchange.now
        try:
            timeframe = parse_timeframe(words.get("timeframe") or "1Day")
        except ValueError as wrong:
            raise _bad(str(wrong)) from None
        midnight = datetime.combine(now.astimezone(NEW_YORK).date(), time(0), NEW_YORK)
        start, end = words.get("start"), words.get("end")
        return BarQuery(
            symbol="",
            start=moment_of(start, "start") if start else midnight.astimezone(UTC),
            end=moment_of(end, "end") if end else now,
            timeframe=timeframe,
            now=now,
        )

    # --- latest

    def _latest_of_many(self, name: str, read: Callable[[str], Document | None]) -> Any:
        async def endpoint(request: Request) -> Response:
            found = {symbol: read(symbol) for symbol in word_list(request, "symbols")}
            return reply({f"{name}s": {key: value for key, value in found.items() if value}})

        return endpoint

    def _latest_of_one(self, name: str, read: Callable[[str], Document | None]) -> Any:
        async def endpoint(request: Request) -> Response:
            symbol = request.path_params["symbol"].upper()
            found = read(symbol)
            if found is None:
                raise _bad(f"no {name} found for {symbol}")
            return reply({"symbol": symbol, name: found})

        return endpoint

    def _quote(self, symbol: str) -> Document | None:
        if symbol not in self._exchange.market.symbols:
            return None
        quote = self._exchange.tape.quote(symbol, self._exchange.now)
        return quote_document(quote) if quote else None

    def _trade(self, symbol: str) -> Document | None:
        trade = self._exchange.market.last_trade(symbol, self._exchange.now)
        return trade_document(trade.price, trade.size, trade.at) if trade else None

    def _bar(self, symbol: str) -> Document | None:
        now = self._exchange.now
        for within in (_RECENT, _LATEST_WITHIN):
            found = self._exchange.market.bars(BarQuery(symbol, now - within, now, ONE_MINUTE, now))
            if found:
                return bar_document(found[-1])
        return None

    # --- snapshots

    async def snapshots(self, request: Request) -> Response:
        """GET snapshots: a bare object keyed by symbol."""
        known = [
            symbol
            for symbol in word_list(request, "symbols")
            if symbol in self._exchange.market.symbols
        ]
        return reply({symbol: self._snapshot(symbol) for symbol in known})

    async def snapshot_of_one(self, request: Request) -> Response:
        """GET one snapshot."""
        symbol = request.path_params["symbol"].upper()
        if symbol not in self._exchange.market.symbols:
            raise _bad(f"no snapshot found for {symbol}")
        return reply({"symbol": symbol, **self._snapshot(symbol)})

    def _snapshot(self, symbol: str) -> Document:
        now = self._exchange.now
        days = self._exchange.market.bars(BarQuery(symbol, now - _LATEST_WITHIN, now, ONE_DAY, now))
        return {
            "latestTrade": self._trade(symbol),
            "latestQuote": self._quote(symbol),
            "minuteBar": self._bar(symbol),
            "dailyBar": bar_document(days[-1]) if days else None,
            "prevDailyBar": bar_document(days[-2]) if len(days) > 1 else None,
        }
