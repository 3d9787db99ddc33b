"""The whole web application: HTTP routes behind the gate, streams beside them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.account_routes import AccountRoutes
from services.exchange_sim.http.gate import Gate, Keys, RateWindow
from services.exchange_sim.http.market_data import MarketDataRoutes
from services.exchange_sim.http.orders import OrderRoutes
from services.exchange_sim.http.positions import PositionRoutes
from services.exchange_sim.http.replies import refusal_reply, reply
from services.exchange_sim.http.sim import SimRoutes
from services.exchange_sim.pacer import Pacer
from services.exchange_sim.records import Refusal
from services.exchange_sim.streams.market_data import MarketDataStream
from services.exchange_sim.streams.trade_updates import TradeUpdates
from shared.clock import Clock
from shared.errors import TransientFault
from shared.telemetry.logs import log_event

logger = logging.getLogger("exchange-sim")
_BROKEN = 500
_BROKEN_CODE = 50010000
_NO_ENDPOINT = 40410000


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may come in, and whether the broker's rate limit is enforced."""

    keys: Keys
    rate_limit: bool = False


async def _refused(_request: Request, failure: Exception) -> Response:
    if isinstance(failure, Refusal):
        return refusal_reply(failure)
    raise failure


async def _database_failed(_request: Request, failure: Exception) -> Response:
    log_event(logger, "database_refused", str(failure), level=logging.ERROR)
    return reply({"code": _BROKEN_CODE, "message": "internal server error occurred"}, _BROKEN)


async def _no_endpoint(_request: Request, failure: Exception) -> Response:
    status = failure.status_code if isinstance(failure, HTTPException) else _BROKEN
    return reply({"code": _NO_ENDPOINT, "message": "endpoint not found."}, status)


def make_application(
    exchange: Exchange, pacer: Pacer, admission: Admission, clock: Clock
) -> ASGIApp:
    """Return the ASGI application of an exchange."""
    trades = TradeUpdates(exchange, admission.keys)
    data = MarketDataStream(exchange, admission.keys)
    routes = [
        *OrderRoutes(exchange).routes(),
        *PositionRoutes(exchange).routes(),
        *AccountRoutes(exchange).routes(),
        *MarketDataRoutes(exchange).routes(),
        *SimRoutes(exchange).routes(),
        WebSocketRoute("/stream", trades.serve),
        WebSocketRoute("/stream/", trades.serve),
        WebSocketRoute("/v2/{feed:str}", data.serve),
    ]
    application = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _refused,
            TransientFault: _database_failed,
            HTTPException: _no_endpoint,
        },
    )
    window = RateWindow(clock, enforced=admission.rate_limit)
    return Gate(application, admission.keys, window, pacer.catch_up)
