"""Orders over HTTP: send, list, read, replace, cancel."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.desk import not_found
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import (
    end_or_none,
    moment_or_none,
    read_body,
    reply,
    whole_number,
    word_list,
)
from services.exchange_sim.listing import (
    ORDERS_DEFAULT,
    ORDERS_MAX,
    OrderQuery,
    is_visible,
    list_orders,
)
from services.exchange_sim.records import Place, Refusal, SimOrder
from services.exchange_sim.ticket import bad_form, flag
from services.exchange_sim.wire import Document, order_document
from shared.models.orders import OrderStatus, Side

_STATUSES = frozenset({"open", "closed", "all"})
_SHARES = frozenset({"us_equity", "all"})
_CLASSES = _SHARES | {
    "us_option",
    "crypto",
    "crypto_perp",
    "treasury",
    "corporate",
    "global_equity",
    "us_index",
    "us_equity_chain",
    "ipo",
}
_DONE = 200
_MULTI = 207
_EMPTY = 204


class OrderRoutes:
    """The endpoints under /v2/orders."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v2/orders", self.send, methods=["POST"]),
            Route("/v2/orders", self.list, methods=["GET"]),
            Route("/v2/orders", self.cancel_all, methods=["DELETE"]),
            Route("/v2/orders:by_client_order_id", self.by_client_id, methods=["GET"]),
            Route("/v2/orders/{order_id}", self.one, methods=["GET"]),
            Route("/v2/orders/{order_id}", self.replace, methods=["PATCH"]),
            Route("/v2/orders/{order_id}", self.cancel, methods=["DELETE"]),
        ]

    def _document(self, order: SimOrder, *, nested: bool = True) -> Document:
        return order_document(self._exchange.books, order, nested=nested)

    async def send(self, request: Request) -> Response:
        """POST: the reply shows the order as accepted, legs included."""
        order = self._exchange.submit(await read_body(request))
        return reply(self._document(order))

    async def list(self, request: Request) -> Response:
        """GET: one page of orders."""
        query = self._query(request)
        orders = list_orders(self._exchange.books, query) if lists_shares(request) else []
        return reply([self._document(order, nested=query.nested) for order in orders])

    def _query(self, request: Request) -> OrderQuery:
        words = request.query_params
        if words.get("after_order_id") and words.get("before_order_id"):
            raise bad_form("only one of before_order_id or after_order_id is accepted")
        status = words.get("status") or "open"
        if status not in _STATUSES:
            raise bad_form(f"invalid order status: {status}")
        direction = words.get("direction") or "desc"
        if direction not in ("asc", "desc"):
            raise bad_form(f"invalid direction: {direction}")
        side = words.get("side")
        if side and side not in ("buy", "sell"):
            raise bad_form(f"invalid side: {side}")
        return OrderQuery(
            status=status,
            limit=whole_number(request, "limit", ORDERS_DEFAULT, ORDERS_MAX),
            after=moment_or_none(request, "after"),
            until=end_or_none(request, "until"),
            ascending=direction == "asc",
            nested=flag(words.get("nested")),
            symbols=frozenset(word_list(request, "symbols")),
            side=Side(side) if side else None,
            behind=self._place(words.get("after_order_id")),
            before=self._place(words.get("before_order_id")),
        )

    def _place(self, order_id: str | None) -> Place | None:
        if not order_id:
            return None
        return self._visible(self._exchange.desk.order(order_id), order_id).place

    async def one(self, request: Request) -> Response:
        """GET by the broker's id."""
        name = request.path_params["order_id"]
        order = self._visible(self._exchange.desk.order(name), name)
        obeys = self._exchange.books.switches.single_order_unnested
        wanted = flag(request.query_params.get("nested", True))
        return reply(self._document(order, nested=wanted or not obeys))

    async def by_client_id(self, request: Request) -> Response:
        """GET by the client's id."""
        name = request.query_params.get("client_order_id", "")
        order = self._visible(self._exchange.books.find_client_id(name), name)
        return reply(self._document(order))

    def _visible(self, order: SimOrder | None, name: str) -> SimOrder:
        if order is None or not is_visible(self._exchange.books, order):
            raise not_found(f"order not found for {name}")
        return order

    async def replace(self, request: Request) -> Response:
        """PATCH: the reply is the new order, which does not work yet."""
        body = await read_body(request)
        return reply(self._document(self._exchange.replace(request.path_params["order_id"], body)))

    async def cancel(self, request: Request) -> Response:
        """DELETE one: 204 is only a request; `canceled` follows."""
        self._exchange.cancel(request.path_params["order_id"])
        return Response(status_code=_EMPTY)

    async def cancel_all(self, _request: Request) -> Response:
        """DELETE all: one row per order, protective legs included."""
        return reply(cancel_rows(self._exchange), _MULTI)


def lists_shares(request: Request) -> bool:
    """Whether the classes that are asked for hold shares, all that trades here; raises Refusal."""
    texts = request.query_params.getlist("asset_class")
    names = [name.strip().lower() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in _CLASSES:
            raise bad_form(f"invalid asset_class: {name[:20]}")
    return not names or bool(_SHARES & set(names))


def cancel_rows(exchange: Exchange) -> list[Document]:
    """Ask for the cancellation of every open order; return a row for each."""
    rows: list[Document] = []
    for order in exchange.books.live_orders():
        # Asking for one order may end another of its group.
        current = exchange.desk.order(order.id)
        if not current.is_live or current.status is OrderStatus.HELD:
            continue
        try:
            if (fault := exchange.row_refusal(order.symbol)) is not None:
                raise fault
            exchange.cancel(order.id)
        except Refusal as refusal:
            rows.append({"id": order.id, "status": refusal.status, "body": refusal.document()})
            continue
        document = order_document(exchange.books, exchange.desk.order(order.id))
        rows.append({"id": order.id, "status": _DONE, "body": document})
    return rows
