"""Activities and portfolio history over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import end_or_none, moment_or_none, reply, whole_number
from services.exchange_sim.market.calendar import NEW_YORK, new_york_day
from services.exchange_sim.movements import Activity, Movement, MovementKind
from services.exchange_sim.portfolio_history import (
    TRANSFERS,
    Base,
    HistoryQuery,
    Point,
    history_document,
    read_query,
    stock_of,
    values,
    windows,
)
from services.exchange_sim.records import ZERO
from services.exchange_sim.store_activities import ACTIVITIES_MAX, ActivityQuery
from services.exchange_sim.ticket import bad_form
from services.exchange_sim.wire_activities import FILL, KINDS, activity_document

_CATEGORIES = {
    "trade_activity": frozenset({FILL}),
    "non_trade_activity": frozenset(map(str, MovementKind)),
}
_DIRECTIONS = ("asc", "desc")
_ONE_DAY = timedelta(days=1)
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9000, 1, 1)
"""Earlier and later days have no activity either, and can be computed with."""


class ActivityRoutes:
    """What happened to the account, and what it was worth."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v2/account/activities", self.activities),
            Route("/v2/account/activities/{kind}", self.activities),
            Route("/v2/account/portfolio/history", self.history),
        ]

    async def activities(self, request: Request) -> Response:
        """GET one page of activities, of every kind or of some."""
        kinds = _kinds(request)
        if kinds is not None and not kinds & KINDS:
            return reply([])  # kinds of the broker that never happen here
        rows = self._exchange.activities.page(self._query(request, kinds or frozenset()))
        return reply([activity_document(row) for row in rows])

    def _query(self, request: Request, kinds: frozenset[str]) -> ActivityQuery:
        words = request.query_params
        direction = words.get("direction") or "desc"
        if direction not in _DIRECTIONS:
            raise bad_form(f"invalid direction: {direction[:20]}")
        after, until = moment_or_none(request, "after"), end_or_none(request, "until")
        if words.get("date"):
            if after or until:
                raise bad_form("date cannot be used with after or until")
            after, until = _bounds(words["date"])
        lag = timedelta(seconds=self._exchange.books.switches.activities_lag_s)
        return ActivityQuery(
            kinds=kinds,
            after=after,
            until=until,
            visible_until=self._exchange.now - lag if lag else None,
            ascending=direction == "asc",
            page_size=whole_number(request, "page_size", ACTIVITIES_MAX, ACTIVITIES_MAX),
            page_token=words.get("page_token") or None,
        )

    async def history(self, request: Request) -> Response:
        """GET equity by window, told from the activities and the market."""
        exchange = self._exchange
        query = read_query(request.query_params, new_york_day(exchange.now))
        account = exchange.books.account
        first = max(query.first, new_york_day(account.created_at))
        sessions = exchange.market.sessions(first, query.last) if first <= query.last else ()
        spans = windows(query, sessions, exchange.now)
        stock = stock_of(account.cash, exchange.books.positions.values())
        since = spans[0][0] if spans else exchange.now
        ends = [end for _, end, _ in spans]
        worth = values(ends, stock, self._newest_first(since), self._price)
        points = [Point(*span, equity) for span, equity in zip(spans, worth, strict=True)]
        base = self._base(query, points)
        told = self._newest_first(min(since, base.at), TRANSFERS | query.cashflow_kinds)
        movements = [one for one in told if isinstance(one, Movement)]
        return reply(history_document(query, points, base, movements))

    def _base(self, query: HistoryQuery, points: list[Point]) -> Base:
        account = self._exchange.books.account
        if not points:
            return Base(account.start_cash, account.created_at)
        if query.step is not None:
            earlier = (one for one in self._exchange.books.days if one.at <= points[0].begins)
            close = max(earlier, key=lambda one: one.at, default=None)
            if close is not None:
                return Base(close.equity, close.at, close.day)
        return Base(points[0].equity, points[0].ends)

    def _price(self, symbol: str, at: datetime) -> Decimal:
        trade = self._exchange.market.last_trade(symbol, at)
        return trade.price if trade is not None else ZERO

    def _newest_first(
        self, since: datetime, kinds: frozenset[str] = frozenset()
    ) -> Iterator[Activity]:
        token: str | None = None
        while True:
            page = self._exchange.activities.page(ActivityQuery(kinds, since, page_token=token))
            yield from page
            if len(page) < ACTIVITIES_MAX:
                return
            token = activity_document(page[-1])["id"]


def _kinds(request: Request) -> frozenset[str] | None:
    words = request.path_params.get("kind") or request.query_params.get("activity_types")
    category = request.query_params.get("category")
    if words and category:
        raise bad_form("category cannot be used with activity_types")
    if category:
        if category not in _CATEGORIES:
            raise bad_form(f"invalid category: {category[:20]}")
        return _CATEGORIES[category]
    if not words:
        return None
    return frozenset(word.strip().upper() for word in words.split(",") if word.strip())


def _bounds(text: str) -> tuple[datetime, datetime]:
    """Return the edges, exclusive, of a New York day."""
    try:
        day = date.fromisoformat(text[: len("2026-11-20")])
    except ValueError:
        raise bad_form(f"invalid format for parameter date: {text[:40]}") from None
    day = min(max(day, _FIRST_DAY), _LAST_DAY)
    begins = datetime.combine(day, time(0), NEW_YORK)
    ends = datetime.combine(day + _ONE_DAY, time(0), NEW_YORK)
    return begins - timedelta(microseconds=1), ends
