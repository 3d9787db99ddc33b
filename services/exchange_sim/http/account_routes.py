"""Account, configurations, clock and calendar over HTTP."""

from __future__ import annotations

from datetime import date, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.configuration import read_changes
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import moment_of, read_body, reply
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.ticket import bad_form
from services.exchange_sim.wire_account import (
    account_document,
    calendar_document,
    clock_document,
    configuration_document,
)

_CALENDAR_FIRST, _CALENDAR_LAST = date(1970, 1, 1), date(2029, 12, 31)
_CALENDAR_DAYS = 366
_SETTLING_DAYS = timedelta(days=15)


class AccountRoutes:
    """What the account is, and when it may trade."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v2/account", self.account),
            Route("/v2/account/configurations", self.configurations),
            Route("/v2/account/configurations", self.configure, methods=["PATCH"]),
            Route("/v2/clock", self.clock),
            Route("/v2/calendar", self.calendar),
        ]

    async def account(self, _request: Request) -> Response:
        """GET the account's numbers."""
        exchange = self._exchange
        books, worth = exchange.books, exchange.desk.worth(exchange.now)
        old = books.switches.day_trade_fields
        return reply(account_document(books.account, worth, day_trade_fields=old))

    async def configurations(self, _request: Request) -> Response:
        """GET the configurations."""
        books = self._exchange.books
        old = books.switches.day_trade_fields
        return reply(configuration_document(books.account.configuration, day_trade_fields=old))

    async def configure(self, request: Request) -> Response:
        """PATCH the configurations that this exchange obeys; others are ignored."""
        self._exchange.configure(**read_changes(await read_body(request)))
        return await self.configurations(request)

    async def clock(self, _request: Request) -> Response:
        """GET market time."""
        return reply(clock_document(self._exchange.clock()))

    async def calendar(self, request: Request) -> Response:
        """GET sessions; a year from today on when no range is asked for."""
        first = _day(request, "start") or new_york_day(self._exchange.now)
        last = _day(request, "end") or first + timedelta(days=_CALENDAR_DAYS)
        if first > last:
            raise bad_form(f"end {last} lies before start {first}")
        first, last = max(first, _CALENDAR_FIRST), min(last, _CALENDAR_LAST)
        if first > last:
            return reply([])
        sessions = self._exchange.market.sessions(first, last + _SETTLING_DAYS)
        following = [*sessions[1:], None]
        pairs = zip(sessions, following, strict=True)
        return reply([calendar_document(one, then) for one, then in pairs if one.day <= last])


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    return moment_of(text[: len("2026-11-20")], name).date() if text else None
