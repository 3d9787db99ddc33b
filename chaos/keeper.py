"""A fault on a process with a life of its own: begins it, ends it with the lease or at SIGTERM.

`python -m chaos.keeper SIGSTOP|"RLIMIT_FSIZE 0" PID START_TICKS LEASE_S`. Whoever asked may die
meanwhile. Should the keeper itself be killed, a second process ends the fault at once.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from contextlib import suppress

from chaos.row import Blow
from services.supervisor.processes import Process, open_process, start_ticks


def _begin(blow: Blow, process: Process, before: tuple[int, int]) -> None:
    if blow is Blow.HANG:
        process.send(signal.SIGSTOP)
        return
    # The soft limit alone: its owner may raise it again without being root.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, before[1]))


def _end(blow: Blow, process: Process, before: tuple[int, int]) -> None:
    if blow is Blow.HANG:
        process.send(signal.SIGCONT)
    elif start_ticks(process.pid) == process.start_ticks:
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def keep(blow: Blow, process: Process, lease_s: float) -> None:
    """Hold the fault until its lease, its victim or this process ends."""
    asked_read, asked_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(asked_write)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    ours, theirs = os.pipe()
    if os.fork() == 0:
        os.close(theirs)
        if not os.read(ours, 1):  # closed by a death, not by an end that was meant
            _end(blow, process, before)
        os._exit(0)
    try:
        _begin(blow, process, before)
        select.select([process.pidfd, asked_read], [], [], lease_s)
    finally:
        _end(blow, process, before)
        os.write(theirs, b"1")


def main(words: list[str]) -> int:
    """Keep one fault; 1 when the victim is gone already."""
    blow, pid, ticks, lease_s = Blow(words[0]), int(words[1]), int(words[2]), float(words[3])
    process = open_process(pid, ticks)
    if process is None:
        return 1
    keep(blow, process, lease_s)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
