"""Assets over HTTP."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.desk import not_found
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import reply
from services.exchange_sim.naming import asset_id
from services.exchange_sim.wire_assets import AssetQuery, asset_document, is_listed


class AssetRoutes:
    """The endpoints under /v2/assets."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/v2/assets", self.all), Route("/v2/assets/{symbol}", self.one)]

    async def all(self, request: Request) -> Response:
        """GET the assets that the filters let through."""
        words = request.query_params
        names = words.get("attributes", "").split(",")
        query = AssetQuery(
            status=words.get("status", "").lower(),
            asset_class=words.get("asset_class", "").lower(),
            exchange=words.get("exchange", "").upper(),
            attributes=frozenset(name.strip().lower() for name in names if name.strip()),
        )
        switches = self._exchange.books.switches
        symbols = self._exchange.market.symbols
        found = [symbol for symbol in symbols if is_listed(symbol, query, switches)]
        return reply([asset_document(symbol, switches) for symbol in found])

    async def one(self, request: Request) -> Response:
        """GET one asset by symbol or id."""
        name = request.path_params["symbol"]
        symbol = symbol_of(self._exchange, name)
        if symbol not in self._exchange.market.symbols:
            raise not_found(f"asset not found for {name}")
        return reply(asset_document(symbol, self._exchange.books.switches))


def symbol_of(exchange: Exchange, name: str) -> str:
    """Return the symbol that a symbol or an asset id stands for."""
    for symbol in exchange.market.symbols:
        if name.lower() == asset_id(symbol):
            return symbol
    return name.upper()
