"""The minutes of the session that a request to Unusual Whales asks for, read in steps."""

from __future__ import annotations

from starlette.requests import Request

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.turns import Turns
from services.exchange_sim.http.whale_request import day_of
from services.exchange_sim.market.port import Session
from services.exchange_sim.steps import Steps
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from services.exchange_sim.unusual_whales.flow import FlowMinute

_MINUTES_PER_STEP = 60


class SessionMinutes:
    """Reads flow beside everything else that the exchange does."""

    def __init__(self, exchange: Exchange, feed: WhaleFeed, turns: Turns) -> None:
        self._exchange = exchange
        self._feed = feed
        self._turns = turns

    def session(self, request: Request) -> Session | None:
        """Return the session of the query's day or the newest one; None before it begins."""
        session = self._feed.session(self._exchange.now, day_of(request))
        return session if session and session.opens_at < self._exchange.now else None

    async def of(self, symbol: str, session: Session) -> list[FlowMinute]:
        """Return a symbol's finished minutes, oldest first."""
        return await self._turns.finish(self._steps(symbol, session))

    def _steps(self, symbol: str, session: Session) -> Steps[list[FlowMinute]]:
        found: list[FlowMinute] = []
        for number, minute in enumerate(self._feed.minutes(symbol, session, self._exchange.now)):
            found.append(minute)
            if number % _MINUTES_PER_STEP == 0:
                yield
        return found
