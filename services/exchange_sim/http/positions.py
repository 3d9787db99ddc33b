"""Positions over HTTP: read and close."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.desk import not_found
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.asset_routes import symbol_of
from services.exchange_sim.http.orders import cancel_rows
from services.exchange_sim.http.replies import reply
from services.exchange_sim.records import Refusal, SimPosition
from services.exchange_sim.ticket import bad_form, flag, positive
from services.exchange_sim.wire import Document, order_document
from services.exchange_sim.wire_account import position_document

_DONE = 200
_MULTI = 207
_WHOLE_PERCENT = Decimal(100)
_SHARE_DIGITS = Decimal("0.000000001")
_ONE_SHARE = Decimal(1)


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
        """GET every position, sorted by symbol."""
        seen = self._exchange.positions_seen()
        return reply([self._document(seen[symbol]) for symbol in sorted(seen)])

    async def one(self, request: Request) -> Response:
        """GET one position by symbol or asset id."""
        symbol = symbol_of(self._exchange, request.path_params["symbol"])
        position = self._exchange.positions_seen().get(symbol)
        if position is None:
            raise not_found("position does not exist")
        return reply(self._document(position))

    def _document(self, position: SimPosition) -> Document:
        exchange, symbol, now = self._exchange, position.symbol, self._exchange.now
        available = exchange.books.available(position)
        current = exchange.tape.last(symbol, now) or position.avg_entry_price
        lastday = exchange.market.prior_close(symbol, now) or current
        return position_document(position, available, (current, lastday))

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
            if (fault := self._exchange.row_refusal(symbol)) is not None:
                raise fault
            order = self._exchange.close_position(symbol, None)
        except Refusal as refusal:
            return {"symbol": symbol, "status": refusal.status, "body": refusal.document()}
        body = order_document(self._exchange.books, order)
        return {"symbol": symbol, "status": _DONE, "body": body}


def close_qty(request: Request, position: SimPosition | None) -> Decimal | None:
    """Read how much of a position to close; None is all of it. A percentage of whole shares
    is whole shares (Alpaca's documents); raises Refusal.
    """
    words = request.query_params
    text, percent = words.get("qty"), words.get("percentage")
    if text and percent:
        raise bad_form("only one of qty or percentage is accepted")
    if text:
        return positive(text, "qty")
    if not percent:
        return None
    percentage = positive(percent, "percentage")
    if percentage > _WHOLE_PERCENT:
        raise bad_form("percentage must be between 0 and 100")
    if position is None:
        return percentage  # the desk says that there is no position
    held = abs(position.qty)
    finest = _ONE_SHARE if held == held.to_integral_value() else _SHARE_DIGITS
    part = (held * percentage / _WHOLE_PERCENT).quantize(finest, ROUND_DOWN)
    return positive(str(part), "percentage of the position")
