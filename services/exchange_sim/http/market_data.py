"""Market data over HTTP: history with pages, the latest of each kind, snapshots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.data_plan import DataPlan
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.data_pages import Cursor, Page, Point, Source, parts_of, read_page
from services.exchange_sim.http.data_request import (
    DataRefusal,
    Range,
    adjusts_for_splits,
    check_latest,
    limit_of,
    range_of,
    symbols_of,
    timeframe_of,
)
from services.exchange_sim.http.replies import reply
from services.exchange_sim.http.turns import Turns
from services.exchange_sim.market.history import minutes_of
from services.exchange_sim.market.port import (
    ONE_DAY,
    ONE_MINUTE,
    BarQuery,
    BarUnit,
    TickQuery,
    Timeframe,
)
from services.exchange_sim.market.timeframe import bucket_start, is_intraday
from services.exchange_sim.stamps import tick_rest
from services.exchange_sim.steps import Steps
from services.exchange_sim.wire import Document
from services.exchange_sim.wire_market import bar_document, quote_document, trade_document

_LATEST_WITHIN = timedelta(days=7)
_PART = timedelta(days=1)
"""So much history is read without a rest; a few bars where they are long."""
_BARS_PER_PART = 4
_BEGINNINGS_KEPT = 4_096
_NOT_FOUND = 404
Endpoint = Callable[[Request], Awaitable[Response]]
Found = TypeVar("Found")


class MarketDataRoutes:
    """The endpoints under /v2/stocks."""

    def __init__(self, exchange: Exchange, plan: DataPlan) -> None:
        self._exchange = exchange
        self._plan = plan
        self._turns = Turns()
        self._first_bucket = lru_cache(maxsize=_BEGINNINGS_KEPT)(self._make_first_bucket)
        """Where a symbol's bars of a length begin; a market's oldest bar stays its oldest."""

    def routes(self) -> list[Route]:
        """Return the routes."""
        routes = [
            Route("/v2/stocks/snapshots", self.snapshots),
            Route("/v2/stocks/{symbol}/snapshot", self.snapshot_of_one),
        ]
        readers = {"bars": self._bars, "quotes": self._quotes, "trades": self._trades}
        for kind, reader in readers.items():
            routes.append(Route(f"/v2/stocks/{kind}", self._history(kind, reader)))
            routes.append(Route(f"/v2/stocks/{{symbol}}/{kind}", self._history(kind, reader)))
        newest = {"quote": self._quote, "trade": self._trade, "bar": self._bar}
        for name, read in newest.items():
            routes.append(Route(f"/v2/stocks/{name}s/latest", self._latest_of_many(name, read)))
            path = f"/v2/stocks/{{symbol}}/{name}s/latest"
            routes.append(Route(path, self._latest_of_one(name, read)))
        return routes

    # --- history

    def _history(self, kind: str, source_of: Callable[[Request], Source]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            symbols = symbols_of(request)
            page = await self._turns.finish(self._page(request, source_of(request), symbols))
            document: Document = {kind: page.points, "next_page_token": page.next_token}
            if "symbol" in request.path_params:
                document |= {"symbol": symbols[0], kind: page.points.get(symbols[0], [])}
            return reply(document)

        return endpoint

    def _page(self, request: Request, source: Source, symbols: Sequence[str]) -> Steps[Page]:
        span = range_of(request, self._exchange.now, self._plan)
        cursor = Cursor.read(request.query_params.get("page_token"))
        return read_page(source, symbols, span, cursor, limit_of(request))

    def _bars(self, request: Request) -> Source:
        timeframe, for_splits = timeframe_of(request), adjusts_for_splits(request)
        market = self._exchange.market
        length = timedelta(minutes=minutes_of(timeframe))

        def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
            bars_of = market.adjusted_bars if for_splits else market.traded_bars
            bars = bars_of(_bar_query(symbol, span, timeframe, count))
            return [Point(bar.candle.start, bar_document(bar)) for bar in bars]

        def begins(symbol: str) -> datetime | None:
            return self._first_bucket(symbol, timeframe)

        def read_days(symbol: str, part: Range) -> Iterator[None]:
            # A market remembers its days: a year made of them then costs nothing.
            end = min(part.end + length, part.now)
            days = replace(part, start=bucket_start(part.start, timeframe), end=end)
            for few in parts_of(days, _PART):
                market.traded_bars(_bar_query(symbol, few, ONE_DAY, None))
                yield

        if is_intraday(timeframe):
            return Source(read, begins, max(_PART, _BARS_PER_PART * length))
        if timeframe.unit is BarUnit.DAY:
            return Source(read, begins, _PART)
        return Source(read, begins, length, read_days)

    def _make_first_bucket(self, symbol: str, timeframe: Timeframe) -> datetime | None:
        moment = self._exchange.market.history_begins(symbol)
        return bucket_start(moment, timeframe) if moment else None

    def _trades(self, _request: Request) -> Source:
        def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
            trades = self._exchange.market.trades(_tick_query(symbol, span, count))
            return [Point(trade.at, trade_document(trade)) for trade in trades]

        return Source(read, self._exchange.market.history_begins, _PART, rest=tick_rest)

    def _quotes(self, _request: Request) -> Source:
        def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
            quotes = self._exchange.market.quotes(_tick_query(symbol, span, count))
            return [Point(quote.at, quote_document(quote)) for quote in quotes]

        return Source(read, self._exchange.market.history_begins, _PART, rest=tick_rest)

    # --- latest

    def _latest_of_many(self, name: str, read: Callable[[str], Document | None]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            check_latest(request, self._plan)
            found = await self._turns.finish(_each(symbols_of(request), read))
            return reply({f"{name}s": {key: value for key, value in found.items() if value}})

        return endpoint

    def _latest_of_one(self, name: str, read: Callable[[str], Document | None]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            check_latest(request, self._plan)
            symbol = symbols_of(request)[0]
            found = read(symbol)
            if found is None:
                raise DataRefusal(f"no {name} found for {symbol}", _NOT_FOUND)
            return reply({"symbol": symbol, name: found})

        return endpoint

    def _quote(self, symbol: str) -> Document | None:
        if symbol not in self._exchange.market.symbols:
            return None
        quote = self._exchange.tape.quote(symbol, self._exchange.now)
        return quote_document(quote) if quote else None

    def _trade(self, symbol: str) -> Document | None:
        trade = self._exchange.market.last_trade(symbol, self._exchange.now)
        return trade_document(trade) if trade else None

    def _bar(self, symbol: str) -> Document | None:
        newest = self._newest_bars(symbol, ONE_MINUTE, 1)
        return newest[0] if newest else None

    def _newest_bars(self, symbol: str, timeframe: Timeframe, count: int) -> list[Document]:
        now = self._exchange.now
        query = BarQuery(symbol, now - _LATEST_WITHIN, now, timeframe, now, count, True)
        return [bar_document(bar) for bar in self._exchange.market.traded_bars(query)]

    # --- snapshots

    async def snapshots(self, request: Request) -> Response:
        """GET snapshots: a bare object keyed by symbol."""
        check_latest(request, self._plan)
        known = self._exchange.market.symbols
        symbols = [symbol for symbol in symbols_of(request) if symbol in known]
        return reply(await self._turns.finish(_each(symbols, self._snapshot)))

    async def snapshot_of_one(self, request: Request) -> Response:
        """GET one snapshot."""
        check_latest(request, self._plan)
        symbol = symbols_of(request)[0]
        if symbol not in self._exchange.market.symbols:
            raise DataRefusal(f"no snapshot found for {symbol}", _NOT_FOUND)
        return reply({"symbol": symbol, **self._snapshot(symbol)})

    def _snapshot(self, symbol: str) -> Document:
        days: list[Document | None] = [*self._newest_bars(symbol, ONE_DAY, 2), None, None]
        return {
            "latestTrade": self._trade(symbol),
            "latestQuote": self._quote(symbol),
            "minuteBar": self._bar(symbol),
            "dailyBar": days[0],
            "prevDailyBar": days[1],
        }


def _each(symbols: Sequence[str], read: Callable[[str], Found]) -> Steps[dict[str, Found]]:
    found = {}
    for symbol in symbols:
        found[symbol] = read(symbol)
        yield
    return found


def _bar_query(symbol: str, span: Range, timeframe: Timeframe, count: int | None) -> BarQuery:
    return BarQuery(symbol, span.start, span.end, timeframe, span.now, count, span.newest_first)


def _tick_query(symbol: str, span: Range, count: int) -> TickQuery:
    return TickQuery(symbol, span.start, span.end, span.now, count, span.newest_first)
