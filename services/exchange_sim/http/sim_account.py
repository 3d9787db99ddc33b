"""What only a simulated broker lets a client do to its account: cash, splits, an audit."""

from __future__ import annotations

from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.cash_desk import CASH_KINDS, move_cash
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import read_body, reply, short_stamp
from services.exchange_sim.ledger import differences, replayed
from services.exchange_sim.movements import MovementKind
from services.exchange_sim.splits import exact_ratio
from services.exchange_sim.ticket import bad_form, flag, number
from services.exchange_sim.wire_activities import activity_document

_CENT = Decimal("0.01")


class SimAccountRoutes:
    """The endpoints under /sim/account."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sim/account/cash", self.cash, methods=["POST"]),
            Route("/sim/account/splits", self.split, methods=["POST"]),
            Route("/sim/account/audit", self.audit),
        ]

    async def cash(self, request: Request) -> Response:
        """POST {"kind": "CSD", "amount": "1000"}: money in or out, as the kind says."""
        exchange, body = self._exchange, await read_body(request)
        word = str(body.get("kind") or MovementKind.DEPOSIT).upper()
        if word not in CASH_KINDS:
            words = ", ".join(sorted(CASH_KINDS))
            raise bad_form(f"kind must be one of {words}, not {word[:20]!r}")
        dollars = number(body, "amount")
        if dollars is None or dollars != dollars.quantize(_CENT):
            raise bad_form("amount must be dollars with at most two decimals")
        movement = exchange.book(
            lambda: move_cash(exchange.books, MovementKind(word), dollars, exchange.now)
        )
        return reply(activity_document(movement))

    async def split(self, request: Request) -> Response:
        """POST {"symbol": "AAPL", "ratio": "7"}: over night, or with "now": true at once. The
        market's prices follow from then on.
        """
        exchange, body = self._exchange, await read_body(request)
        symbol = str(body.get("symbol") or "").upper()
        if symbol not in exchange.market.symbols:
            raise bad_form(f"symbol {symbol[:20]!r} does not trade here")
        try:
            ratio = exact_ratio(str(body.get("ratio")))
        except ValueError as error:
            raise bad_form(str(error)) from None
        at = exchange.now if flag(body.get("now")) else exchange.clock().next_open
        split = exchange.book(lambda: exchange.splitting.declare(symbol, ratio, at, exchange.now))
        effective = short_stamp(split.at)
        return reply({"symbol": symbol, "ratio": split.ratio, "effective_at": effective})

    async def audit(self, _request: Request) -> Response:
        """GET whether the books are what their own activities make of the opening cash."""
        books = self._exchange.books
        found = differences(
            replayed(books.account.start_cash, self._exchange.activities.all()),
            books.account,
            books.positions,
        )
        return reply({"is_whole": not found, "differences": found})
