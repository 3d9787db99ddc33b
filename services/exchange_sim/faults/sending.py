"""Replies as faults send them: canned, bent, cut, slow, or not at all."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Send

from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.bodies import GATEWAY_TIMEOUT, Canned, canned
from services.exchange_sim.faults.fault import Fault
from services.exchange_sim.faults.lines import Line
from services.exchange_sim.faults.shapes import bend

LOOK_S = 0.1
"""So often a waiting fault looks whether its lease was ended early."""
_END_S = 1.0
_NO_BODY = 204


class Recorded:
    """A whole reply, kept back."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def send(self, message: Message) -> None:
        """Take what the exchange sends."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def replace_body(self, body: bytes) -> None:
        """Put another body in, with its length."""
        self.body = body
        kept = [pair for pair in self.headers if pair[0].lower() != b"content-length"]
        self.headers = [*kept, (b"content-length", str(len(body)).encode())]

    async def begin(self, send: Send) -> None:
        """Send status and headers."""
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)

    async def pass_on(self, send: Send) -> None:
        """Send the whole reply."""
        await self.begin(send)
        await send({"type": "http.response.body", "body": self.body})


def bent_reply(board: FaultBoard, shapes: Sequence[Fault], reply: Recorded) -> Recorded:
    """Return the reply with its JSON bent; what is no JSON stays as it is."""
    if not shapes or not reply.body:
        return reply
    try:
        document: Any = json.loads(reply.body)
    except ValueError:
        return reply
    for fault in shapes:
        document, changed = bend(fault, document)
        if changed:
            board.acted(fault)
    reply.replace_body(json.dumps(document, separators=(",", ":")).encode())
    return reply


async def send_canned(send: Send, reply: Canned) -> None:
    """Send a reply that never saw the exchange."""
    recorded = Recorded()
    recorded.status = reply.status
    recorded.headers = [(b"content-type", reply.media_type.encode())]
    recorded.headers += [(name.encode(), value.encode()) for name, value in reply.headers]
    recorded.replace_body(reply.body)
    await recorded.pass_on(send)


class Wire:
    """The way back to one client."""

    def __init__(self, board: FaultBoard, line: Line | None, receive: Receive, send: Send) -> None:
        self._board = board
        self._line = line
        self._receive = receive
        self._send = send

    async def instead(self, fault: Fault) -> None:
        """Answer in the exchange's place."""
        reply = canned(fault)
        if reply is not None:
            await send_canned(self._send, reply)
            return
        if fault.kind == "silence":
            await wait_out(self._board, fault, self._receive)
        await self._reset()

    async def after(self, fault: Fault, reply: Recorded) -> None:
        """Send a processed request's reply as the fault lets it through."""
        cuts = fault.kind in ("reset_mid_body", "truncated", "dribble")
        if cuts and (reply.status == _NO_BODY or len(reply.body) < len("{}")):
            await reply.pass_on(self._send)
            return
        self._board.acted(fault)
        if fault.kind == "slow_reply":
            await wait_out(self._board, fault, self._receive, float(fault.parameters["delay_s"]))
            await reply.pass_on(self._send)
        elif fault.kind == "dribble":
            await self._dribble(fault, reply)
        elif cuts:
            await self._cut(fault, reply)
        elif fault.parameters["how"] == "reset":
            await self._reset()
        else:
            await send_canned(self._send, GATEWAY_TIMEOUT)

    async def _cut(self, fault: Fault, reply: Recorded) -> None:
        await reply.begin(self._send)
        half = reply.body[: len(reply.body) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        if fault.kind == "reset_mid_body":
            await self._reset()
        elif self._line is not None:
            self._line.close()
            await known_ended(self._receive)

    async def _dribble(self, fault: Fault, reply: Recorded) -> None:
        await reply.begin(self._send)
        sent = 0
        while sent < len(reply.body) - 1 and self._board.left_s(fault) > 0:
            byte = reply.body[sent : sent + 1]
            await self._send({"type": "http.response.body", "body": byte, "more_body": True})
            sent += 1
            await asyncio.sleep(float(fault.parameters["pause_s"]))
        await self._send({"type": "http.response.body", "body": reply.body[sent:]})

    async def _reset(self) -> None:
        if self._line is not None:
            self._line.reset()
            await known_ended(self._receive)


async def known_ended(receive: Receive) -> None:
    """Wait until the server below knows that the connection ended: it must not mend it."""
    with suppress(TimeoutError):
        await asyncio.wait_for(_left(receive), _END_S)


async def wait_out(
    board: FaultBoard, fault: Fault, receive: Receive, most_s: float = math.inf
) -> None:
    """Wait until the fault's lease ends or the client goes, at most `most_s` seconds."""
    clock = asyncio.get_running_loop().time
    until_s = clock() + most_s
    leaving = asyncio.ensure_future(_left(receive))
    try:
        while not leaving.done():
            left_s = min(board.left_s(fault), until_s - clock())
            if left_s <= 0:
                return
            await asyncio.wait({leaving}, timeout=min(LOOK_S, left_s))
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass
