"""The processes of one state folder, seen from outside: found by their own notes, never by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.catalogue import GUARDIAN, SUPERVISOR
from services.supervisor.leftovers import living_services
from services.supervisor.own_files import GUARDIAN as GUARDIAN_FILE
from services.supervisor.own_files import SUPERVISOR as SUPERVISOR_FILE
from services.supervisor.own_files import read_pid_file
from services.supervisor.processes import Process
from shared.clock import Clock
from shared.config.paths import StatePaths
from shared.errors import SystemFault
from shared.health.judge import Judgement, judge_document
from shared.persistence.atomic_file import Missing, read_document

_FILES = {SUPERVISOR: SUPERVISOR_FILE, GUARDIAN: GUARDIAN_FILE}
_HEALTH_BYTES_MAX = 16_000_000


class Tree:
    """Who lives for a state folder, and what health.json says of it."""

    def __init__(self, state: StatePaths, clock: Clock) -> None:
        self.state = state
        self._clock = clock

    @contextmanager
    def holding(self, role: str) -> Iterator[Process | None]:
        """Hold the living process of a role (a service, `supervisor`, `guardian`) by its pidfd."""
        process = self._open(role)
        try:
            yield process
        finally:
            if process is not None:
                process.close()

    def _open(self, role: str) -> Process | None:
        if role in _FILES:
            return read_pid_file(self.state.run, _FILES[role])
        found = None
        for name, process in living_services(self.state.run):
            if name == role and found is None:
                found = process
            else:
                process.close()
        return found

    def pids(self) -> dict[str, int]:
        """Return the pid of every role that is held by a living process."""
        found = {}
        for role in _FILES:
            with self.holding(role) as process:
                if process is not None:
                    found[role] = process.pid
        for name, process in living_services(self.state.run):
            found[name] = process.pid
            process.close()
        return found

    def health(self) -> Judgement:
        """Return health.json, judged by its age first as every reader does."""
        raw: bytes | None = None
        with suppress(SystemFault, ValueError):
            read = read_document(self.state.health, _HEALTH_BYTES_MAX)
            raw = None if isinstance(read, Missing) else read
        clock = self._clock
        return judge_document(raw, boot_id=clock.boot_id(), boottime_s=clock.boottime_s())


def is_stopped(pid: int) -> bool:
    """Whether a process is held by a stop signal."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] in (b"T", b"t")
