"""Services that outlived their supervisor: found by their pid files or, where these were removed,
by the cookie in their environment; ended without a supervisor."""

from __future__ import annotations

import signal
from collections.abc import Container, Iterator
from pathlib import Path

from services.supervisor.adoption import SERVICE_VARIABLE, RecordFolder, leads_its_session
from services.supervisor.launch import cookie_of
from services.supervisor.processes import (
    Process,
    children_of_ours,
    ended_within,
    environment_of,
    kill_group,
    open_process,
    processes_with_cookie,
    start_ticks,
)
from shared.clock import SystemClock

EACH_S = 15.0
KILLED_S = 5.0
LAST_FIRST = ("heartbeat", "dashboard", "trading-bot", "data-daemon", "exchange-sim")


def living_services(run_folder: Path) -> Iterator[tuple[str, Process]]:
    """Yield the services that live, with or without a record; the caller closes them."""
    recorded = dict(_recorded_services(run_folder))
    yield from recorded.items()
    known = {process.pid for process in recorded.values()}
    for pid, _ in processes_with_cookie(f"{cookie_of(str(run_folder.parent))}."):
        name, ticks = environment_of(pid).get(SERVICE_VARIABLE, ""), start_ticks(pid)
        if not name or ticks is None or pid in known or not leads_its_session(pid):
            continue
        process = open_process(pid, ticks)
        if process is not None:
            yield name, process


def _recorded_services(run_folder: Path) -> Iterator[tuple[str, Process]]:
    records = RecordFolder(run_folder)
    boot_id = SystemClock().boot_id()
    for name in sorted(records.services(), key=_rank):
        record = records.read(name)
        if record is None or record.boot_id != boot_id:
            continue
        if record.pid is None or record.start_ticks is None:
            continue
        process = open_process(record.pid, record.start_ticks)
        if process is not None:
            yield name, process


def any_service_lives(run_folder: Path) -> bool:
    """Whether there is somebody left to supervise."""
    for _, process in living_services(run_folder):
        process.close()
        return True
    return False


def stop_by_records(run_folder: Path) -> int:
    """Stop services that outlived their supervisor; return how many there were.

    Records of the dead go too: their deaths are nobody's business after a stop.
    """
    count = 0
    for _, process in sorted(living_services(run_folder), key=lambda found: _rank(found[0])):
        count += 1
        _end(process)
        process.close()
    records = RecordFolder(run_folder)
    for name in records.services():
        if records.read(name) is not None:
            records.remove(name)
    return count


def end_children(but: Container[int]) -> None:
    """SIGKILL our children but some: what the dead left to us, without a cookie to know it by."""
    for pid in children_of_ours():
        ticks = None if pid in but else start_ticks(pid)
        child = None if ticks is None else open_process(pid, ticks)
        if child is not None:
            child.send(signal.SIGKILL)
            child.close()


def _rank(name: str) -> int:
    """Own entries first, then dependants before what they need."""
    return LAST_FIRST.index(name) + 1 if name in LAST_FIRST else 0


def _end(process: Process) -> None:
    process.send(signal.SIGTERM)
    process.send(signal.SIGCONT)
    if not ended_within(process, EACH_S):
        process.send(signal.SIGKILL)
        kill_group(process.pid)
        ended_within(process, KILLED_S)
