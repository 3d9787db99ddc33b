"""The whole web application: HTTP routes behind the gate, streams beside them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from services.exchange_sim.codec import DamagedRecord
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.faults.middleware import FaultGate, FaultParts
from services.exchange_sim.http.account_routes import AccountRoutes
from services.exchange_sim.http.activity_routes import ActivityRoutes
from services.exchange_sim.http.asset_routes import AssetRoutes
from services.exchange_sim.http.faults import FaultRoutes
from services.exchange_sim.http.gate import (
    BROKEN,
    BROKEN_CODE,
    BROKEN_WORDS,
    Gate,
    Keys,
    RateWindows,
)
from services.exchange_sim.http.market_data import MarketDataRoutes
from services.exchange_sim.http.orders import OrderRoutes
from services.exchange_sim.http.positions import PositionRoutes
from services.exchange_sim.http.replies import refusal_reply, reply
from services.exchange_sim.http.sim import SimRoutes
from services.exchange_sim.http.sim_account import SimAccountRoutes
from services.exchange_sim.http.switching import SwitchRoutes
from services.exchange_sim.http.together import Together
from services.exchange_sim.http.unusual_whales import WhaleAccess
from services.exchange_sim.market.port import MarketEvent
from services.exchange_sim.pacer import Pacer
from services.exchange_sim.plan_options import VendorPlans
from services.exchange_sim.records import Refusal
from services.exchange_sim.streams.market_data import MarketDataStream
from services.exchange_sim.streams.trade_updates import TradeUpdates
from services.exchange_sim.whales import TwoVendors, open_whales
from shared.clock import Clock
from shared.errors import SystemFault
from shared.telemetry.logs import log_event

logger = logging.getLogger("exchange-sim")
_NO_ENDPOINT = 40410000
Tell = Callable[[Sequence[MarketEvent]], None]


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may come in, whether the broker's rate limit is enforced, what the plans allow."""

    keys: Keys
    rate_limit: bool = False
    plans: VendorPlans = field(default_factory=VendorPlans)


async def _refused(_request: Request, failure: Exception) -> Response:
    if isinstance(failure, Refusal):
        return refusal_reply(failure)
    raise failure


async def _database_failed(_request: Request, failure: Exception) -> Response:
    log_event(logger, "database_refused", str(failure), level=logging.ERROR)
    return reply({"code": BROKEN_CODE, "message": BROKEN_WORDS}, BROKEN)


async def _no_endpoint(_request: Request, failure: Exception) -> Response:
    status = failure.status_code if isinstance(failure, HTTPException) else BROKEN
    return reply({"code": _NO_ENDPOINT, "message": "endpoint not found."}, status)


def make_application(
    exchange: Exchange, pacer: Pacer, admission: Admission, clock: Clock, faults: FaultParts
) -> ASGIApp:
    """Return the ASGI application of an exchange."""
    trades = TradeUpdates(exchange, admission.keys)
    plans = admission.plans
    data = MarketDataStream(exchange, admission.keys, plans.data)
    access = WhaleAccess(plans.whales, plans.whales_token)
    whales = open_whales(exchange, access, clock, pacer.catch_up)
    exchange.listeners.market = _both(data.publish, whales.stream.publish)
    together = Together(lambda: faults.board.active)
    routes = [
        # Asked every lock-step minute, twice; routes are tried one after the other.
        *SimRoutes(exchange, together, (exchange.foresee, whales.foresee)).routes(),
        *OrderRoutes(exchange).routes(),
        *PositionRoutes(exchange).routes(),
        *AccountRoutes(exchange).routes(),
        *ActivityRoutes(exchange).routes(),
        *AssetRoutes(exchange).routes(),
        *MarketDataRoutes(exchange, plans.data).routes(),
        *SwitchRoutes(exchange).routes(),
        *SimAccountRoutes(exchange).routes(),
        *FaultRoutes(faults.board, faults.bookings).routes(),
        WebSocketRoute("/stream", trades.serve),
        WebSocketRoute("/stream/", trades.serve),
        WebSocketRoute("/v2/{feed:str}", data.serve),
        WebSocketRoute("/socket", whales.stream.serve),
    ]
    application = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _refused,
            SystemFault: _database_failed,
            sqlite3.Error: _database_failed,
            DamagedRecord: _database_failed,
            HTTPException: _no_endpoint,
        },
    )
    # Keys sit in headers: no client of a broker may be sent elsewhere, not even to our own path.
    application.router.redirect_slashes = False
    windows = RateWindows(clock, enforced=admission.rate_limit)
    alpaca = together.application = Gate(application, admission.keys, windows, pacer.catch_up)
    return FaultGate(TwoVendors(alpaca, whales.application), faults)


def _both(one: Tell, other: Tell) -> Tell:
    def tell(events: Sequence[MarketEvent]) -> None:
        one(events)
        other(events)

    return tell
