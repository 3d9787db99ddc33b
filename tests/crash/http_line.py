"""HTTP over real sockets, one thread: the bot's whole door is used, the venue decides the rest."""

from __future__ import annotations

import socket
import struct

from tests.crash.venue import Reply, Request

_LINGER_NOT = struct.pack("ii", 1, 0)
_CHUNK = 1 << 16


class Connection:
    """One connection of the bot. `sock` is for the selector."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._data = b""
        self.is_open = True

    def read(self) -> Request | None:
        """Take what has come; a whole request when there is one. Closes itself at the end."""
        try:
            part = self.sock.recv(_CHUNK)
        except OSError:
            part = b""
        if not part:
            self.close()
            return None
        self._data += part
        return self._request()

    def _request(self) -> Request | None:
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.split(b"\r\n")
        method, target, _ = first.decode("latin-1").split(" ")
        pairs = (line.partition(b":") for line in lines)
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        length = int(dict(headers).get(b"content-length", b"0"))
        if len(rest) < length:
            return None
        self._data = rest[length:]
        return Request(method, target, headers, rest[:length])

    def send(self, reply: Reply, cut: int = 0) -> None:
        """Send a reply; with `cut`, so many bytes of it are missing and the connection ends."""
        lines = [f"HTTP/1.1 {reply.status} X".encode()]
        headers = dict(reply.headers)
        headers.setdefault(b"content-length", str(len(reply.body)).encode())
        lines += [name + b": " + value for name, value in headers.items()]
        body = reply.body[: len(reply.body) - cut] if cut else reply.body
        data = b"\r\n".join(lines) + b"\r\n\r\n" + body
        try:
            self.sock.sendall(data)
        except OSError:
            self.close()
        if cut:
            self.close()

    def reset(self) -> None:
        """Break the connection with RST."""
        if self.is_open:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self.close()

    def close(self) -> None:
        """End the connection."""
        if self.is_open:
            self.is_open = False
            self.sock.close()


def listen() -> socket.socket:
    """Return a listening socket on a free port of the loopback."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
