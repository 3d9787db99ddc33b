"""Net flow by expiry over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import reply
from services.exchange_sim.http.turns import Turns
from services.exchange_sim.http.whale_minutes import SessionMinutes
from services.exchange_sim.http.whale_request import words_of
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import Session
from services.exchange_sim.steps import Steps
from services.exchange_sim.unusual_whales.exposure_feed import ExposureFeed
from services.exchange_sim.unusual_whales.flow import FlowMinute
from services.exchange_sim.unusual_whales.net_flow import (
    Expiration,
    FlowPart,
    Moneyness,
    NetFlow,
    TideType,
    wanted_expiries,
)
from services.exchange_sim.unusual_whales.wire import FUNDS
from services.exchange_sim.unusual_whales.wire_exposures import flow_documents

_MARKET_FUND = "SPY"
_MINUTES_PER_STEP = 30


@dataclass(slots=True)
class _Group:
    """The flow of one kind of underlying and one kind of strike, by the beginning of minutes."""

    tide: TideType
    moneyness: Moneyness
    flows: dict[datetime, NetFlow]

    def add(self, minutes: Iterable[FlowMinute], part: FlowPart) -> Steps[None]:
        """Add the part of a symbol's minutes that belongs here."""
        for number, minute in enumerate(minutes):
            at = minute.candle.start
            known = self.flows.get(at, NetFlow())
            self.flows[at] = known.plus(part.of(minute, self.moneyness))
            if number % _MINUTES_PER_STEP == 0:
                yield


class NetFlowRoutes:
    """The endpoint /api/net-flow/expiry."""

    def __init__(
        self, exchange: Exchange, minutes: SessionMinutes, exposures: ExposureFeed, turns: Turns
    ) -> None:
        self._exchange = exchange
        self._minutes = minutes
        self._exposures = exposures
        self._turns = turns

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/api/net-flow/expiry", self.by_expiry)]

    async def by_expiry(self, request: Request) -> Response:
        """GET the net flow minute by minute, for each kind of underlying and of strike."""
        tides = words_of(request, "tide_type", TideType, [TideType.ALL])
        kinds = words_of(request, "moneyness", Moneyness, [Moneyness.ALL])
        expirations = words_of(request, "expiration", Expiration, Expiration)
        session = self._minutes.session(request)
        groups = [_Group(tide, kind, {}) for tide in tides for kind in kinds]
        prices = await self._fill(groups, session, expirations) if session else {}
        day = session.day if session else new_york_day(self._exchange.now)
        return reply(
            {
                "data": [
                    {
                        "tide_type": group.tide,
                        "moneyness": group.moneyness,
                        "data": flow_documents(group.flows, prices, self._exposures.form),
                    }
                    for group in groups
                ],
                "date": day.isoformat(),
                "expiration": expirations,
                "moneyness": kinds,
                "tide_type": tides,
            }
        )

    async def _fill(
        self, groups: list[_Group], session: Session, expirations: list[Expiration]
    ) -> dict[datetime, Decimal]:
        """Add every symbol to the groups it belongs to; return the prices of the market's fund."""
        prices: dict[datetime, Decimal] = {}
        for symbol in self._exposures.symbols:
            chain = self._exposures.chain(symbol, session)
            if chain is None:
                continue
            minutes = await self._minutes.of(symbol, session)
            if symbol == _MARKET_FUND:
                prices = {one.candle.start: one.candle.close for one in minutes}
            part = FlowPart(chain, wanted_expiries(chain, expirations))
            for group in groups:
                if group.tide.holds(is_fund=symbol in FUNDS):
                    await self._turns.finish(group.add(minutes, part))
        return prices
