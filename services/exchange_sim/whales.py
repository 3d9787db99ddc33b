"""Unusual Whales on the exchange's own server: its application, its socket, and the way to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.unusual_whales import (
    WhaleAccess,
    WhaleGate,
    WhaleRoutes,
    whale_application,
)
from services.exchange_sim.streams.unusual_whales import WhaleStream
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from shared.clock import Clock

WHALE_PATHS = "/api/"


@dataclass(frozen=True, slots=True)
class Whales:
    """The vendor's two doors."""

    application: ASGIApp
    stream: WhaleStream


def open_whales(
    exchange: Exchange, access: WhaleAccess, clock: Clock, fresh_time: Callable[[], None]
) -> Whales:
    """Return the vendor that watches this exchange's market."""
    feed = WhaleFeed(exchange.market, exchange.books.account.seed)
    routes = WhaleRoutes(exchange, feed, access.plan).routes()
    gate = WhaleGate(whale_application(routes), access, clock, fresh_time)
    return Whales(gate, WhaleStream(feed, access))


class TwoVendors:
    """Sends each request to the vendor whose path it names."""

    def __init__(self, alpaca: ASGIApp, whales: ASGIApp) -> None:
        self._alpaca = alpaca
        self._whales = whales

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as that vendor."""
        is_whales = scope["type"] == "http" and scope["path"].startswith(WHALE_PATHS)
        await (self._whales if is_whales else self._alpaca)(scope, receive, send)
