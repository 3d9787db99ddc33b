"""The guardian: a few lines that restart the supervisor and hold nothing that can break.

It imports no event loop and no library, keeps the first lock of the state folder, hands signals
down, and ends with the supervisor's own code. Services are not its business: they outlive a
dead supervisor and are adopted by the next one. A guardian that finds a supervisor alive, whose
own guardian died, takes that one over.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections import deque
from contextlib import suppress
from dataclasses import replace

from services.supervisor.launch import (
    LATER_SUPERVISOR,
    LAUNCH_VARIABLE,
    REPOSITORY,
    Launch,
)
from services.supervisor.locks import LockHeld, ProcessLock
from services.supervisor.own_files import (
    GUARDIAN,
    SUPERVISOR,
    read_own_exit,
    read_pid_file,
    write_pid_file,
)
from services.supervisor.processes import Process, environment_of, start_ticks
from shared.clock import Clock, SystemClock
from shared.errors import EXIT_ALREADY_RUNNING, EXIT_CANNOT_WRITE

INTENSITY, PERIOD_S = 5, 60.0
"""More deaths than this in the period, and the next supervisor waits out the rest of it."""
PR_SET_CHILD_SUBREAPER = 36
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Guardian:
    """Keeps one supervisor alive."""

    def __init__(self, launch: Launch, clock: Clock) -> None:
        self._launch = replace(launch, started_s=clock.monotonic_s())
        self._clock = clock
        self._supervisor: Process | None = None
        self._is_child = False
        self._deaths: deque[float] = deque(maxlen=INTENSITY)
        self._asked_to_end = False
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Guard until the supervisor ends on purpose; return its exit code."""
        self._listen_to_signals()
        self._become_subreaper()
        self._supervisor = self._living_supervisor() or self._start(later=False)
        while True:
            process = self._supervisor
            self._wait_for_end(process)
            code = self._end_of(process)
            process.close()
            if code is not None:
                return code
            if self._asked_to_end:
                return 1
            self._say(f"supervisor (pid {process.pid}) died; it is started again")
            self._brake()
            self._supervisor = self._start(later=True)

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        for number in (*FORWARDED, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)

    def _become_subreaper(self) -> None:
        """Inherit the children of a dead supervisor, so that their exits can be observed."""
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def _living_supervisor(self) -> Process | None:
        """Return the supervisor whose guardian died, if there is one.

        Raises LockHeld when it runs another mode: then this start is a second instance.
        """
        process = read_pid_file(self._launch.state.run, SUPERVISOR)
        if process is None:
            return None
        mode = _mode_of(process.pid)
        if mode != self._launch.mode:
            holder = f"a supervisor of mode {mode}, pid {process.pid}"
            raise LockHeld(self._launch.state.supervisor_lock, holder)
        self._say(f"the running supervisor (pid {process.pid}) is taken over")
        self._is_child = False
        return process

    def _start(self, *, later: bool) -> Process:
        environment = dict(os.environ)
        environment[LAUNCH_VARIABLE] = self._launch.to_text()
        environment[LATER_SUPERVISOR] = "1" if later else ""
        command = [sys.executable, "-m", "services.supervisor"]
        pid = os.posix_spawn(
            sys.executable,
            command,
            environment,
            setpgroup=0,
            setsigmask=[],
            setsigdef=[*FORWARDED, signal.SIGCHLD, signal.SIGPIPE],
        )
        self._is_child = True
        write_pid_file(self._launch.state.run, SUPERVISOR, pid)
        return Process(pid, os.pidfd_open(pid), start_ticks(pid) or 0)

    def _wait_for_end(self, process: Process) -> None:
        """Forward signals and reap orphans until the supervisor has ended."""
        while True:
            ready, _, _ = select.select([process.pidfd, self._wakeup_read], [], [])
            if self._wakeup_read in ready:
                self._hand_down(process, os.read(self._wakeup_read, 256))
            self._reap_orphans(process.pid)
            if process.pidfd in ready:
                return

    def _hand_down(self, process: Process, numbers: bytes) -> None:
        for number in numbers:
            if number in FORWARDED:
                self._asked_to_end |= number != signal.SIGHUP
                process.send(signal.Signals(number))

    def _reap_orphans(self, but: int) -> None:
        """Reap what was inherited; the supervisor itself is left for `_end_of`."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid == but:
                return
            os.waitid(os.P_PID, found.si_pid, os.WEXITED | os.WNOHANG)

    def _end_of(self, process: Process) -> int | None:
        """Return the exit code of an end that was meant, None for a death."""
        if self._is_child:
            os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)
        return read_own_exit(self._launch.state.run, process.pid)

    def _brake(self) -> None:
        """Wait when the supervisor dies too often; the services go on meanwhile."""
        now_s = self._clock.monotonic_s()
        self._deaths.append(now_s)
        if len(self._deaths) < INTENSITY:
            return
        wait_s = self._deaths[0] + PERIOD_S - now_s
        if wait_s > 0:
            self._say(f"it died {INTENSITY} times within {PERIOD_S:g} s; waiting {wait_s:.0f} s")
            select.select([self._wakeup_read], [], [], wait_s)

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"guardian: {text}\n")
            sys.stderr.flush()


def _mode_of(pid: int) -> str:
    try:
        return Launch.from_text(environment_of(pid)[LAUNCH_VARIABLE]).mode
    except (KeyError, ValueError, TypeError):
        return "unknown"


def _taken(lock: ProcessLock, who: str) -> bool:
    """Take the lock; False, said in one line, when something odd stands in its place."""
    try:
        lock.take(who)
    except OSError as fault:
        sys.stderr.write(f"STATE_DIR: {fault.filename} cannot be used: {fault.strerror}.\n")
        return False
    return True


def main() -> int:
    """Take the guardian's lock and guard."""
    launch = Launch.from_text(os.environ[LAUNCH_VARIABLE])
    os.chdir(REPOSITORY)
    lock = ProcessLock(launch.state.guardian_lock)
    try:
        if not _taken(lock, f"a running system of mode {launch.mode}"):
            return EXIT_CANNOT_WRITE
        write_pid_file(launch.state.run, GUARDIAN, os.getpid())
        return Guardian(launch, SystemClock()).run()
    except LockHeld as held:
        sys.stderr.write(
            f"Another instance holds this state folder: {held.holder}. "
            "Stop it with `python deploy_supervisor.py stop`, or use another STATE_DIR.\n"
        )
        return EXIT_ALREADY_RUNNING


if __name__ == "__main__":
    sys.exit(main())
