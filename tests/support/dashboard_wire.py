"""The whole dashboard in this process, spoken to byte by byte over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.dashboard.access import Bound
from services.dashboard.app import make_app
from services.dashboard.auth import Keeper
from services.dashboard.commands import Commands
from services.dashboard.listen import StoppableServer, open_listener
from services.dashboard.patience import PLACES, ImpatientProtocol
from services.dashboard.service import server_config
from services.dashboard.serving import Site
from services.dashboard.snapshot import Hub
from shared.clock import SystemClock
from shared.commands.audit import AuditLog
from shared.commands.control_client import ControlClient
from shared.commands.core import CommandCore
from shared.config.paths import LogPaths, StatePaths
from tests.support.dashboard import until

TOKEN = "a-token-of-ones-own-0123456789"


@dataclass(frozen=True)
class Wire:
    """Where the application listens, and its state folder."""

    port: int
    state: Path
    server: StoppableServer
    hub: Hub


@contextmanager
def serving(
    folder: Path, body_within_s: float = 0.3, places_in_all: int = PLACES
) -> Iterator[Wire]:
    """The whole application in this process; it waits for a body a third of a second only."""
    clock = SystemClock()
    state, logs = StatePaths(folder / "state"), LogPaths(folder / "logs")
    audit = AuditLog(logs.audit, clock)
    site = Site(
        hub=Hub(clock),
        keeper=Keeper(TOKEN, clock),
        bound=Bound("127.0.0.1"),
        commands=Commands(CommandCore(state, logs, clock), ControlClient(state), audit),
        log_dir=folder / "logs",
        configured_mode="sim",
        is_stopped=lambda: False,
        body_within_s=body_within_s,
    )
    stop = threading.Event()

    class Protocol(ImpatientProtocol):
        """With so many places."""

        places = places_in_all

    config = server_config(make_app(site))
    config.http = Protocol
    server = StoppableServer(config, stop, site.hub.close)
    listener = open_listener("127.0.0.1", iter([0]))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        until(lambda: server.started, "the server did not start")
        yield Wire(int(listener.getsockname()[1]), state.root, server, site.hub)
    finally:
        stop.set()
        thread.join(timeout=10)
        listener.close()


GREETING = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def spoken(wire: Wire, raw: bytes) -> bytes:
    """What the server says to these very bytes until it closes, or is silent for a moment."""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=2) as peer:
        peer.sendall(raw)
        heard = b""
        try:
            while piece := peer.recv(65_536):
                heard += piece
        except (TimeoutError, ConnectionResetError):
            pass
    return heard
