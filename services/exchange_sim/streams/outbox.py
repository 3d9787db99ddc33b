"""A bounded queue in front of one slow or fast stream client; filling it never waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

FRAMES_MAX = 5_000
BYTES_MAX = 8 * 2**20
"""What may wait for one client, whichever is reached first."""


class SlowClient(Exception):
    """The client does not read; its connection ends."""


class Finished(Exception):
    """Everything is said; the connection ends."""


class Outbox:
    """Frames that wait for one client. `farewell` is the last frame for one that does not read."""

    def __init__(self, farewell: bytes | None = None) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._farewell = farewell
        self._finished = False
        self.overflowed = asyncio.Event()
        """Set once too much has piled up: the client is given up."""

    def put(self, frame: bytes) -> None:
        """Queue a frame; a client that lets too many pile up is given up."""
        if self.overflowed.is_set():
            return
        if len(self._frames) >= FRAMES_MAX or self._bytes >= BYTES_MAX:
            self.overflowed.set()
            self._frames.clear()
            frame = self._farewell or b""
        if frame:
            self._frames.append(frame)
            self._bytes += len(frame)
        self._ready.set()

    def finish(self) -> None:
        """End the connection once what is queued has been sent."""
        self._finished = True
        self._ready.set()

    async def pump(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send frames in order for ever; raises SlowClient after an overflow, Finished after
        `finish`.
        """
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
                await send(frame)
            if self.overflowed.is_set():
                raise SlowClient("407 slow client")
            if self._finished:
                raise Finished
