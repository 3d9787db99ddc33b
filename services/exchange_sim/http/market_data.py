"""Market data over HTTP: history with pages, the latest of each kind, snapshots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.data_plan import DataPlan
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.data_pages import Cursor, Page, Point, Read, read_page
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
from services.exchange_sim.market.port import ONE_DAY, ONE_MINUTE, BarQuery, TickQuery, Timeframe
from services.exchange_sim.wire import Document
from services.exchange_sim.wire_market import bar_document, quote_document, trade_document

_LATEST_WITHIN = timedelta(days=7)
_NOT_FOUND = 404
Endpoint = Callable[[Request], Awaitable[Response]]


class MarketDataRoutes:
    """The endpoints under /v2/stocks."""

    def __init__(self, exchange: Exchange, plan: DataPlan) -> None:
        self._exchange = exchange
        self._plan = plan

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

    def _history(self, kind: str, reader: Callable[[Request], Read]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            symbols = symbols_of(request)
            page = self._page(request, reader(request), symbols)
            document: Document = {kind: page.points, "next_page_token": page.next_token}
            if "symbol" in request.path_params:
                document |= {"symbol": symbols[0], kind: page.points.get(symbols[0], [])}
            return reply(document)

        return endpoint

    def _page(self, request: Request, read: Read, symbols: Sequence[str]) -> Page:
        span = range_of(request, self._exchange.now, self._plan)
        cursor = Cursor.read(request.query_params.get("page_token"))
        return read_page(read, symbols, span, cursor, limit_of(request))

    def _bars(self, request: Request) -> Read:
        timeframe, for_splits = timeframe_of(request), adjusts_for_splits(request)
        market = self._exchange.market

        def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
            bars = market.traded_bars(_bar_query(symbol, span, timeframe, count))
            if for_splits:
                bars = tuple(market.adjusted(bar, span.now) for bar in bars)
            return [Point(bar.candle.start, bar_document(bar)) for bar in bars]

        return read

    def _trades(self, _request: Request) -> Read:
        def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
            trades = self._exchange.market.trades(_tick_query(symbol, span, count))
            return [Point(trade.at, trade_document(trade)) for trade in trades]

        return read

    def _quotes(self, _request: Request) -> Read:
        def read(symbol: str, span: Range, count: int) -> Sequence[Point]:
            quotes = self._exchange.market.quotes(_tick_query(symbol, span, count))
            return [Point(quote.at, quote_document(quote)) for quote in quotes]

        return read

    # --- latest

    def _latest_of_many(self, name: str, read: Callable[[str], Document | None]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            check_latest(request, self._plan)
            found = {symbol: read(symbol) for symbol in symbols_of(request)}
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
        return reply({symbol: self._snapshot(symbol) for symbol in symbols})

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


def _bar_query(symbol: str, span: Range, timeframe: Timeframe, count: int) -> BarQuery:
    return BarQuery(symbol, span.start, span.end, timeframe, span.now, count, span.newest_first)


def _tick_query(symbol: str, span: Range, count: int) -> TickQuery:
    return TickQuery(symbol, span.start, span.end, span.now, count, span.newest_first)
