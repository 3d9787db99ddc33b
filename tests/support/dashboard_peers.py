"""Who stands around the dashboard in a test: a bot that answers, a supervisor, a ledger."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

from shared.clock import SystemClock
from shared.commands.spool import CommandSpool
from shared.config.paths import StatePaths
from shared.models.commands import Command, CommandOutcome
from shared.persistence.ledger import Denial, LedgerWriter
from shared.risk.approved import CheckResult


def fill_ledger(state: Path) -> None:
    """One denial and two equity points, written by the real writer."""
    writer = LedgerWriter(StatePaths(state).ledger, SystemClock())
    now = datetime.now(UTC)
    writer.add_equity(now.replace(microsecond=0), Decimal("100000"), Decimal("1"))
    writer.add_equity(now.replace(microsecond=9_000), Decimal("100100"), Decimal("1"))
    trace = (CheckResult("COOLDOWN", False, "300", "12"),)
    writer.add_denial(
        Denial(now, "sht-1", "MSFT", "buy", Decimal(5), "ENTRY", "COOLDOWN", "300", "12", trace)
    )
    writer.commit()
    writer.close()


Reaction = Callable[[Command], tuple[CommandOutcome, str, dict[str, Any]]]


def done(command: Command) -> tuple[CommandOutcome, str, dict[str, Any]]:
    """A bot that does whatever it is told."""
    return CommandOutcome.DONE, f"{command.command.value} was done.", {}


@contextmanager
def answering_bot(state: Path, react: Reaction) -> Iterator[list[Command]]:
    """Play the holder of the trading lock: claim commands from the spool and answer them."""
    spool = CommandSpool(StatePaths(state), SystemClock())
    seen: list[Command] = []
    stop = threading.Event()

    def turn() -> None:
        while not stop.wait(0.02):
            claimed = spool.claim()
            if isinstance(claimed, Command):
                seen.append(claimed)
                outcome, detail, result = react(claimed)
                spool.answer(claimed.id, outcome, detail, result)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(timeout=5)


class _Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False  # a unix socket knows no such option

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _ControlServer(socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    def __init__(self, path: str) -> None:
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, path, _Handler)
        self.logRequests = False


@contextmanager
def answering_supervisor(state: Path, methods: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Play the supervisor's control socket with these methods."""
    path = StatePaths(state).supervisor_socket
    with suppress(FileNotFoundError):
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    server = _ControlServer(os.path.relpath(path))
    for name, method in methods.items():
        server.register_function(method, name)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
        path.unlink(missing_ok=True)
