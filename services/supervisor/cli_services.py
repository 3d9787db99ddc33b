"""`restart`, `release` and `tail`: one service at a time."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from services.supervisor.folders import log_folder, state_folder
from services.supervisor.terminal import say
from shared.commands.control_client import ControlClient
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault

TAIL_BYTES = 8192
LOOK_EVERY_S = 0.25


def restart(arguments: argparse.Namespace) -> int:
    """Restart a service and wait until it runs; 1 when it does not or nobody answers."""
    client = ControlClient(StatePaths(state_folder(arguments)))
    return _asked(lambda: client.restart(arguments.service), f"{arguments.service}: restarted")


def release(arguments: argparse.Namespace) -> int:
    """Let a parked service run again; 1 when it is not parked or nobody answers."""
    client = ControlClient(StatePaths(state_folder(arguments)))
    return _asked(lambda: client.release(arguments.service), f"{arguments.service}: released")


def _asked(call: object, success: str) -> int:
    try:
        if callable(call):
            call()
    except SystemFault as fault:
        say(str(fault), sys.stderr)
        return 1
    say(success)
    return 0


def tail(arguments: argparse.Namespace) -> int:
    """Print the end of a service's log, and what comes after it with --follow."""
    path = _log_of(LogPaths(log_folder(arguments)), arguments.service)
    if path is None:
        say(f"there is no log of {arguments.service!r}", sys.stderr)
        return 1
    position = max(0, path.stat().st_size - TAIL_BYTES)
    never = threading.Event()
    try:
        position = _print_from(path, position, from_line_start=position > 0)
        while arguments.follow:
            never.wait(LOOK_EVERY_S)
            position = _print_from(path, position, from_line_start=False)
    except BrokenPipeError:
        # Whoever read us has seen enough; the interpreter must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _log_of(logs: LogPaths, service: str) -> Path | None:
    if "/" in service or service.startswith("."):
        return None
    for path in (logs.service(service), logs.output(service)):
        with suppress(OSError):
            if path.is_file():
                return path
    return None


def _print_from(path: Path, position: int, *, from_line_start: bool) -> int:
    """Print what lies behind the position; return the new one. A rotated file begins anew."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(position if position <= size else 0)
            data = file.read()
            end = file.tell()
    except FileNotFoundError:
        # Rotated away a moment ago: the next line makes a new one.
        return 0
    if from_line_start:
        data = data.partition(b"\n")[2]
    sys.stdout.write(data.decode("utf-8", "replace"))
    sys.stdout.flush()
    return end
