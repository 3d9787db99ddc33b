"""Does the supervisor still turn? The guardian asks its control socket, which its loop answers.

A beat through a file or a timer would prove only the disk or the timer. Who is not connected to
is not judged: a supervisor whose folder was removed still does its work. Standard library only,
without an event loop, as all of the guardian.

A supervisor that waits for the disk, or for a processor, is slow and not hung: that time counts
for little. It counts at all because a wait that never ends must be ended too.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from services.supervisor.free_time import Glimpse, free_s
from shared.clock import Clock

ASK_EVERY_S = 4.0
PATIENCE_S = 8.0
START_S = 60.0
"""Until a new supervisor listens: it reads, adopts and cleans up first."""
LOOK_EVERY_S = 1.0
HELD_SHARE = 1 / 30
"""What a second counts in which the supervisor could not go on: patience for minutes."""
QUESTION = b"GET /alive HTTP/1.0\r\n\r\n"
"""Answered with 404, without a line in any log."""
UNANSWERED = (BlockingIOError, InterruptedError)


class Pulse:
    """The questions to one supervisor; `look` at least whenever `wait_s` has passed."""

    def __init__(
        self, control_socket: Path, clock: Clock, glimpse: Callable[[], Glimpse | None]
    ) -> None:
        self._path = control_socket
        self._clock = clock
        self._glimpse = glimpse
        self._seen = glimpse()
        self._question: socket.socket | None = None
        self._looked_s = self._asked_s = clock.monotonic_s()
        self._silent_s = 0.0
        """Counted in looks: a pause of the whole machine is not the supervisor's silence."""
        self._has_listened = False

    @property
    def awaited(self) -> tuple[socket.socket, ...]:
        """What becomes readable with the answer."""
        return () if self._question is None else (self._question,)

    def wait_s(self) -> float:
        """Seconds until the next look."""
        if self._question is not None or not self._has_listened:
            return LOOK_EVERY_S
        return max(0.0, self._asked_s + ASK_EVERY_S - self._clock.monotonic_s())

    def look(self) -> bool:
        """Take the answer, or ask when it is time; whether the supervisor hangs."""
        now_s = self._clock.monotonic_s()
        self._silent_s += self._counted_s(now_s - self._looked_s)
        self._looked_s = now_s
        if self._question is None:
            if not self._has_listened or now_s >= self._asked_s + ASK_EVERY_S:
                self._ask(now_s)
        elif self._is_answered(self._question):
            self.close()
            self._silent_s = 0.0
        return self._silent_s > (PATIENCE_S if self._has_listened else START_S)

    def _counted_s(self, elapsed_s: float) -> float:
        """Return what the time since the last look counts as silence."""
        seen, self._seen = self._seen, self._glimpse()
        free = min(free_s(seen, self._seen, elapsed_s), LOOK_EVERY_S)
        held = min(elapsed_s, LOOK_EVERY_S) - free
        return free + HELD_SHARE * held

    def _ask(self, now_s: float) -> None:
        self._asked_s = now_s
        question = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            question.connect(str(_real(self._path)))
            question.send(QUESTION)
        except UNANSWERED:
            # Nobody takes the callers off the queue: that silence counts.
            question.close()
        except OSError:
            question.close()
            if self._has_listened:
                self._silent_s = 0.0
        else:
            self._question, self._silent_s, self._has_listened = question, 0.0, True

    def _is_answered(self, question: socket.socket) -> bool:
        try:
            question.recv(1024)
        except UNANSWERED:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Let go of the question."""
        if self._question is not None:
            self._question.close()
            self._question = None


def _real(path: Path) -> Path:
    """Return where a link leads: in a deep folder the path itself is too long for the kernel."""
    with suppress(OSError):
        return path.readlink()
    return path
