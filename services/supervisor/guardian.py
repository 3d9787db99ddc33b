"""The guardian: a few lines that restart the supervisor and hold nothing that can break.

It imports no event loop and no library, keeps the first lock of the state folder, hands signals
down, and ends with the supervisor's own code. Services are not its business: they outlive a
dead supervisor and are adopted by the next one; only when it was asked to end, and no supervisor
is there to do it, it ends them itself. A supervisor that cannot start, for a full disk or the
like, is tried again as long as services live. A guardian that finds a supervisor alive, whose own
guardian died, takes that one over.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial

from services.supervisor.free_time import glimpse_of
from services.supervisor.launch import (
    LATER_SUPERVISOR,
    LAUNCH_VARIABLE,
    REPOSITORY,
    Launch,
)
from services.supervisor.leftovers import any_service_lives, end_children, stop_by_records
from services.supervisor.locks import LockHeld, ProcessLock
from services.supervisor.own_files import (
    GUARDIAN,
    SUPERVISOR,
    read_own_exit,
    read_pid_file,
    write_pid_file,
)
from services.supervisor.processes import (
    Process,
    become_subreaper,
    children_of_ours,
    ended_within,
    environment_of,
    start_ticks,
)
from services.supervisor.pulse import Pulse
from services.supervisor.signals import ASKING, let_through
from shared.clock import Clock, SystemClock
from shared.errors import EXIT_ALREADY_RUNNING, EXIT_CANNOT_WRITE, EXIT_CODES

PERIOD_S = 60.0
PAUSES_S = (0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0)
"""Wait after the first, second, ... death within the period; the last one holds for all after."""
STACKS_S, KILLED_S = 2.0, 5.0
"""Time for a hung supervisor's stack dump after SIGABRT, and for SIGKILL to work."""
FAULTS = frozenset({*EXIT_CODES.values(), EXIT_CANNOT_WRITE})
"""Ends of a supervisor that could not do its work, though nobody asked it to end."""
OWN_CODES = FAULTS | {0, EXIT_ALREADY_RUNNING}
"""Codes that no crash of an interpreter ends with."""


