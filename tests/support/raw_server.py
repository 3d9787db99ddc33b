"""A TCP server that misbehaves by script: it dribbles, stays silent, breaks off, counts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.support.loopback import LoopbackServer

Script = Callable[[socket.socket, bytes], None]
"""Takes the connection and the request's head; answers as it likes."""


def reply_bytes(body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> bytes:
    """Return a whole HTTP reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class RawServer(LoopbackServer):
    """Serves each request by the script, on a free port of loopback; counts what came."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script

    def _take(self, connection: socket.socket) -> None:
        self.connections += 1
        self._open.append(connection)
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while request := self._read(connection):
                self.requests.append(request)
                self._script(connection, request)

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body
