"""A connection that asks nothing is closed: silent peers must not use up the places of others.

uvicorn times idle connections only after their first answer, and any byte ends that count. Here
every connection is looked at each keep-alive interval: one that was between requests at two
looks, and finished none in between, goes; so does one that is to be closed but whose peer never
takes what is still to be sent.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_BUSY = object()
_CLOSING = object()


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn; requests under way and open streams are left alone."""

    _look_timer: asyncio.TimerHandle | None = None
    _last_seen: object = _BUSY
    """What the connection did at the last look; between requests, the cycle of the last one
    (None before any).
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._look_timer = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        seen = self._seen()
        if seen is not _BUSY and seen is self._last_seen:
            self.transport.abort()
            return
        self._last_seen = seen
        self._look_later()

    def _seen(self) -> object:
        if self.transport.is_closing():
            return _CLOSING
        cycle: RequestResponseCycle | None = self.cycle
        return cycle if cycle is None or cycle.response_complete else _BUSY
