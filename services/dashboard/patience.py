"""A connection that asks nothing is closed: silent peers must not use up the places of others.

There are only so many places, since each costs a descriptor and a process has few. Who comes when
all are taken gets that of the connection that has waited longest without a whole request. While
every other one is being served it stays for a second all the same; then it goes.

uvicorn times idle connections only after their first answer, and any byte ends that count. Here
every connection is looked at each keep-alive interval: one that was between requests at two
looks, and finished none in between, goes; so does one that is to be closed but whose peer never
takes what is still to be sent.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

PLACES = 500
SPARE_PLACES = 64
"""For those that stay for a second."""
PLACE_LOOK_S = 0.05
PLACE_LOOKS = 20
_BUSY = object()
_CLOSING = object()


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn; requests under way and open streams are left alone."""

    places = PLACES
    _quiet_since_s = 0.0
    """When it was made or last finished a request, by the loop's clock."""
    _look_timer: asyncio.TimerHandle | None = None
    _last_seen: object = _BUSY
    """What the connection did at the last look; between requests, the cycle of the last one
    (None before any).
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look; make a place for it when there is none left."""
        super().connection_made(transport)
        self._quiet_since_s = self.loop.time()
        self._look_later()
        self._make_place(PLACE_LOOKS)

    def on_response_complete(self) -> None:
        """Count its silence anew."""
        self._quiet_since_s = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._look_timer is not None:
            self._look_timer.cancel()
        super().connection_lost(exc)

    def _make_place(self, looks_left: int) -> None:
        """Let somebody go when there is one too many."""
        if len(self.connections) <= self.places:
            return
        open_ones = [one for one in self.connections if not one.transport.is_closing()]
        if self.transport.is_closing() or len(open_ones) <= self.places:
            return
        others = [one for one in open_ones if isinstance(one, ImpatientProtocol)]
        waiting = [one for one in others if one is not self and one._waits()]
        if waiting:
            min(waiting, key=lambda one: one._quiet_since_s).transport.abort()
        elif looks_left > 0 and len(open_ones) <= self.places + SPARE_PLACES:
            self.loop.call_later(PLACE_LOOK_S, self._make_place, looks_left - 1)
        else:
            self.transport.abort()

    def _look_later(self) -> None:
        self._look_timer = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        seen = self._seen()
        if seen is not _BUSY and seen is self._last_seen:
            self.transport.abort()
            return
        self._last_seen = seen
        self._look_later()

    def _waits(self) -> bool:
        """Whether it is between requests, or in the middle of sending one."""
        return self._seen() is not _BUSY or self.conn.their_state is h11.SEND_BODY

    def _seen(self) -> object:
        if self.transport.is_closing():
            return _CLOSING
        cycle: RequestResponseCycle | None = self.cycle
        return cycle if cycle is None or cycle.response_complete else _BUSY
