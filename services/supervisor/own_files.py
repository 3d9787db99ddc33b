"""Small files about ourselves in state/run: who guards, who supervises, and how that one ended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from services.supervisor.processes import Process, open_process, start_ticks

EXIT_FILE = "supervisor.exit"
SUPERVISOR, GUARDIAN = "supervisor.pid", "guardian.pid"


def write_pid_file(run_folder: Path, name: str, pid: int) -> None:
    """Note pid and start ticks of a living process; a full disk only makes it harder to find."""
    with suppress(OSError):
        (run_folder / name).write_text(f"{pid} {start_ticks(pid) or 0}\n", encoding="ascii")


def is_noted(run_folder: Path, name: str, pid: int) -> bool:
    """Whether the file names that pid."""
    with suppress(OSError):
        return (run_folder / name).read_bytes().startswith(b"%d " % pid)
    return False


def read_pid_file(run_folder: Path, name: str) -> Process | None:
    """Return the very process that was noted, None when it lives no more."""
    try:
        pid, ticks = (int(word) for word in (run_folder / name).read_text("ascii").split())
    except (OSError, ValueError):
        return None
    return open_process(pid, ticks)


def write_own_exit(run_folder: Path, pid: int, code: int) -> None:
    """Leave pid and exit code of an end that was meant; the guardian takes others for deaths."""
    temporary = run_folder / f"{EXIT_FILE}.tmp"
    with suppress(OSError):
        temporary.write_text(f"{pid} {code}\n", encoding="ascii")
        temporary.replace(run_folder / EXIT_FILE)


def read_own_exit(run_folder: Path, pid: int) -> int | None:
    """Return the code that this very supervisor left, None when it left none."""
    try:
        words = (run_folder / EXIT_FILE).read_text(encoding="ascii").split()
        return int(words[1]) if int(words[0]) == pid else None
    except (OSError, ValueError, IndexError):
        return None
