"""`stop`: by the control socket, by signal when that is silent, by pid files when none lives."""

from __future__ import annotations

import argparse
import select
import signal
import sys
from pathlib import Path

from services.supervisor.adoption import RecordFolder
from services.supervisor.folders import state_folder
from services.supervisor.own_files import GUARDIAN, SUPERVISOR, read_pid_file
from services.supervisor.processes import Process, kill_group, open_process
from services.supervisor.terminal import say
from shared.clock import SystemClock
from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from shared.errors import SystemFault

WHOLE_S = 120.0
EACH_S = 15.0
LAST_FIRST = ("heartbeat", "dashboard", "trading-bot", "data-daemon", "exchange-sim")


def stop(arguments: argparse.Namespace) -> int:
    """Stop everything and wait for the end; 0 when nothing runs any more."""
    state = StatePaths(state_folder(arguments))
    owners = [
        process
        for name in (SUPERVISOR, GUARDIAN)
        if (process := read_pid_file(state.run, name)) is not None
    ]
    if owners:
        _ask(state, owners)
        if not all(_ended(process, WHOLE_S) for process in owners):
            say("the supervisor does not end; look at logs/supervisor.jsonl", sys.stderr)
            return 1
    left = stop_by_records(state.run)
    if owners or left:
        say("stopped")
    else:
        say("nothing runs here")
    return 0


def _ask(state: StatePaths, owners: list[Process]) -> None:
    """Ask the supervisor; a silent one through its guardian, which else would bring it back."""
    try:
        ControlClient(state, timeout_s=5.0).shutdown()
    except SystemFault:
        owners[-1].send(signal.SIGTERM)


def stop_by_records(run_folder: Path) -> int:
    """Stop services that outlived their supervisor; return how many there were."""
    records = RecordFolder(run_folder)
    names = sorted(records.services(), key=_rank)
    boot_id = SystemClock().boot_id()
    count = 0
    for name in names:
        record = records.read(name)
        if record is None or record.boot_id != boot_id:
            continue
        if record.pid is None or record.start_ticks is None:
            continue
        process = open_process(record.pid, record.start_ticks)
        if process is not None:
            count += 1
            _end(process)
        records.remove(name)
    return count


def _rank(name: str) -> int:
    """Own entries first, then dependants before what they need."""
    return LAST_FIRST.index(name) + 1 if name in LAST_FIRST else 0


def _end(process: Process) -> None:
    process.send(signal.SIGTERM)
    process.send(signal.SIGCONT)
    if not _ended(process, EACH_S):
        process.send(signal.SIGKILL)
        kill_group(process.pid)


def _ended(process: Process, timeout_s: float) -> bool:
    """Whether a process ends within the time."""
    ready, _, _ = select.select([process.pidfd], [], [], timeout_s)
    return bool(ready)
