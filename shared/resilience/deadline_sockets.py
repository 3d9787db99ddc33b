"""Sockets that obey a total deadline, under urllib3.

A read timeout alone bounds the silence between two bytes: a server that sends one byte per
second holds such a call for ever. Here every single receive is given only what is left of the
call's deadline, for plain and for TLS connections, without a thread. Name resolution is the one
wait that Python cannot bound; the resolver's own limits hold there.
"""

from __future__ import annotations

import socket
import ssl
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from shared.clock import Clock, SystemClock

if TYPE_CHECKING:
    from typing_extensions import Buffer

TCP_USER_TIMEOUT_MS = 10_000
"""The kernel gives up on unacknowledged bytes after this; rule 10 of ORDER_PATH.md counts on it."""

IDLE_BEFORE_WRITE_S = 4.0
"""A connection idle for longer is not used for a write: servers commonly close theirs after 5 s,
and a write that meets such a close has an unknown outcome."""

_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS),
)
_SAFE_VERBS = frozenset({"GET", "HEAD", "OPTIONS"})


class CallDeadline(threading.local):
    """The deadline of the call that the current thread is making, on the monotonic clock."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._ends_at_s = 0.0
        self._silence_s = 0.0

    def begin(self, total_s: float, silence_s: float) -> None:
        """Start a call: it may last `total_s`, and stay silent for `silence_s`."""
        self._ends_at_s = self._clock.monotonic_s() + total_s
        self._silence_s = silence_s

    @property
    def left_s(self) -> float:
        """Seconds left of the call."""
        return self._ends_at_s - self._clock.monotonic_s()

    def next_wait_s(self) -> float:
        """How long the next receive may wait; TimeoutError when nothing is left."""
        left_s = self.left_s
        if left_s <= 0:
            raise TimeoutError("total deadline of the call has passed")
        return min(left_s, self._silence_s)


_deadlines: CallDeadline = CallDeadline()


def current_deadline() -> CallDeadline:
    """Return the calling thread's deadline, which its sockets obey."""
    return _deadlines


class _PlainSocket(socket.socket):
    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        # Acknowledge at once: a server that sends head and body apart without TCP_NODELAY would
        # otherwise wait 40 ms for us, on every call. The kernel forgets the wish after a while.
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.settimeout(_deadlines.next_wait_s())
        return super().recv_into(buffer, nbytes, flags)


class _TlsSocket(ssl.SSLSocket):
    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_deadlines.next_wait_s())
        return super().recv_into(buffer, nbytes, flags)


@lru_cache(maxsize=8)
def tls_context(trusted: str | None = None) -> ssl.SSLContext:
    """Return the verifying TLS context whose sockets obey the deadline. All doors share one:
    reading the machine's certificates takes tens of milliseconds. A door with certificates of
    its own (`trusted`, a file) has one that trusts those alone.
    """
    if trusted is None:
        context = ssl.create_default_context()
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    else:
        context = ssl.create_default_context(cafile=trusted)
    context.sslsocket_class = _TlsSocket
    return context


def _open(host: str, port: int, connect_s: float) -> socket.socket:
    """Connect to the first address that answers, all together within the deadline."""
    failure: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        candidate = _PlainSocket(family, kind, protocol)
        try:
            for option in _SOCKET_OPTIONS:
                candidate.setsockopt(*option)
            candidate.settimeout(min(connect_s, _deadlines.next_wait_s()))
            candidate.connect(address)
        except OSError as error:
            candidate.close()
            failure = error
        else:
            return candidate
    raise failure


class _Deadlined(HTTPConnection):
    """Connects and reads within the deadline; leaves stale connections before a write."""

    _used_at_s = 0.0

    def _new_conn(self) -> socket.socket:
        connect_s = self.timeout if isinstance(self.timeout, int | float) else 1.0
        try:
            return _open(self.host, self.port or self.default_port, connect_s)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"connecting to {self.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(self, f"cannot connect to {self.host}: {error}") from error

    def request(self, method: str, url: str, *args: Any, **options: Any) -> None:
        """Send a request, over a fresh connection when the old one is too old for a write."""
        now_s = SystemClock().monotonic_s()
        is_stale = now_s - self._used_at_s > IDLE_BEFORE_WRITE_S
        if method not in _SAFE_VERBS and self.sock is not None and is_stale:
            self.close()
        self._used_at_s = now_s
        super().request(method, url, *args, **options)


class _DeadlinedTls(_Deadlined, HTTPSConnection):
    """The same over TLS."""


class DeadlinePool(HTTPConnectionPool):
    """Plain connections that obey the deadline."""

    ConnectionCls = _Deadlined


class DeadlineTlsPool(HTTPSConnectionPool):
    """TLS connections that obey the deadline."""

    ConnectionCls = _DeadlinedTls
