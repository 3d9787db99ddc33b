"""A bounded queue in front of one slow or fast stream client; filling it never waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

FRAMES_MAX = 5_000


class SlowClient(Exception):
    """The client does not read; its connection ends."""


class Outbox:
    """Frames that wait for one client."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._overflowed = False

    def put(self, frame: bytes) -> None:
        """Queue a frame; a client that lets too many pile up is given up."""
        if len(self._frames) >= FRAMES_MAX:
            self._overflowed = True
            self._frames.clear()
        if not self._overflowed:
            self._frames.append(frame)
        self._ready.set()

    async def pump(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send frames in order for ever; raises SlowClient after an overflow."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._frames:
                await send(self._frames.popleft())
            if self._overflowed:
                raise SlowClient("407 slow client")
