"""Records of running processes, so that a new supervisor adopts them instead of doubling them.

A record names pid, start ticks and boot: all three must match. It is begun before the spawn and
completed right after it: a child whose supervisor died in between is found by the cookie in its
environment, or counted as a death when it died too. No fsync: a record matters only while its
process lives, and the page cache survives the death of a process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from services.supervisor.processes import (
    Process,
    environment_of,
    open_process,
    processes_with_cookie,
    start_ticks,
)
from services.supervisor.small_files import text_of_file

SERVICE_VARIABLE = "SHT_SERVICE"
RECORD_BYTES_MAX = 10_000
PID_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process of ours: identity, cookie, since when (UTC text, seconds since boot)."""

    service: str
    cookie: str
    boot_id: str
    started_at: str
    started_s: float
    pid: int | None = None
    start_ticks: int | None = None
    ready: bool = False
    port: int | None = None
    restarts: int = 0
    row: str = ""
    """Mark of the row that it was started with; empty when an older version of us wrote it."""

    @property
    def identity(self) -> str:
        """What tells its death from every other; the cookie while nobody knows the pid."""
        return f":{self.cookie}" if self.pid is None else f"{self.pid}:{self.start_ticks}"


_KINDS: dict[str, type | tuple[type, ...]] = {
    "service": str,
    "cookie": str,
    "boot_id": str,
    "started_at": str,
    "started_s": (int, float),
    "pid": (int, type(None)),
    "start_ticks": (int, type(None)),
    "ready": bool,
    "port": (int, type(None)),
    "restarts": int,
    "row": str,
}


def _is_ours(record: ProcessRecord) -> bool:
    """Whether all facts are of their kind: a foreign hand may have been in the file."""
    of_kind = all(isinstance(getattr(record, name), kind) for name, kind in _KINDS.items())
    return of_kind and (record.pid is None or 0 < record.pid <= PID_MAX)


class RecordFolder:
    """The pid files in state/run: a plain number on the first line, the record on the second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, service: str) -> Path:
        """Where the record of a service lies."""
        return self._folder / f"{service}.pid"

    def write(self, record: ProcessRecord) -> None:
        """Write the record over the former one; raises OSError.

        In place, by one call: a replaced or emptied file would be written out at once by the
        kernel, for which every start would wait. What is left of a longer one is cut after it.
        """
        number = "" if record.pid is None else str(record.pid)
        facts = {name: getattr(record, name) for name in record.__slots__}
        data = f"{number}\n{json.dumps(facts)}\n".encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self.path(record.service), flags, 0o600)
        try:
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)

    def read(self, service: str) -> ProcessRecord | None:
        """Return the record, None when there is none that can be read."""
        try:
            lines = text_of_file(self.path(service), RECORD_BYTES_MAX).splitlines()
            record = ProcessRecord(**json.loads(lines[1]))
        except (OSError, ValueError, IndexError, TypeError, RecursionError):
            return None
        return record if _is_ours(record) else None

    def remove(self, service: str) -> None:
        """Forget the record; what cannot be removed names nobody who lives."""
        with suppress(OSError):
            self.path(service).unlink()

    def services(self) -> tuple[str, ...]:
        """Return the names of which there is a record."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.pid")))


@dataclass(frozen=True, slots=True)
class Found:
    """A live process of an earlier supervisor, held by a pidfd."""

    record: ProcessRecord
    process: Process


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What an earlier supervisor left: the living to adopt, the dead to account for, doubles."""

    living: dict[str, Found]
    dead: dict[str, ProcessRecord]
    doubles: tuple[Process, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a process must carry to be ours: the state folder's cookie, this boot, the mode."""

    cookie: str
    boot_id: str
    mode: str


def inherit(folder: RecordFolder, lineage: Lineage) -> Inheritance:
    """Look for everything that still runs for this state folder.

    A process of another mode is never adopted: its orders would go elsewhere.
    """
    living: dict[str, Found] = {}
    dead: dict[str, ProcessRecord] = {}
    surplus: list[Process] = []
    boot_id = lineage.boot_id
    for service in folder.services():
        record = folder.read(service)
        if record is None:
            continue
        process = _process_of(record, boot_id)
        if process is not None and _mode_of(process.pid) == lineage.mode:
            living[service] = Found(record, process)
        elif process is not None:
            surplus.append(process)
        elif record.boot_id == boot_id:
            dead[service] = record
    surplus.extend(_strays(folder, lineage, living, {process.pid for process in surplus}))
    for service in living:
        dead.pop(service, None)
    return Inheritance(living, dead, tuple(surplus))


def _mode_of(pid: int) -> str | None:
    return environment_of(pid).get("TRADING_MODE")


def _process_of(record: ProcessRecord, boot_id: str) -> Process | None:
    if record.boot_id != boot_id or record.pid is None or record.start_ticks is None:
        return None
    return open_process(record.pid, record.start_ticks)


def _strays(
    folder: RecordFolder, lineage: Lineage, living: dict[str, Found], seen: set[int]
) -> Iterable[Process]:
    """Adopt session leaders that carry our cookie without a record; yield surplus ones.

    Services carry their cookie on to their helpers, of which some lead a session too: those of
    a living service are its own business, those of a dead one are left over.
    """
    known = seen | {found.process.pid for found in living.values()}
    for ticks, pid, cookie in sorted(_session_leaders(f"{lineage.cookie}.")):
        environment = environment_of(pid)
        service = environment.get(SERVICE_VARIABLE, "")
        heir = living.get(service)
        is_helper = heir is not None and heir.record.cookie == cookie
        process = None if pid in known or not service or is_helper else open_process(pid, ticks)
        if process is None:
            continue
        former = folder.read(service)
        is_surplus = heir is not None or _is_left_over(former, cookie)
        if is_surplus or environment.get("TRADING_MODE") != lineage.mode:
            yield process
            continue
        record = _record_of_stray(former, service, cookie, lineage)
        living[service] = Found(replace(record, pid=pid, start_ticks=ticks), process)


def _is_left_over(former: ProcessRecord | None, cookie: str) -> bool:
    """Whether it was the helper of a service that died, and not the service itself.

    A record with a pid tells of a process that had begun: who else has its cookie helped it. One
    without a pid waits for one child, which has its cookie.
    """
    if former is None:
        return False
    return (former.cookie == cookie) == (former.pid is not None)


def _session_leaders(prefix: str) -> Iterator[tuple[int, int, str]]:
    """Yield start ticks, pid and cookie, so that the eldest of a service comes first."""
    for pid, cookie in processes_with_cookie(prefix):
        ticks = start_ticks(pid)
        if ticks is not None and leads_its_session(pid):
            yield ticks, pid, cookie


def _record_of_stray(
    known: ProcessRecord | None, service: str, cookie: str, lineage: Lineage
) -> ProcessRecord:
    """Return the record that could not be written any more."""
    if known is not None and known.cookie == cookie:
        return known
    restarts = 0 if known is None else known.restarts + 1
    return ProcessRecord(service, cookie, lineage.boot_id, "", 0.0, restarts=restarts)


def leads_its_session(pid: int) -> bool:
    """Whether it is a service itself, not a helper of one."""
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False
