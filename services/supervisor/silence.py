"""The silence of one service: how much of it was spent waiting for the disk or for a processor.

Looked at only while a sign of life is overdue, so that a healthy service costs nothing. The
service's own loop, which alone may beat, turns in its main thread: that one is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.supervisor.free_time import Glimpse, free_s, glimpse_of


@dataclass(slots=True)
class Silence:
    """Counts for one process since its last sign of life; the next sign begins anew."""

    held_s: float = 0.0
    """What it could not use; seconds."""
    is_told: bool = False
    """Somebody was told that it is spared for that."""
    _of: tuple[int, int] = (0, 0)
    """The process, and how many signs it had given."""
    _seen: Glimpse | None = None
    _seen_s: float = 0.0

    def look(
        self,
        pid: int,
        signs: int,
        now_s: float,
        glimpse: Callable[[int], Glimpse | None] = glimpse_of,
    ) -> None:
        """Count what passed since the look before; times in seconds on the monotonic clock."""
        seen = glimpse(pid)
        if self._of == (pid, signs):
            elapsed_s = now_s - self._seen_s
            self.held_s += elapsed_s - free_s(self._seen, seen, elapsed_s)
        else:
            self._of, self.held_s, self.is_told = (pid, signs), 0.0, False
        self._seen, self._seen_s = seen, now_s
