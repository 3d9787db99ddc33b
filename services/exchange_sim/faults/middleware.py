"""Where faults meet HTTP: ASGI middleware around the whole exchange.

Without a switched fault a request costs one look at a flag. The endpoint that switches faults,
and everything else under /sim, is no part of the vendors' surfaces: faults leave it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.bookings import Bookings
from services.exchange_sim.faults.caller import process_names
from services.exchange_sim.faults.fault import Occasion
from services.exchange_sim.faults.handshakes import Handshakes
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.faults.lines import Line, Lines
from services.exchange_sim.faults.plan import dialect_of, symbols_of
from services.exchange_sim.faults.sending import Recorded, Wire, bent_reply
from services.exchange_sim.faults.sessions import StreamSession, StreamSessions

BODY_BYTES_MAX = 1_100_000
"""More than the exchange itself reads: what is larger is left to its own refusal."""


@dataclass(frozen=True, slots=True)
class FaultParts:
    """What the faults of one exchange share."""

    board: FaultBoard
    lines: Lines
    sessions: StreamSessions
    bookings: Bookings
    symbol_of_order: Callable[[str], str | None]

    def tick(self) -> None:
        """Let leases begin and end; asked a few times a second, within the event loop."""
        self.board.tick()
        self.bookings.tick()
        self.sessions.tick()


class FaultGate:
    """Lets faults act on requests and streams."""

    def __init__(self, app: ASGIApp, parts: FaultParts) -> None:
        self._app = app
        self._parts = parts
        self._handshakes = Handshakes(parts.board)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the faults of now will have it."""
        if scope["type"] == "websocket":
            await self._stream(scope, receive, send)
        elif not self._parts.board.active or scope["path"].startswith("/sim/"):
            await self._app(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        board, line = self._parts.board, self._parts.lines.of(scope)
        body, replay = await _read_whole(receive)
        occasion = self._occasion(scope, body, line)
        wire = Wire(board, line, receive, send)
        for fault in board.choose(Stage.INSTEAD, occasion):
            board.acted(fault)
            await wire.instead(fault)
            return
        after = board.choose(Stage.AFTER, occasion)
        shapes = board.choose(Stage.SHAPE, occasion)
        if not after and not shapes:
            await self._app(scope, replay, send)
            return
        recorded = Recorded()
        await self._app(scope, replay, recorded.send)
        reply = bent_reply(board, shapes, recorded)
        if after:
            await wire.after(after[0], reply)
        else:
            await reply.pass_on(send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = self._parts
        line = parts.lines.of(scope)
        occasion = self._occasion(scope, b"", line)
        if parts.board.active:
            refused = await self._handshakes.refuse(occasion, line, receive, send)
            if refused:
                return
        session = StreamSession(parts.board, occasion, line, send)
        parts.sessions.add(session)
        try:
            await self._app(scope, receive, session.send)
        finally:
            parts.sessions.discard(session)

    def _occasion(self, scope: Scope, body: bytes, line: Line | None) -> Occasion:
        path, is_stream = scope["path"], scope["type"] == "websocket"
        query = scope["query_string"].decode("latin-1")
        return Occasion(
            dialect=dialect_of(path, is_stream=is_stream),
            endpoint=path,
            method=scope.get("method", "GET"),
            symbols=symbols_of(path, query, body, self._parts.symbol_of_order),
            process=self._process(scope, line),
            is_packed=is_stream and _asks_for_msgpack(scope),
        )

    def _process(self, scope: Scope, line: Line | None) -> frozenset[str]:
        if line is None or not self._parts.board.asks_process:
            return frozenset()
        if not line.process:
            line.process = process_names(scope["client"][1], scope["server"][1])
        return line.process


def _asks_for_msgpack(scope: Scope) -> bool:
    asked = (value for name, value in scope["headers"] if name == b"content-type")
    return any(b"msgpack" in value.lower() for value in asked)


async def _read_whole(receive: Receive) -> tuple[bytes, Receive]:
    """Read a body up to the bound; return it and what gives it, and the rest, once more."""
    messages: list[Message] = []
    size = 0
    while size <= BODY_BYTES_MAX:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    body = b"".join(message.get("body", b"") for message in messages)
    waiting = iter(messages)

    async def again() -> Any:
        message = next(waiting, None)
        return await receive() if message is None else message

    return body, again
