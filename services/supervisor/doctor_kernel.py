"""What the kernel says of its clock and memory; None or False where it does not say."""

from __future__ import annotations

import ctypes
from contextlib import suppress

from services.supervisor.processes import small_file

_TIMEX_BYTES = 256
"""Larger than the kernel's struct on every platform; all zeros ask without changing."""
_NOT_SYNCHRONISED = 5
_CGROUP_MAX, _CGROUP_NOW = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"
_BYTES_MAX = 10_000


def is_clock_unsynchronised() -> bool:
    """Whether the kernel says that nobody keeps its clock right."""
    with suppress(OSError, AttributeError):
        asked = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
        return int(asked) == _NOT_SYNCHRONISED
    return False


def memory_free_bytes() -> int | None:
    """Return what may still be used, by the machine or by the container, whichever is less."""
    found = [free for free in (_of_machine(), _of_container()) if free is not None]
    return min(found, default=None)


def _of_machine() -> int | None:
    for line in small_file("/proc/meminfo", _BYTES_MAX).splitlines():
        if line.startswith(b"MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_container() -> int | None:
    try:
        most, now = int(small_file(_CGROUP_MAX, 100)), int(small_file(_CGROUP_NOW, 100))
    except ValueError:
        return None
    return max(0, most - now)
