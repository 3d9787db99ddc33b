"""Processes of a state folder that no file in it names any more, because it was removed.

Locks and pid files go with their folder, but the processes stay. A second tree over the same
folder must find them all the same: by what their environment says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from services.supervisor.launch import LAUNCH_VARIABLE, Launch
from services.supervisor.processes import (
    Process,
    environment_of,
    open_process,
    pids_with,
    start_ticks,
)

GUARDIAN_MODULE, SUPERVISOR_MODULE = "services.supervisor.guardian", "services.supervisor"


def living_owners(cookie: str, *modules: str) -> Iterator[Process]:
    """Yield the other guardians and supervisors of a state folder; the caller closes them."""
    for pid in pids_with(f"{LAUNCH_VARIABLE}="):
        ticks = start_ticks(pid)
        if ticks is None or pid == os.getpid() or _module_of(pid) not in modules:
            continue
        try:
            launch = Launch.from_text(environment_of(pid)[LAUNCH_VARIABLE])
        except (KeyError, ValueError, TypeError):
            continue
        process = open_process(pid, ticks) if launch.cookie == cookie else None
        if process is not None:
            yield process


def _module_of(pid: int) -> str:
    """Return the module that a Python process runs, by its command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - as all of /proc here
            words = file.read().split(b"\0")
    except OSError:
        return ""
    return os.fsdecode(words[2]) if words[1:2] == [b"-m"] and len(words) > 2 else ""
