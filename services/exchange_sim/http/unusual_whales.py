"""Unusual Whales over HTTP: its own keys, budgets and errors, beside Alpaca's on one server."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import refusal_reply, reply
from services.exchange_sim.http.turns import Turns
from services.exchange_sim.http.whale_minutes import SessionMinutes
from services.exchange_sim.http.whale_request import (
    WhaleRefusal,
    alert_filter,
    bounds,
    day_of,
    flag,
    limit_of,
    stretch_of,
)
from services.exchange_sim.naming import seeded_uuid
from services.exchange_sim.records import Refusal
from services.exchange_sim.steps import Steps
from services.exchange_sim.unusual_whales.budget import Budget, WhalePlan
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from services.exchange_sim.unusual_whales.flow import DarkPrint, FlowMinute
from services.exchange_sim.unusual_whales.wire import (
    alert_document,
    print_document,
    trade_documents,
)
from services.exchange_sim.unusual_whales.wire_days import (
    day_document,
    state_document,
    tick_document,
    tide_documents,
)
from services.exchange_sim.wire import Document
from shared.clock import Clock

ALERTS_DEFAULT, ALERTS_MAX = 100, 200
PRINTS_DEFAULT, PRINTS_MAX = 100, 500
_UNAUTHORIZED, _TOO_MANY, _NOT_FOUND = 401, 429, 404
_TOKENS_MAX = 1_000
"""So many tokens are counted apart; of more the one that was silent longest is forgotten."""


@dataclass(frozen=True, slots=True)
class WhaleAccess:
    """Who may ask, and how much; without a token everybody who brings one."""

    plan: WhalePlan = field(default_factory=WhalePlan)
    token: str | None = field(default=None, repr=False)

    def admits(self, token: str) -> bool:
        """Whether that token opens."""
        if self.token is None:
            return bool(token)
        return hmac.compare_digest(token.encode(), self.token.encode())


class WhaleRoutes:
    """The endpoints under /api."""

    def __init__(self, exchange: Exchange, feed: WhaleFeed, plan: WhalePlan, turns: Turns) -> None:
        self._exchange = exchange
        self._feed = feed
        self._plan = plan
        self._turns = turns
        self._known = SessionMinutes(exchange, feed, turns)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/option-trades/flow-alerts", self.alerts),
            Route("/api/stock/{ticker}/flow-alerts", self.alerts),
            Route("/api/stock/{ticker}/flow-recent", self.recent_flow),
            Route("/api/stock/{ticker}/net-prem-ticks", self.net_premium),
            Route("/api/stock/{ticker}/options-volume", self.options_volume),
            Route("/api/stock/{ticker}/stock-state", self.stock_state),
            Route("/api/darkpool/recent", self.prints),
            Route("/api/darkpool/{ticker}", self.prints),
            Route("/api/market/market-tide", self.tide),
            Route("/api/market/total-options-volume", self.total_volume),
            Route("/api/market/top-net-impact", self.net_impact),
        ]

    def _symbols(self, name: str | None) -> tuple[str, ...]:
        if not name:
            return self._feed.symbols
        wanted = {word.strip().upper() for word in name.split(",")}
        return tuple(symbol for symbol in self._feed.symbols if symbol in wanted)

    def _ticker(self, request: Request) -> tuple[str, ...]:
        return self._symbols(request.path_params["ticker"])

    async def alerts(self, request: Request) -> Response:
        """GET flow alerts, newest first."""
        name = request.path_params.get("ticker") or request.query_params.get("ticker_symbol")
        limit = limit_of(request, ALERTS_DEFAULT, ALERTS_MAX)
        stretch = stretch_of(request, self._symbols(name), limit)
        steps = self._feed.alerts(stretch, self._exchange.now, alert_filter(request))
        alerts = await self._turns.finish(steps)
        return _data([alert_document(alert, self._plan.form) for alert in alerts])

    async def recent_flow(self, request: Request) -> Response:
        """GET the newest trades of a ticker's alerts."""
        stretch = stretch_of(request, self._ticker(request), limit_of(request, 10, ALERTS_MAX))
        steps = self._feed.alerts(stretch, self._exchange.now, alert_filter(request))
        alerts = await self._turns.finish(steps)
        form = self._plan.form
        return _data([trade for alert in alerts for trade in trade_documents(alert, form)])

    async def prints(self, request: Request) -> Response:
        """GET dark pool prints, newest first."""
        limit = limit_of(request, PRINTS_DEFAULT, PRINTS_MAX)
        stretch = stretch_of(request, self._symbols(request.path_params.get("ticker")), limit)
        now = self._exchange.now
        steps = self._feed.prints(stretch, now, _print_filter(request))
        prints = await self._turns.finish(steps)
        return _data(await self._turns.finish(self._print_documents(prints, now)))

    def _print_documents(self, prints: Iterable[DarkPrint], now: datetime) -> Steps[list[Document]]:
        documents = []
        for one in prints:
            documents.append(print_document(one, self._feed.day_volume(one, now)))
            yield
        return documents

    async def _minutes(self, request: Request, symbols: Iterable[str]) -> list[FlowMinute]:
        session = self._known.session(request)
        if session is None:
            return []
        return [minute for symbol in symbols for minute in await self._known.of(symbol, session)]

    async def net_premium(self, request: Request) -> Response:
        """GET the net premium of each minute: differences, to be summed by the reader."""
        minutes = await self._minutes(request, self._ticker(request))
        return _data([tick_document(one) for one in minutes])

    async def tide(self, request: Request) -> Response:
        """GET the market tide since the session began."""
        step = 5 if flag(request, "interval_5m") else 1
        minutes = await self._minutes(request, self._feed.symbols)
        return _data(tide_documents(minutes, step, otm_only=bool(flag(request, "otm_only"))))

    async def options_volume(self, request: Request) -> Response:
        """GET what a ticker's options came to today."""
        return await self._day(request, self._ticker(request))

    async def total_volume(self, request: Request) -> Response:
        """GET what all options came to today."""
        return await self._day(request, self._feed.symbols)

    async def _day(self, request: Request, symbols: tuple[str, ...]) -> Response:
        session = self._feed.session(self._exchange.now, day_of(request))
        minutes = await self._minutes(request, symbols)
        day = session.day.isoformat() if session else ""
        return _data([day_document(minutes, day)] if minutes else [])

    async def net_impact(self, request: Request) -> Response:
        """GET the tickers by net premium, the most bullish first."""
        limit = limit_of(request, 20, ALERTS_MAX)
        rows = []
        for symbol in self._feed.symbols:
            minutes = await self._minutes(request, (symbol,))
            calls = sum(minute.calls.net_premium for minute in minutes)
            puts = sum(minute.puts.net_premium for minute in minutes)
            rows.append((calls - puts, symbol, calls, puts))
        rows.sort(key=lambda row: (-row[0], row[1]))
        return _data(
            [
                {
                    "ticker": symbol,
                    "net_premium": str(net),
                    "net_call_premium": str(calls),
                    "net_put_premium": str(puts),
                }
                for net, symbol, calls, puts in rows[:limit]
            ]
        )

    async def stock_state(self, request: Request) -> Response:
        """GET a share's state today: one object, not a list."""
        symbols, now = self._ticker(request), self._exchange.now
        prior = self._exchange.market.prior_close(symbols[0], now) if symbols else None
        return _data(state_document(await self._minutes(request, symbols), prior) or {})


