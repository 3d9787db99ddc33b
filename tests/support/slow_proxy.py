"""A TCP proxy before a broker: it delays the first bytes of each reply, or forwards a request and
loses its reply. Everything else passes as it is, on a free port of loopback.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.support.loopback import LoopbackServer, cut

CHUNK_BYTES = 65536


class SlowProxy(LoopbackServer):
    """`delay_s` and `loses` may be changed while it runs."""

    def __init__(self, upstream_port: int) -> None:
        super().__init__()
        self.delay_s = 0.0
        self.loses: Callable[[bytes], bool] = lambda head: False
        """Whether the reply to a request that begins so is lost after the request was forwarded."""
        self.lost: list[bytes] = []
        """The first line of each request whose reply was lost."""
        self._upstream_port = upstream_port

    def _take(self, connection: socket.socket) -> None:
        try:
            upstream = socket.create_connection(("127.0.0.1", self._upstream_port), timeout=5)
        except OSError:
            cut(connection)
            return
        upstream.settimeout(None)
        self._open += [connection, upstream]
        _Pair(self, connection, upstream).start()

    def wait(self) -> None:
        """Let a reply wait as long as replies wait now."""
        self.closing.wait(self.delay_s)


class _Pair:
    """One connection of a client and its other half; calls on it come one after the other."""

    def __init__(self, proxy: SlowProxy, client: socket.socket, upstream: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._upstream = upstream
        self._head = b""
        """The request under way until its reply begins."""

    def start(self) -> None:
        """Carry bytes in both directions."""
        for carry in (self._forward, self._backward):
            threading.Thread(target=carry, daemon=True).start()

    def _forward(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(CHUNK_BYTES):
                self._head = self._head or data
                self._upstream.sendall(data)
        cut(self._upstream)

    def _backward(self) -> None:
        with suppress(OSError):
            while data := self._upstream.recv(CHUNK_BYTES):
                head, self._head = self._head, b""
                if head:
                    self._proxy.wait()
                if head and self._proxy.loses(head):
                    self._proxy.lost.append(head.split(b"\r\n")[0])
                    break
                self._client.sendall(data)
        cut(self._client)
