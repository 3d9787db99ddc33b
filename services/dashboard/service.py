"""Puts the parts together and runs them: token, socket, reader, server, beats."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from services.dashboard import pages
from services.dashboard.access import Bound
from services.dashboard.app import make_app
from services.dashboard.auth import Keeper, token_of_file
from services.dashboard.commands import Commands
from services.dashboard.documents import problem_sentences
from services.dashboard.listen import (
    BACKLOG,
    DRAIN_S,
    StoppableServer,
    candidate_ports,
    open_listener,
)
from services.dashboard.patience import ImpatientProtocol
from services.dashboard.serving import Site
from services.dashboard.snapshot import Hub, Snapshot, SnapshotMaker
from services.dashboard.sources import Sources
from shared.clock import Clock
from shared.commands.audit import AuditLog
from shared.commands.control_client import ControlClient
from shared.commands.core import CommandCore
from shared.config.endpoints import read_dashboard_url
from shared.config.settings import Settings
from shared.errors import SystemFault
from shared.models.mode import Mode
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.telemetry.logs import log_event
from shared.telemetry.notify import Beat, Notifier

REFRESH_S = 0.5
STARTING_S = 0.02
"""Pause between looks while the server is not yet up; the shortest pause afterwards."""
KEEP_ALIVE_S = 10

logger = logging.getLogger("dashboard")
logging.getLogger("uvicorn").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Running:
    """What the two tasks of the running service share."""

    hub: Hub
    maker: SnapshotMaker
    notifier: Notifier
    port: int


def run(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """Serve until stopped. Raises ConfigFault and TransientFault when it cannot begin."""
    given = settings.dashboard_token
    token = (
        token_of_file(settings.state.dashboard_token) if given is None else given.get_secret_value()
    )
    listener = _listener(settings)
    try:
        asyncio.run(_serve(settings, clock, stop, Keeper(token, clock), listener))
    finally:
        listener.close()


def _listener(settings: Settings) -> socket.socket:
    may_move = settings.trading_mode is Mode.SIM
    ports = candidate_ports(settings.dashboard_port, _previous_port(settings), may_move=may_move)
    return open_listener(settings.dashboard_host, ports)


def _previous_port(settings: Settings) -> int | None:
    """The port of last time, as the supervisor noted it; None when nobody knows."""
    try:
        url = read_dashboard_url(settings.state.endpoints)
        return urlsplit(url).port if url is not None else None
    except (SystemFault, ValueError):
        return None


async def _serve(
    settings: Settings,
    clock: Clock,
    stop: threading.Event,
    keeper: Keeper,
    listener: socket.socket,
) -> None:
    mode = settings.trading_mode.value
    hub = Hub(clock)
    port = int(listener.getsockname()[1])
    sources = Sources(settings.state, settings.logs, clock)
    running = Running(
        hub,
        SnapshotMaker(sources.read, pages.render_section, mode),
        Notifier.from_environment(),
        port,
    )
    app = make_app(_site(settings, clock, keeper, hub))
    server = StoppableServer(server_config(app), stop, hub.close)
    log_event(logger, "listening", f"page at port {port}", port=port, mode=mode)
    # One reader thread beside the loop: a slow disk must not hold the answers up.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader") as reader:
        refreshing = asyncio.create_task(_refresh(running, reader, server))
        try:
            await server.serve(sockets=[listener])
        finally:
            refreshing.cancel()
        await _ended(refreshing)
    running.notifier.stopping()


def _site(settings: Settings, clock: Clock, keeper: Keeper, hub: Hub) -> Site:
    return Site(
        hub=hub,
        keeper=keeper,
        bound=Bound(settings.dashboard_host, frozenset({socket.gethostname().lower()})),
        commands=Commands(
            CommandCore(settings.state, settings.logs, clock),
            ControlClient(settings.state),
            AuditLog(settings.logs.audit, clock),
        ),
        log_dir=settings.log_dir,
        configured_mode=settings.trading_mode.value,
        is_stopped=EmergencyStopFile(settings.state.emergency_stop).is_set,
    )


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves the application: nothing of its own in logs, every wait bounded."""
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        backlog=BACKLOG,
    )


async def _refresh(running: Running, reader: ThreadPoolExecutor, server: StoppableServer) -> None:
    """The working loop: rebuild the snapshot, hand it out, beat. Its failure ends the server."""
    loop = asyncio.get_running_loop()
    is_ready = False
    try:
        while True:
            began = loop.time()
            wanted = running.hub.listeners > 0
            snapshot = await loop.run_in_executor(reader, _make, running.maker, wanted)
            running.hub.publish(snapshot)
            if server.started:
                if not is_ready:
                    running.notifier.ready("serving the page")
                    is_ready = True
                running.notifier.beat(_beat(running, snapshot))
            pause_s = REFRESH_S if is_ready else STARTING_S
            await asyncio.sleep(max(STARTING_S, pause_s - (loop.time() - began)))
    except Exception:
        server.should_exit = True
        raise


def _make(maker: SnapshotMaker, with_fragments: bool) -> Snapshot:
    return maker.make(with_fragments=with_fragments)


def _beat(running: Running, snapshot: Snapshot) -> Beat:
    """Our own word: DEGRADED while something that should be readable is not."""
    problems = problem_sentences(snapshot.reading)
    return Beat(
        progress=snapshot.number,
        health="DEGRADED" if problems else "OK",
        reason="; ".join(problems) if problems else "page is fresh",
        port=running.port,
        metrics={"streams": float(running.hub.listeners)},
    )


async def _ended(task: asyncio.Task[None]) -> None:
    """Raise what ended the task, unless it was our own cancellation."""
    try:
        await task
    except asyncio.CancelledError:
        return
