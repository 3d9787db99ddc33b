"""The endpoint that switches faults: loopback only, outside the reach of every fault."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.exchange_sim.desk import not_found
from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.bookings import Bookings
from services.exchange_sim.faults.kinds import KINDS, Kind
from services.exchange_sim.faults.reading import BadFault, read_fault
from services.exchange_sim.http.replies import read_body, reply
from services.exchange_sim.records import Refusal
from services.exchange_sim.wire import Document
from shared.config.parsers import is_loopback

_CREATED = 201
_FORBIDDEN = 403
_FORBIDDEN_CODE = 40310000
_UNPROCESSABLE = 422
_BAD_FIELD = 42210000


class FaultRoutes:
    """The endpoints under /sim/faults."""

    def __init__(self, board: FaultBoard, bookings: Bookings) -> None:
        self._board = board
        self._bookings = bookings

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/sim/faults", self.all),
            Route("/sim/faults", self.switch_on, methods=["POST"]),
            Route("/sim/faults", self.clear, methods=["DELETE"]),
            Route("/sim/faults/kinds", self.kinds),
            Route("/sim/faults/{fault_id}", self.one),
            Route("/sim/faults/{fault_id}", self.switch_off, methods=["DELETE"]),
        ]

    async def all(self, request: Request) -> Response:
        """GET every fault with its counters, ended ones too."""
        _check_local(request)
        return reply({"faults": self._board.documents()})

    async def kinds(self, request: Request) -> Response:
        """GET the catalogue."""
        _check_local(request)
        return reply({name: _kind_document(kind) for name, kind in KINDS.items()})

    async def one(self, request: Request) -> Response:
        """GET one fault."""
        _check_local(request)
        fault = self._board.fault(request.path_params["fault_id"])
        if fault is None:
            raise not_found(f"fault not found for {request.path_params['fault_id']}")
        return reply(self._board.document(fault))

    async def switch_on(self, request: Request) -> Response:
        """POST: begin a fault; 422 names field, value and mend of everything that is wrong."""
        _check_local(request)
        body = await read_body(request)
        try:
            asked = read_fault(body)
            self._bookings.check(asked)
        except BadFault as bad:
            raise Refusal(
                _UNPROCESSABLE, _BAD_FIELD, str(bad), {"problems": bad.problems}
            ) from None
        fault = self._board.switch_on(asked)
        self._bookings.tick()
        return reply(self._board.document(fault), _CREATED)

    async def switch_off(self, request: Request) -> Response:
        """DELETE one: it ends now; ending an ended one changes nothing."""
        _check_local(request)
        fault_id = request.path_params["fault_id"]
        fault = self._board.fault(fault_id)
        if fault is None:
            raise not_found(f"fault not found for {fault_id}")
        self._board.switch_off(fault_id)
        self._bookings.tick()
        return reply(self._board.document(fault))

    async def clear(self, request: Request) -> Response:
        """DELETE all: every fault ends now; the reply lists those that ran."""
        _check_local(request)
        ended = self._board.switch_off()
        self._bookings.tick()
        return reply({"faults": [self._board.document(fault) for fault in ended]})


def _check_local(request: Request) -> None:
    client = request.client
    if client is None or not is_loopback(client.host):
        message = "faults are switched from this machine only"
        raise Refusal(_FORBIDDEN, _FORBIDDEN_CODE, message)


def _kind_document(kind: Kind) -> Document:
    return {
        "stage": kind.stage.value,
        "does": kind.does,
        "scope": list(kind.allows),
        "needs": list(kind.needs),
        "parameters": {
            name: {
                "default": row.default,
                "choices": list(row.choices),
                "least": row.least,
                "most": row.most,
                "optional": row.optional,
            }
            for name, row in kind.parameters.items()
        },
    }
