"""Account, positions, clock, calendar, assets and activities over HTTP."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.account import available_qty
from services.exchange_sim.desk import not_found
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import (
    moment_of,
    moment_or_none,
    read_body,
    reply,
    whole_number,
)
from services.exchange_sim.listing import ACTIVITIES_MAX, ActivityQuery, list_activities
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.naming import asset_id
from services.exchange_sim.records import SimPosition
from services.exchange_sim.ticket import bad_form, flag, positive
from services.exchange_sim.wire import Document, activity_document
from services.exchange_sim.wire_account import (
    account_document,
    asset_document,
    calendar_document,
    clock_document,
    configuration_document,
    history_document,
    position_document,
)

_FLAGS = ("suspend_trade", "no_shorting", "fractional_trading", "ptp_no_exception_entry")
_MARGIN_MULTIPLIERS = ("1", "2", "4")
_EMAILS = ("all", "none")
_CALENDAR_FIRST, _CALENDAR_LAST = date(1970, 1, 1), date(2029, 12, 31)
_CALENDAR_DAYS = 366
_WHOLE_PERCENT = Decimal(100)
_QTY_DIGITS = Decimal("0.000000001")


class AccountRoutes:
    """What the account is and has, and when it may trade."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v2/account", self.account),
            Route("/v2/account/configurations", self.configurations),
            Route("/v2/account/configurations", self.configure, methods=["PATCH"]),
            Route("/v2/account/activities", self.activities),
            Route("/v2/account/activities/{kind}", self.activities),
            Route("/v2/account/portfolio/history", self.history),
            Route("/v2/clock", self.clock),
            Route("/v2/calendar", self.calendar),
            Route("/v2/assets", self.assets),
            Route("/v2/assets/{symbol}", self.asset),
        ]

    async def account(self, _request: Request) -> Response:
        """GET the account's numbers."""
        exchange = self._exchange
        worth = exchange.desk.worth(exchange.now)
        return reply(account_document(exchange.books.account, worth))

    async def configurations(self, _request: Request) -> Response:
        """GET the configurations."""
        return reply(configuration_document(self._exchange.books.account.configuration))

    async def configure(self, request: Request) -> Response:
        """PATCH the configurations that this exchange obeys; others are ignored."""
        body = await read_body(request)
        fields: dict[str, Any] = {name: flag(body[name]) for name in _FLAGS if name in body}
        if "max_margin_multiplier" in body:
            if str(body["max_margin_multiplier"]) not in _MARGIN_MULTIPLIERS:
                raise bad_form("max_margin_multiplier must be 1, 2 or 4")
            fields["max_margin_multiplier"] = int(body["max_margin_multiplier"])
        if "trade_confirm_email" in body:
            if body["trade_confirm_email"] not in _EMAILS:
                raise bad_form("trade_confirm_email must be all or none")
            fields["trade_confirm_email"] = body["trade_confirm_email"]
        self._exchange.configure(**fields)
        return await self.configurations(request)

    async def activities(self, request: Request) -> Response:
        """GET one page of activities; this exchange has fills only."""
        words = request.query_params
        kinds = request.path_params.get("kind") or words.get("activity_types") or "FILL"
        if "FILL" not in kinds.upper().split(","):
            return reply([])
        after, until = moment_or_none(request, "after"), moment_or_none(request, "until")
        if words.get("date"):
            after = moment_of(words["date"], "date")
            until = after + timedelta(days=1)
        query = ActivityQuery(
            after=after,
            until=until,
            ascending=words.get("direction") == "asc",
            page_size=whole_number(request, "page_size", ACTIVITIES_MAX, ACTIVITIES_MAX),
            page_token=words.get("page_token") or None,
        )
        fills = list_activities(self._exchange.books.fills, query)
        return reply([activity_document(fill) for fill in fills])

    async def history(self, _request: Request) -> Response:
        """GET equity by day, the running day last."""
        exchange = self._exchange
        days = [(int(day.at.timestamp()), day.equity) for day in exchange.books.days]
        days.append((int(exchange.now.timestamp()), exchange.desk.worth(exchange.now).equity))
        return reply(history_document(days, exchange.books.account.start_cash))

    async def clock(self, _request: Request) -> Response:
        """GET market time."""
        return reply(clock_document(self._exchange.clock()))

    async def calendar(self, request: Request) -> Response:
        """GET sessions; a year from today on when no range is asked for."""
        today = self._exchange.now.astimezone(NEW_YORK).date()
        first = _day(request, "start") or today
        last = _day(request, "end") or first + timedelta(days=_CALENDAR_DAYS)
        first, last = max(first, _CALENDAR_FIRST), min(last, _CALENDAR_LAST)
        sessions = self._exchange.market.sessions(first, last) if first <= last else ()
        return reply([calendar_document(session) for session in sessions])

    async def assets(self, request: Request) -> Response:
        """GET every asset."""
        words = request.query_params
        other_class = words.get("asset_class", "us_equity") != "us_equity"
        if other_class or words.get("status", "active") != "active":
            return reply([])
        return reply([asset_document(symbol) for symbol in self._exchange.market.symbols])

    async def asset(self, request: Request) -> Response:
        """GET one asset by symbol or id."""
        symbol = symbol_of(self._exchange, request.path_params["symbol"])
        if symbol not in self._exchange.market.symbols:
            raise not_found(f"asset not found for {request.path_params['symbol']}")
        return reply(asset_document(symbol))


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    return moment_of(text[: len("2026-11-20")], name).date() if text else None


def symbol_of(exchange: Exchange, name: str) -> str:
    """Return the symbol that a symbol or an asset id stands for."""
    for symbol in exchange.market.symbols:
        if name == asset_id(symbol):
            return symbol
    return name.upper()


def positions_of(exchange: Exchange, symbol: str | None = None) -> list[Document]:
    """Return positions as documents, sorted by symbol."""
    books = exchange.books
    wanted = sorted(books.positions) if symbol is None else [symbol]
    return [_position(exchange, books.positions[name]) for name in wanted]


def _position(exchange: Exchange, position: SimPosition) -> Document:
    symbol, now = position.symbol, exchange.now
    available = available_qty(position, exchange.books.live_orders(symbol))
    current = exchange.tape.last(symbol, now) or position.avg_entry_price
    lastday = exchange.market.prior_close(symbol, now) or current
    return position_document(position, available, (current, lastday))


def close_qty(request: Request, position: SimPosition | None) -> Decimal | None:
    """Read how much of a position to close; None is all of it."""
    words = request.query_params
    text, percent = words.get("qty"), words.get("percentage")
    if text and percent:
        raise bad_form("only one of qty or percentage is accepted")
    if not text and not percent:
        return None
    if text:
        return positive(text, "qty")
    percentage = positive(percent or "", "percentage")
    if percentage > _WHOLE_PERCENT:
        raise bad_form("percentage must be within 0..100")
    if position is None:
        return percentage
    part = (abs(position.qty) * percentage / _WHOLE_PERCENT).quantize(_QTY_DIGITS, ROUND_DOWN)
    return positive(str(part), "percentage of the position")