def _data(rows: object) -> Response:
    return reply({"data": rows})


def _print_filter(request: Request) -> Callable[[DarkPrint], bool]:
    least_premium, most_premium = bounds(request, "premium")
    least_size, most_size = bounds(request, "size")

    def keep(one: DarkPrint) -> bool:
        premium = one.price * one.size
        return least_premium <= premium <= most_premium and least_size <= one.size <= most_size

    return keep


class WhaleGate:
    """What every request passes: token, budget, fresh market time, the vendor's headers."""

    def __init__(
        self, app: ASGIApp, access: WhaleAccess, clock: Clock, fresh_time: Callable[[], None]
    ) -> None:
        self._app = app
        self._access = access
        self._clock = clock
        self._fresh_time = fresh_time
        self._budgets: dict[str, Budget] = {}
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse at the gate; a refused token gets no budget headers."""
        self._requests += 1
        extra = {"x-request-id": seeded_uuid("whales", self._requests)}
        words = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        kind, _, token = words.partition(" ")
        if kind.lower() != "bearer" or not self._access.admits(token.strip()):
            refusal = reply({"error": "Invalid API key"}, _UNAUTHORIZED)
            await refusal(scope, receive, _with_headers(send, extra))
            return
        budget = self._count(token.strip(), self._clock.utc_now())
        extra |= budget.headers(self._access.plan)
        if budget.is_spent(self._access.plan):
            extra["retry-after"] = str(int(budget.minute_left_s) + 1)
            refusal = reply({"error": "Too many requests"}, _TOO_MANY)
            await refusal(scope, receive, _with_headers(send, extra))
            return
        self._fresh_time()
        await self._app(scope, receive, _with_headers(send, extra))

    def _count(self, token: str, now: datetime) -> Budget:
        known = self._budgets.pop(token, Budget())
        if len(self._budgets) >= _TOKENS_MAX:
            self._budgets.pop(next(iter(self._budgets)))
        self._budgets[token] = known.at(self._clock.monotonic_s(), now).counted()
        return self._budgets[token]


def _with_headers(send: Send, extra: dict[str, str]) -> Send:
    more = [(name.encode(), value.encode()) for name, value in extra.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *more]
        await send(message)

    return send_with_headers


async def _refused(_request: Request, failure: Exception) -> Response:
    if isinstance(failure, Refusal):
        return refusal_reply(failure)
    raise failure


async def _no_endpoint(request: Request, failure: Exception) -> Response:
    status = failure.status_code if isinstance(failure, HTTPException) else _NOT_FOUND
    return refusal_reply(WhaleRefusal(request, "not found", status))


def whale_application(routes: list[Route]) -> Starlette:
    """Return the vendor's endpoints as an application of their own."""
    application = Starlette(
        routes=list(routes), exception_handlers={Refusal: _refused, HTTPException: _no_endpoint}
    )
    application.router.redirect_slashes = False
    return application
