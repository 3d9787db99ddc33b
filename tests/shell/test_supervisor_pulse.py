"""Slow or hung? The guardian's questions to a real process, on a clock that the test moves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from services.supervisor.free_time import glimpse_of
from services.supervisor.processes import state_of
from services.supervisor.pulse import LOOK_EVERY_S, PATIENCE_S, Pulse
from tests.support.clock import ManualClock
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ANSWERS = """
import os, socket, sys
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen()
while True:
    caller, _ = door.accept()
    caller.recv(1024)
    caller.send(b"404")
    caller.close()
    if len(sys.argv) > 2:
        opened = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[2], os.O_RDONLY, 0)]
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}, file_actions=opened), 0)
"""
"""Answers; with a pipe named, it waits after each answer until somebody writes there, as the
kernel's letter for a wait for the disk says."""


@dataclass
class Asked:
    """A process that answers at a socket, and the questions to it."""

    pid: int
    pulse: Pulse
    clock: ManualClock

    def looks(self, count: int) -> bool:
        """Look so many times, a second apart; whether it counts as hung."""
        hangs = False
        for _ in range(count):
            self.clock.advance(LOOK_EVERY_S)
            hangs = self.pulse.look()
        return hangs

    def until_answered(self) -> None:
        """Ask once and take the answer."""
        self.pulse.look()
        wait_until(lambda: self.pulse.look() is False and not self.pulse.awaited, 10, "an answer")


@contextmanager
def asked(folder: Path, *more: str) -> Iterator[Asked]:
    """Run the process and begin to ask it."""
    path, clock = folder / "door.sock", ManualClock()
    command = [sys.executable, "-S", "-c", ANSWERS, str(path), *more]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            wait_until(path.exists, 10, "the socket")
            pulse = Pulse(path, clock, partial(glimpse_of, process.pid))
            with closing(pulse):
                yield Asked(process.pid, pulse, clock)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


PATIENT_LOOKS = int(PATIENCE_S / LOOK_EVERY_S) + 6
"""More than the patience with one who is silent, and the pause between two questions."""


def test_pulse_when_the_supervisor_waits_for_the_disk_then_it_is_slow_and_not_hung(
    tmp_path: Path,
) -> None:
    """A crowded disk holds it for minutes; ended for that, it would only come back to wait."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with asked(tmp_path, str(pipe)) as process:
        process.until_answered()
        wait_until(lambda: state_of(process.pid) == "D", 10, "a wait in the kernel")

        assert not process.looks(3 * PATIENT_LOOKS)

        pipe.write_text("")
        wait_until(lambda: not process.pulse.look() and not process.pulse.awaited, 10, "an answer")


def test_pulse_when_the_wait_for_the_disk_never_ends_then_it_hangs_at_last(tmp_path: Path) -> None:
    """A wait that a signal can end, such as for a dead file server, must not be for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with asked(tmp_path, str(pipe)) as process:
        process.until_answered()
        wait_until(lambda: state_of(process.pid) == "D", 10, "a wait in the kernel")

        assert process.looks(400)
        pipe.write_text("")


def test_pulse_when_the_supervisor_stands_still_then_it_hangs_after_the_patience(
    tmp_path: Path,
) -> None:
    """Whoever could answer and does not is hung: held by a signal here."""
    with asked(tmp_path) as process:
        process.until_answered()
        os.kill(process.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(process.pid) == "T", 10, "its standstill")

        assert not process.looks(int(PATIENCE_S / LOOK_EVERY_S) - 1)
        assert process.looks(PATIENT_LOOKS)
