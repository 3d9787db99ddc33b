"""The connections below HTTP: what a fault needs to reset one, to end it early, or to hold it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_LINGER_NOT = struct.pack("ii", 1, 0)
"""Closing such a socket sends RST instead of FIN and forgets what was not sent."""


class Line(asyncio.Transport):
    """One connection; everything passes through until it is held."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._held = False
        self.process: frozenset[str] = frozenset()
        """Names of the process at the other end, once somebody asked."""

    def reset(self) -> None:
        """End with RST, now."""
        found = self._transport.get_extra_info("socket")
        if found is not None and not self._transport.is_closing():
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()

    def hold(self) -> None:
        """Let nothing pass either way until `reset`: the peer sees a living, dead socket."""
        self._held = True
        self._transport.pause_reading()

    # --- asyncio.Transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if not self._held:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._held:
            self._transport.resume_reading()

    def write(self, data: Any) -> None:
        if not self._held:
            self._transport.write(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def write_eof(self) -> None:
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()


class Lines:
    """Every open connection, by the address of its client."""

    def __init__(self) -> None:
        self._by_client: WeakValueDictionary[tuple[str, int], Line] = WeakValueDictionary()

    def of(self, scope: Scope) -> Line | None:
        """Return the connection that a request or stream came by."""
        client = scope.get("client")
        return self._by_client.get(tuple(client)) if client else None

    def reset_all(self) -> None:
        """End every connection with RST."""
        for line in list(self._by_client.values()):
            line.reset()

    def protocol(self) -> type[H11Protocol]:
        """Return the HTTP protocol that notes its connections here; WebSockets keep the line."""
        lines = self._by_client

        class NotedProtocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                line = Line(transport)
                super().connection_made(line)
                if self.client is not None:
                    lines[self.client] = line

        return NotedProtocol
