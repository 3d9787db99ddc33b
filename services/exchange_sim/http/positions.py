"""Positions over HTTP: read and close."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.desk import not_found
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.account_routes import close_qty, positions_of, symbol_of
from services.exchange_sim.http.orders import cancel_rows
from services.exchange_sim.http.replies import reply
from services.exchange_sim.records import Refusal
from services.exchange_sim.ticket import flag
from services.exchange_sim.wire import Document, order_document

_DONE = 200
_MULTI = 207


class PositionRoutes:
    """The endpoints under /v2/positions."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v2/positions", self.all),
            Route("/v2/positions", self.close_all, methods=["DELETE"]),
            Route("/v2/positions/{symbol}", self.one),
            Route("/v2/positions/{symbol}", self.close, methods=["DELETE"]),
        ]

    async def all(self, _request: Request) -> Response:
        """GET every position."""
        return reply(positions_of(self._exchange))

    async def one(self, request: Request) -> Response:
        """GET one position by symbol or asset id."""
        symbol = symbol_of(self._exchange, request.path_params["symbol"])
        if symbol not in self._exchange.books.positions:
            raise not_found("position does not exist")
        return reply(positions_of(self._exchange, symbol)[0])

    async def close(self, request: Request) -> Response:
        """DELETE one: a market order for what the broker itself computes."""
        symbol = symbol_of(self._exchange, request.path_params["symbol"])
        qty = close_qty(request, self._exchange.books.positions.get(symbol))
        order = self._exchange.close_position(symbol, qty)
        return reply(order_document(self._exchange.books, order))

    async def close_all(self, request: Request) -> Response:
        """DELETE all: one row per position; a row may be refused inside the 207."""
        if flag(request.query_params.get("cancel_orders")):
            cancel_rows(self._exchange)
            self._exchange.settle_now()
        rows = [self._closing_row(symbol) for symbol in sorted(self._exchange.books.positions)]
        return reply(rows, _MULTI)

    def _closing_row(self, symbol: str) -> Document:
        try:
            order = self._exchange.close_position(symbol, None)
        except Refusal as refusal:
            return {"symbol": symbol, "status": refusal.status, "body": refusal.document()}
        body = order_document(self._exchange.books, order)
        return {"symbol": symbol, "status": _DONE, "body": body}