class Guardian:
    """Keeps one supervisor alive."""

    def __init__(self, launch: Launch, clock: Clock) -> None:
        own_pid = os.getpid()
        self._launch = replace(
            launch,
            started_s=clock.monotonic_s(),
            guardian_pid=own_pid,
            guardian_ticks=start_ticks(own_pid) or 0,
        )
        self._clock = clock
        self._is_child = False
        self._not_ours = frozenset(children_of_ours())
        """Who was here before us, of a shell that became this process."""
        self._deaths: deque[float] = deque()
        self._held_back = b""
        """Signals that came while no supervisor was there to get them."""
        self._asked_to_end = False
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Guard until the supervisor ends on purpose; return its exit code."""
        self._listen_to_signals()
        become_subreaper()
        process = self._living_supervisor() or self._start(later=False)
        while True:
            self._wait_for_end(process)
            code = self._end_of(process)
            process.close()
            if code == EXIT_ALREADY_RUNNING and (former := self._living_supervisor()) is not None:
                process = former
                continue
            if code is None or code in FAULTS:
                if not self._launch.state.run.is_dir():
                    return self._end_services(EXIT_CANNOT_WRITE)
                if self._asked_to_end:
                    return self._end_services(code)
            if code is not None and not self._must_go_on(code):
                if code == os.EX_OK:
                    # Every service has ended: what they left to a dead supervisor came to us.
                    end_children(self._not_ours)
                return code
            told = "died" if code is None else f"ended with exit code {code}"
            self._say(f"supervisor (pid {process.pid}) {told}; it is started again")
            self._brake()
            process = self._start(later=True)

    def _must_go_on(self, code: int) -> bool:
        """Whether this end would leave services behind that nobody watches."""
        if code == EXIT_ALREADY_RUNNING:
            return not self._asked_to_end
        return code in FAULTS and any_service_lives(self._launch.state.run)

    def _end_services(self, fault: int | None) -> int:
        """Do what was asked, since no supervisor did it; return the exit code."""
        count = stop_by_records(self._launch.state.run)
        told = f"ended {count} services that no supervisor ended"
        self._say(told)
        if fault is not None:
            return fault
        # Imported late: nearly every guardian ends without it. A fault has left its own word.
        from services.supervisor.failed_start import FailedStart, write_failed_start

        failed = FailedStart(1, f"asked to stop, the guardian {told}", self._launch.mode)
        write_failed_start(self._launch.state, failed)
        return failed.exit_code

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        for number in (*ASKING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        let_through()

    def _living_supervisor(self) -> Process | None:
        """Return the supervisor whose guardian died, if there is one.

        A guardian may die with a supervisor just born, which is found only once it holds its
        lock: another one that was started meanwhile ends with EXIT_ALREADY_RUNNING, and what was
        asked of that one is asked of it. Raises LockHeld when it runs another mode: then this
        start is a second instance.
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
        if self._asked_to_end:
            self._held_back = bytes([signal.SIGTERM])
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
            setsigmask=ASKING,
            setsigdef=[*ASKING, signal.SIGCHLD, signal.SIGPIPE],
        )
        self._is_child = True
        return Process(pid, os.pidfd_open(pid), start_ticks(pid) or 0)

    def _wait_for_end(self, process: Process) -> None:
        """Forward signals and reap orphans until the supervisor has ended."""
        held_back, self._held_back = self._held_back, b""
        self._hand_down(process, held_back)
        glimpse = partial(glimpse_of, process.pid)
        pulse = Pulse(self._launch.state.supervisor_socket, self._clock, glimpse)
        while True:
            sources: list[int | socket.socket] = [process.pidfd, self._wakeup_read, *pulse.awaited]
            ready, _, _ = select.select(sources, [], [], pulse.wait_s())
            if self._wakeup_read in ready:
                self._hand_down(process, os.read(self._wakeup_read, 256))
            self._reap_orphans(process.pid)
            if process.pidfd not in ready and pulse.look():
                self._end_hung(process)
            elif process.pidfd in ready:
                pulse.close()
                return

    def _end_hung(self, process: Process) -> None:
        """End a supervisor that does not answer: its stacks first, then its life."""
        self._say(f"supervisor (pid {process.pid}) hangs; it is ended")
        process.send(signal.SIGABRT)
        process.send(signal.SIGCONT)
        if not ended_within(process, STACKS_S):
            process.send(signal.SIGKILL)
            ended_within(process, KILLED_S)

    def _hand_down(self, process: Process, numbers: bytes) -> None:
        for number in numbers:
            if number in ASKING:
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
        code = read_own_exit(self._launch.state.run, process)
        if not self._is_child:
            return code
        ended = os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)
        if code is not None or ended is None or ended.si_code != os.CLD_EXITED:
            return code
        # A full disk or a removed folder keeps the file from being written.
        return ended.si_status if ended.si_status in OWN_CODES else None

    def _brake(self) -> None:
        """Wait when the supervisor dies too often; the services go on meanwhile."""
        now_s = self._clock.monotonic_s()
        self._deaths.append(now_s)
        while now_s - self._deaths[0] > PERIOD_S:
            self._deaths.popleft()
        count = len(self._deaths)
        pause_s = pause_after(count)
        if pause_s > 0:
            self._say(f"it ended {count} times within {PERIOD_S:g} s; waiting {pause_s:g} s")
            self._rest(now_s + pause_s)

    def _rest(self, until_s: float) -> None:
        """Wait, but not longer than until somebody asks for something."""
        while not self._held_back and (left_s := until_s - self._clock.monotonic_s()) > 0:
            ready, _, _ = select.select([self._wakeup_read], [], [], left_s)
            if ready:
                numbers = os.read(self._wakeup_read, 256)
                self._held_back = bytes(number for number in numbers if number in ASKING)
                self._reap_orphans(but=0)

    def _say(self, text: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"guardian: {text}\n")
            sys.stderr.flush()


def pause_after(count: int) -> float:
    """Return the wait, in seconds, after so many deaths (at least one) within the period."""
    return PAUSES_S[min(count, len(PAUSES_S)) - 1]


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
