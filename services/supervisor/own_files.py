"""Small files about ourselves in state/run: who guards, who supervises, and how that one ended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from services.supervisor.processes import Process, open_process, small_file, start_ticks

EXIT_FILE = "supervisor.exit"
LINE_BYTES_MAX = 100
SUPERVISOR, GUARDIAN = "supervisor.pid", "guardian.pid"


def write_pid_file(run_folder: Path, name: str, pid: int) -> None:
    """Note pid and start ticks of a living process; a full disk only makes it harder to find."""
    with suppress(OSError):
        (run_folder / name).write_text(f"{pid} {start_ticks(pid) or 0}\n", encoding="ascii")


def is_noted(run_folder: Path, name: str, pid: int) -> bool:
    """Whether the file names that pid."""
    return small_file(f"{run_folder}/{name}", LINE_BYTES_MAX).startswith(b"%d " % pid)


def read_pid_file(run_folder: Path, name: str) -> Process | None:
    """Return the very process that was noted, None when it lives no more."""
    try:
        pid, ticks = (
            int(word) for word in small_file(f"{run_folder}/{name}", LINE_BYTES_MAX).split()
        )
    except ValueError:
        return None
    return open_process(pid, ticks)


def write_own_exit(run_folder: Path, pid: int, code: int) -> None:
    """Leave identity and exit code of an end that was meant; the guardian takes others for deaths.

    The start ticks beside the pid: in a container the next run gets the same pids, and the end
    that was meant yesterday must not explain the death of today.
    """
    temporary = run_folder / f"{EXIT_FILE}.tmp"
    with suppress(OSError):
        temporary.write_text(f"{pid} {start_ticks(pid) or 0} {code}\n", encoding="ascii")
        temporary.replace(run_folder / EXIT_FILE)


def read_own_exit(run_folder: Path, process: Process) -> int | None:
    """Return the code that this very supervisor left, None when it left none."""
    try:
        words = (run_folder / EXIT_FILE).read_text(encoding="ascii").split()
        pid, ticks, code = (int(word) for word in words)
    except (OSError, ValueError):
        return None
    return code if (pid, ticks) == (process.pid, process.start_ticks) else None
