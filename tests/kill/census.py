"""Who lives for one state folder: found in /proc by the environment, never by a pid file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kill.blows import GUARDIAN, SUPERVISOR
from tests.support.supervised import is_alive

OUTER, ERRAND, STRANGER = "supervisord", "errand", "stranger"


@dataclass(frozen=True, slots=True)
class Census:
    """The pids of every role, in order."""

    pids: Mapping[str, tuple[int, ...]]

    def one(self, role: str) -> int | None:
        """Return the pid of a role that is held by exactly one process."""
        found = self.pids.get(role, ())
        return found[0] if len(found) == 1 else None

    def doubles(self) -> dict[str, tuple[int, ...]]:
        """Return the roles that more than one process holds."""
        return {role: pids for role, pids in self.pids.items() if len(pids) > 1 and role != ERRAND}

    def others(self, roles: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
        """Return who lives beside these roles: an orphan, a stranger."""
        known = {*roles, OUTER, ERRAND}
        return {role: pids for role, pids in self.pids.items() if role not in known}


def take(state: Path) -> Census:
    """Look at every process whose environment names this state folder."""
    needle = f"STATE_DIR={state}".encode()
    found: dict[str, list[int]] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            environ = Path(f"/proc/{entry.name}/environ").read_bytes()
            if needle in environ.split(b"\0") and is_alive(int(entry.name)):
                command = Path(f"/proc/{entry.name}/cmdline").read_bytes()
                found.setdefault(_role(environ, command), []).append(int(entry.name))
    return Census({role: tuple(sorted(pids)) for role, pids in found.items()})


def _role(environ: bytes, command: bytes) -> str:
    pairs = (item.partition(b"=") for item in environ.split(b"\0"))
    facts = {name: value for name, _, value in pairs}
    if b"SHT_COOKIE" in facts:
        return facts.get(b"SHT_SERVICE", b"").decode() or ERRAND
    words = command.split(b"\0")
    if b"services.supervisor.guardian" in words or any(
        word.endswith(b"deploy_supervisor.py") for word in words
    ):
        return GUARDIAN
    if b"services.supervisor" in words:
        return SUPERVISOR
    return OUTER if any(word.endswith(b"supervisord") for word in words) else STRANGER
