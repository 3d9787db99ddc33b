"""How a stream is opened: within a deadline, to nobody but the address of the settings.

The vendor's library follows redirects, to another host as well, and what is said next is our keys.
So it is handed a connected socket, with which it follows nobody. And a server that takes no bytes
would hold each answer to its pings, and every close, for ever: the kernel gives such a socket up.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from shared.clock import Clock
from shared.errors import TransientFault

OPEN_TIMEOUT_S = 10.0
"""For connecting and opening; and once more for shaking hands, all answers together."""
CLOSE_TIMEOUT_S = 1.0
MESSAGE_BYTES_MAX = 4 * 2**20
"""Unpacked; a minute's bars of every symbol there is are a quarter of it."""
FRAMES_WAITING_MAX = 4
"""What waits to be read beside the message in hand; then the server waits for us."""


class RedirectedStream(TransientFault):
    """The stream's address answers with a redirect, which nobody follows."""


def connected_socket(url: str, untaken_s: float) -> socket.socket:
    """Return a socket connected to the address's host, which gives itself up when bytes are not
    taken for so many seconds. Raises OSError.
    """
    address = parse_uri(url)
    sock = socket.create_connection((address.host, address.port), OPEN_TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(untaken_s * 1_000))
    return sock


def open_websocket(
    url: str, sock: socket.socket, headers: Mapping[str, str], pings_s: tuple[float, float]
) -> ClientConnection:
    """Return the connection over that socket once its opening is done. `pings_s` is how often a
    ping is sent, and how long its answer may take.

    Raises RedirectedStream, and what sockets and websockets raise.
    """
    try:
        return connect(
            url,
            sock=sock,
            additional_headers=dict(headers),
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=pings_s[0],
            ping_timeout=pings_s[1],
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MESSAGE_BYTES_MAX,
            max_queue=FRAMES_WAITING_MAX,
            proxy=None,
        )
    except Exception as failure:
        refusal = failure.__context__
        if isinstance(refusal, InvalidStatus):
            status = refusal.response.status_code
            raise RedirectedStream(f"answered with a redirect ({status}), not followed") from None
        raise


class Handshake:
    """A fresh connection while hands are shaken: all its answers come within one limit."""

    def __init__(self, connection: ClientConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._ends_at_s = clock.monotonic_s() + OPEN_TIMEOUT_S

    def send(self, message: str | bytes) -> None:
        """Say something; raises as the connection does."""
        self._connection.send(message)

    def recv(self) -> str | bytes:
        """Return the next message; raises TimeoutError when the time of them all is over."""
        left_s = self._ends_at_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError(f"hands are not shaken within {OPEN_TIMEOUT_S:.0f} s")
        return self._connection.recv(timeout=left_s)
