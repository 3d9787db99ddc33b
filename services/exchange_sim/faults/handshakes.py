"""Faults at the opening of a stream."""

from __future__ import annotations

import json
from typing import Any

import msgpack
from starlette.types import Receive, Send

from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.bodies import (
    CONNECTION_LIMIT_CODE,
    Canned,
    canned,
    handshake_reply,
)
from services.exchange_sim.faults.fault import Fault, Occasion
from services.exchange_sim.faults.kinds import Stage
from services.exchange_sim.faults.lines import Line
from services.exchange_sim.faults.sending import known_ended, wait_out

_POLICY = 1008
_AUTH_FAILED = 402


class Handshakes:
    """Refuses streams."""

    def __init__(self, board: FaultBoard) -> None:
        self._board = board

    async def refuse(
        self, occasion: Occasion, line: Line | None, receive: Receive, send: Send
    ) -> bool:
        """Let the faults of now have the stream; False when none wants it."""
        board = self._board
        acting = (*board.choose(Stage.HANDSHAKE, occasion), *board.choose(Stage.INSTEAD, occasion))
        if not acting:
            return False
        fault = acting[0]
        board.acted(fault)
        await receive()  # websocket.connect
        if fault.kind == "handshake_refused":
            await _answer(send, handshake_reply(fault))
        elif fault.kind in ("connection_limit", "refused_keys"):
            await self._refuse_inside(fault, occasion, receive, send)
        else:
            reply = canned(fault)
            if reply is not None:
                await _answer(send, reply)
                return True
            if fault.kind == "silence":
                await wait_out(board, fault, receive)
            await _end(line, receive, send)
        return True

    async def _refuse_inside(
        self, fault: Fault, occasion: Occasion, receive: Receive, send: Send
    ) -> None:
        """Accept the socket, hear the first words, and refuse in the stream's own language."""
        await send({"type": "websocket.accept"})
        talk = _Talk(occasion, send)
        await talk.greet()
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await talk.refuse(fault)
        if fault.kind == "refused_keys":
            # The real server leaves the client to go.
            await wait_out(self._board, fault, receive)
        await send({"type": "websocket.close", "code": _POLICY})


class _Talk:
    """What a refusing server says in each stream's words, in the form that the client asked for:
    from the greeting on, as the streams themselves do (streams/dialects.py).
    """

    def __init__(self, occasion: Occasion, send: Send) -> None:
        self._dialect = occasion.dialect
        self._is_packed = occasion.is_packed
        self._send = send

    async def greet(self) -> None:
        if self._dialect == "data_stream":
            await self._say([{"T": "success", "msg": "connected"}])

    async def refuse(self, fault: Fault) -> None:
        limit = fault.kind == "connection_limit"
        if self._dialect == "data_stream":
            code = CONNECTION_LIMIT_CODE if limit else _AUTH_FAILED
            words = "connection limit exceeded" if limit else "auth failed"
            await self._say([{"T": "error", "code": code, "msg": words}])
        elif limit:
            data = {"code": CONNECTION_LIMIT_CODE, "message": "connection limit exceeded"}
            await self._say({"stream": "error", "data": data})
        else:
            data = {"status": "unauthorized", "action": "authenticate"}
            await self._say({"stream": "authorization", "data": data})

    async def _say(self, document: Any) -> None:
        if self._is_packed:
            await self._send({"type": "websocket.send", "bytes": msgpack.packb(document)})
        else:
            await self._send({"type": "websocket.send", "bytes": json.dumps(document).encode()})


async def _answer(send: Send, reply: Canned) -> None:
    headers = [(b"content-type", reply.media_type.encode())]
    headers += [(name.encode(), value.encode()) for name, value in reply.headers]
    start = {"type": "websocket.http.response.start", "status": reply.status, "headers": headers}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": reply.body})


async def _end(line: Line | None, receive: Receive, send: Send) -> None:
    if line is not None:
        line.reset()
        await known_ended(receive)
    else:
        await send({"type": "websocket.close", "code": _POLICY})
