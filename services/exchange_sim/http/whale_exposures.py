"""What whole option chains come to, over HTTP: greek and spot exposures, NOPE."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import reply
from services.exchange_sim.http.turns import Turns
from services.exchange_sim.http.whale_minutes import SessionMinutes
from services.exchange_sim.http.whale_request import (
    bounds,
    day_in,
    day_of,
    days_of,
    first_day_of,
    limit_of,
    page_of,
    required,
)
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.unusual_whales.chain import Chain, Line
from services.exchange_sim.unusual_whales.exposure_feed import ExposedMinute, ExposureFeed
from services.exchange_sim.unusual_whales.exposures import Traded, exposure, grouped
from services.exchange_sim.unusual_whales.flow import FlowMinute, minute_end
from services.exchange_sim.unusual_whales.wire import plain
from services.exchange_sim.unusual_whales.wire_exposures import (
    greek_document,
    nope_document,
    spot_document,
    strike_document,
)
from services.exchange_sim.wire import Document

ROWS_MAX = 500


class ExposureRoutes:
    """The endpoints that need a whole option chain."""

    def __init__(
        self, exchange: Exchange, minutes: SessionMinutes, exposures: ExposureFeed, turns: Turns
    ) -> None:
        self._exchange = exchange
        self._minutes = minutes
        self._exposures = exposures
        self._turns = turns

    def routes(self) -> list[Route]:
        """Return the routes."""
        greek, spot = "/api/stock/{ticker}/greek-exposure", "/api/stock/{ticker}/spot-exposures"
        return [
            Route(greek, self.greek_days),
            Route(f"{greek}/strike", self.greek_strikes),
            Route(f"{greek}/expiry", self.greek_expiries),
            Route(f"{greek}/strike-expiry", self.greek_strikes_of_expiry),
            Route(spot, self.spot_minutes),
            Route(f"{spot}/strike", self.spot_strikes),
            Route(f"{spot}/expiry-strike", self.spot_strikes_of_expiries),
            Route(f"{spot}/{{expiry}}/strike", self.spot_strikes_of_expiry),
            Route("/api/stock/{ticker}/nope", self.nope),
        ]

    def _ticker(self, request: Request) -> str | None:
        name = request.path_params["ticker"].upper()
        return name if name in self._exposures.symbols else None

    async def greek_days(self, request: Request) -> Response:
        """GET a ticker's greek exposure day by day, newest first."""
        symbol, now = self._ticker(request), self._exchange.now
        last = min(day_of(request) or new_york_day(now), new_york_day(now))
        first = first_day_of(request, last)
        if symbol is None:
            return _data([])
        days = await self._turns.finish(self._exposures.days(symbol, first, last, now))
        return _data(
            [
                {"date": day.isoformat(), **greek_document(one, gamma="gamma")}
                for day, one in reversed(days)
            ]
        )

    async def greek_strikes(self, request: Request) -> Response:
        """GET the greek exposure by strike."""
        return await self._greeks(request, lambda line: line.strike, _strike_words)

    async def greek_strikes_of_expiry(self, request: Request) -> Response:
        """GET the greek exposure by strike of one expiry, which must be named."""
        wanted = required(request, "expiry", day_of(request, "expiry"))
        return await self._greeks(request, lambda line: line.strike, _both_words, wanted)

    async def greek_expiries(self, request: Request) -> Response:
        """GET the greek exposure by expiry."""
        return await self._greeks(request, lambda line: line.expiry, _expiry_words)

    async def _greeks(
        self,
        request: Request,
        key: Callable[[Line], Decimal | date],
        words: Callable[[Line, date], Document],
        expiry: date | None = None,
    ) -> Response:
        found = await self._now_of(request)
        if found is None:
            return _data([])
        chain, minute, _ = found
        lines = [line for line in chain.lines if expiry in (None, line.expiry)]
        spot, at = float(minute.candle.close), minute_end(minute)
        return _data(
            [
                words(group[0], chain.day) | greek_document(exposure(group, spot, at), gamma="gex")
                for group in grouped(lines, key).values()
            ]
        )

    async def _now_of(self, request: Request) -> tuple[Chain, FlowMinute, Traded] | None:
        """Return the chain, the newest minute and what traded by then; None without any."""
        symbol, session = self._ticker(request), self._minutes.session(request)
        chain = self._exposures.chain(symbol, session) if symbol and session else None
        if symbol is None or session is None or chain is None:
            return None
        minutes = await self._minutes.of(symbol, session)
        if not minutes:
            return None
        traded = Traded()
        for minute in minutes:
            traded = traded.after(minute)
        return chain, minutes[-1], traded

    async def _exposed(self, request: Request) -> list[ExposedMinute]:
        symbol, session = self._ticker(request), self._minutes.session(request)
        if symbol is None or session is None:
            return []
        steps = self._exposures.minutes(symbol, session, self._exchange.now)
        return list(await self._turns.finish(steps))

    async def spot_minutes(self, request: Request) -> Response:
        """GET a ticker's spot exposure minute by minute."""
        return _data(
            [spot_document(one, self._exposures.form) for one in await self._exposed(request)]
        )

    async def nope(self, request: Request) -> Response:
        """GET the net options pricing effect minute by minute."""
        return _data(
            [nope_document(one, self._exposures.form) for one in await self._exposed(request)]
        )

    async def spot_strikes(self, request: Request) -> Response:
        """GET the newest spot exposure by strike, of all expiries."""
        return await self._spots(request, None)

    async def spot_strikes_of_expiries(self, request: Request) -> Response:
        """GET it of some expiries, which must be named."""
        wanted = required(request, "expirations[]", days_of(request, "expirations"))
        return await self._spots(request, wanted)

    async def spot_strikes_of_expiry(self, request: Request) -> Response:
        """GET it of one expiry: the vendor's older path."""
        text = request.path_params["expiry"]
        return await self._spots(request, frozenset({day_in(request, "expiry", text)}))

    async def _spots(self, request: Request, expiries: frozenset[date] | None) -> Response:
        limit, page = limit_of(request, ROWS_MAX, ROWS_MAX), page_of(request)
        (least, most), days = bounds(request, "strike"), bounds(request, "dte")
        found = await self._now_of(request)
        if found is None:
            return _data([])
        chain, minute, traded = found
        lines = [
            line
            for line in chain.lines
            if (expiries is None or line.expiry in expiries)
            and least <= line.strike <= most
            and days[0] <= (line.expiry - chain.day).days <= days[1]
        ]
        groups = sorted(grouped(lines, lambda line: line.strike).items())
        close, at = minute.candle.close, minute_end(minute)
        return _data(
            [
                strike_document(group, close, at, traded, self._exposures.form)
                for _, group in groups[page * limit : (page + 1) * limit]
            ]
        )


def _strike_words(line: Line, _day: date) -> Document:
    return {"strike": plain(line.strike)}


def _expiry_words(line: Line, day: date) -> Document:
    return {
        "date": day.isoformat(),
        "expiry": line.expiry.isoformat(),
        "dte": (line.expiry - day).days,
    }


def _both_words(line: Line, _day: date) -> Document:
    return {"expiry": line.expiry.isoformat(), "strike": plain(line.strike)}


def _data(rows: list[Document]) -> Response:
    return reply({"data": rows})
