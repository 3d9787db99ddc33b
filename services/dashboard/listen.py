"""The listening socket, and a uvicorn server that stops when the service's stop event is set."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from shared.errors import ConfigFault, TransientFault

PORTS_TRIED_MAX = 50
BACKLOG = 300
"""So many wait to be accepted, and so many are accepted at once at most."""
DRAIN_S = 2
"""How long open requests may go on after a stop, whole seconds (uvicorn's own unit)."""


def open_listener(host: str, ports: Iterator[int]) -> socket.socket:
    """Return a socket that listens on the first free port.

    Raises TransientFault when all are taken, ConfigFault when the host is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    tried: list[int] = []
    for port in ports:
        listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. asyncio sets it only where the protocol was named at creation,
        # and without it every answer on a kept connection waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((host.strip("[]"), port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as problem:
            listener.close()
            number = getattr(problem, "errno", None)
            if number != errno.EADDRINUSE:
                raise ConfigFault(
                    f"DASHBOARD_HOST {host}, DASHBOARD_PORT {port}: cannot listen there ({problem})"
                ) from problem
            tried.append(port)
            continue
        return listener
    raise TransientFault(f"no free port for the dashboard on {host}; tried {tried}")


def candidate_ports(configured: int, previous: int | None, *, may_move: bool) -> Iterator[int]:
    """Yield the ports to try: the configured one, or in sim the one of last time first (so that
    an open page finds us again) and then the next ones.
    """
    if not may_move or configured == 0:
        yield configured
        return
    span = range(configured, min(configured + PORTS_TRIED_MAX, 65_536))
    if previous is not None and previous in span:
        yield previous
    yield from (port for port in span if port != previous)


class StoppableServer(uvicorn.Server):
    """uvicorn without its signal handlers: the service's frame has them and sets `stop`."""

    def __init__(
        self, config: uvicorn.Config, stop: threading.Event, before_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._before_stop = before_stop

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Look for the stop event, ten times a second; end the streams first."""
        if self._stop.is_set() and not self.should_exit:
            self._before_stop()
            self.should_exit = True
        return await super().on_tick(counter)
