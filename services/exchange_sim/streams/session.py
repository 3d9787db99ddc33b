"""Runs one WebSocket client: reading its requests and sending its frames side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.exchange_sim.streams.outbox import Finished, Outbox, SlowClient

Handler = Callable[[bytes], Awaitable[None]]
_GOING_AWAY, _CUT = 1001, 1006
_POLICY = 1008
FRAME_BYTES_MAX = 2**19
"""The longest message of a client, unpacked: every listed symbol on three channels at once. Its
connection ends with 1009 beyond that, before a small compressed frame fills the memory."""
AUTH_WITHIN_S = 10.0
"""Real seconds that a client has to authenticate, at either of Alpaca's streams."""
_GRACE_S = 2.0
"""So long a client that was given up has to take its last frame."""


async def run_session(
    socket: WebSocket, outbox: Outbox, handle: Handler, *, text: bool
) -> int | None:
    """Serve the client until it leaves or is given up; `text` chooses the kind of frames.

    Returns the close code that the client left with, None when the exchange ended it.
    """

    async def send(frame: bytes) -> None:
        if text:
            await socket.send_text(frame.decode())
        else:
            await socket.send_bytes(frame)

    parts = [
        asyncio.ensure_future(part)
        for part in (_read(socket, handle), outbox.pump(send), _give_up(outbox))
    ]
    code: int | None = None
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            failure = task.exception()
            if isinstance(failure, WebSocketDisconnect):
                code = failure.code
            elif failure is not None and not isinstance(failure, _ENDINGS):
                raise failure
    finally:
        for task in parts:
            task.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
    if code is None:
        with suppress(RuntimeError):
            await socket.close(_POLICY)
    return code


_ENDINGS = (SlowClient, Finished, RuntimeError)
"""A send after the client left is a RuntimeError in Starlette."""


async def _give_up(outbox: Outbox) -> None:
    await outbox.overflowed.wait()
    await asyncio.sleep(_GRACE_S)


async def _read(socket: WebSocket, handle: Handler) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            # uvicorn gives 1005 for a cut line and for a close frame without a code alike, but a
            # reason, if only an empty one, comes from a close frame alone.
            said = "reason" in message
            raise WebSocketDisconnect(message.get("code", _GOING_AWAY) if said else _CUT)
        frame = message.get("bytes")
        await handle(frame if frame is not None else (message.get("text") or "").encode())
