"""Unusual Whales on the exchange's own server: its application, its socket, and the way to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.turns import Turns
from services.exchange_sim.http.unusual_whales import (
    WhaleAccess,
    WhaleGate,
    WhaleRoutes,
    whale_application,
)
from services.exchange_sim.http.whale_exposures import ExposureRoutes
from services.exchange_sim.http.whale_minutes import SessionMinutes
from services.exchange_sim.http.whale_net_flow import NetFlowRoutes
from services.exchange_sim.streams.unusual_whales import WhaleStream
from services.exchange_sim.unusual_whales.exposure_feed import ExposureFeed
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from shared.clock import Clock

WHALE_PATHS = "/api/"


@dataclass(frozen=True, slots=True)
class Whales:
    """The vendor's two doors."""

    application: ASGIApp
    stream: WhaleStream
    foresee: Callable[[], None]
    """Makes ready what will be asked for, while nobody waits."""


def open_whales(
    exchange: Exchange, access: WhaleAccess, clock: Clock, fresh_time: Callable[[], None]
) -> Whales:
    """Return the vendor that watches this exchange's market."""
    seed, turns = exchange.books.account.seed, Turns()
    feed = WhaleFeed(exchange.market, seed)
    exposures = ExposureFeed(exchange.market, feed, seed, access.plan.form)
    minutes = SessionMinutes(exchange, feed, turns)
    routes = [
        *WhaleRoutes(exchange, feed, access.plan, turns).routes(),
        *ExposureRoutes(exchange, minutes, exposures, turns).routes(),
        *NetFlowRoutes(exchange, minutes, exposures, turns).routes(),
    ]
    gate = WhaleGate(whale_application(routes), access, clock, fresh_time)
    return Whales(gate, WhaleStream(feed, access), lambda: feed.foresee(exchange.now))


class TwoVendors:
    """Sends each request to the vendor whose path it names."""

    def __init__(self, alpaca: ASGIApp, whales: ASGIApp) -> None:
        self._alpaca = alpaca
        self._whales = whales

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as that vendor."""
        is_whales = scope["type"] == "http" and scope["path"].startswith(WHALE_PATHS)
        await (self._whales if is_whales else self._alpaca)(scope, receive, send)
