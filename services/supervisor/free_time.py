"""How long a process was free to go on: not waiting for the disk, nor for a processor.

Silence alone does not tell a hang from a crowded machine. The kernel knows of the main thread,
in which the supervisor's loop turns, how it stands and how long it has waited in the queue.
Standard library only, as all of the guardian.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.supervisor.processes import small_file, state_of

WAITS_FOR_DISK, RUNNABLE = "D", "R"
SCHEDSTAT_BYTES_MAX = 200
NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A main thread at one moment: its state, seconds on a processor, seconds in the queue."""

    state: str
    ran_s: float
    queued_s: float


def glimpse_of(pid: int) -> Glimpse | None:
    """Look at a process; None when it is gone or the kernel does not count."""
    words = small_file(f"/proc/{pid}/schedstat", SCHEDSTAT_BYTES_MAX).split()
    if len(words) < 2:
        return None
    return Glimpse(state_of(pid), int(words[0]) / NANOSECONDS, int(words[1]) / NANOSECONDS)


def free_s(before: Glimpse | None, now: Glimpse | None, elapsed_s: float) -> float:
    """Return how many of the seconds between two glimpses it could have used."""
    if before is None or now is None:
        return elapsed_s
    if now.state == WAITS_FOR_DISK:
        return 0.0
    if now.state == RUNNABLE and now.ran_s == before.ran_s:
        # It stands in the queue still, and the kernel adds that up only when it is let in.
        return 0.0
    return max(0.0, elapsed_s - (now.queued_s - before.queued_s))
