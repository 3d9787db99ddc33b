"""Runs one WebSocket client: reading its requests and sending its frames side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.exchange_sim.streams.outbox import Outbox, SlowClient

Handler = Callable[[bytes], Awaitable[None]]
_GOING_AWAY = 1001


async def run_session(socket: WebSocket, outbox: Outbox, handle: Handler, *, text: bool) -> None:
    """Serve the client until it leaves or is given up; `text` chooses the kind of frames."""

    async def send(frame: bytes) -> None:
        if text:
            await socket.send_text(frame.decode())
        else:
            await socket.send_bytes(frame)

    reading = asyncio.ensure_future(_read(socket, handle))
    pumping = asyncio.ensure_future(outbox.pump(send))
    try:
        done, _ = await asyncio.wait({reading, pumping}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            failure = task.exception()
            if failure is not None and not isinstance(failure, _ENDINGS):
                raise failure
    finally:
        for task in (reading, pumping):
            task.cancel()
        await asyncio.gather(reading, pumping, return_exceptions=True)


_ENDINGS = (WebSocketDisconnect, SlowClient, RuntimeError)
"""A send after the client left is a RuntimeError in Starlette."""


async def _read(socket: WebSocket, handle: Handler) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", _GOING_AWAY))
        frame = message.get("bytes")
        await handle(frame if frame is not None else (message.get("text") or "").encode())
