"""The switches of switches.py while the exchange runs: GET and PATCH /sim/switches."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.replies import read_body, reply
from services.exchange_sim.ticket import bad_form
from services.exchange_sim.wire import Document


class SwitchRoutes:
    """The endpoint under /sim/switches."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sim/switches", self.all),
            Route("/sim/switches", self.change, methods=["PATCH"]),
        ]

    def _document(self) -> Document:
        switches = asdict(self._exchange.switches)
        return {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in switches.items()
        }

    async def all(self, _request: Request) -> Response:
        """GET every switch with its setting."""
        return reply(self._document())

    async def change(self, request: Request) -> Response:
        """PATCH some of them and get all: numbers, words and truth as JSON or text, symbols as a
        list or with commas between.
        """
        body = await read_body(request)
        settings = [f"{name}={_text(value)}" for name, value in body.items()]
        try:
            self._exchange.switch(settings)
        except ValueError as error:
            raise bad_form(str(error)) from None
        return reply(self._document())


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
