"""The end of a service's JSON log, without reading the whole of it."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from shared.config.paths import LogPaths

LINES_MAX = 1_000
TAIL_BYTES_MAX = 1_048_576
MESSAGE_CHARACTERS_MAX = 16_384
"""Of a line that is no JSON object at most so much is shown: its end."""
SERVICE_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
"""Of a service and its log: a plain word, never a path."""
LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


def tail(log_dir: Path, service: str, count: int, level: str = "") -> list[dict[str, Any]] | None:
    """Return the last `count` lines of that level or above, oldest first; None without a log.

    The name is a plain word, never a path; a link is not followed. A line that is no JSON object
    becomes one with its text as `msg`.
    """
    if not SERVICE_NAME.fullmatch(service):
        return None
    lines = last_lines(LogPaths(log_dir).service(service))
    if lines is None:
        return None
    lowest = LEVELS.get(level.upper(), 0)
    shown = [line for line in lines if LEVELS.get(str(line.get("level")), 100) >= lowest]
    return shown[-count:]


def last_lines(path: Path) -> list[dict[str, Any]] | None:
    """Return the lines at the end of a plain file of JSON lines, oldest first; None without one."""
    raw = _last_bytes(path)
    if raw is None:
        return None
    return [_entry(line) for line in raw.decode("utf-8", "replace").split("\n") if line.strip()]


def _last_bytes(path: Path) -> bytes | None:
    """Return the end of a plain file from a whole line on; None when there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            return None
        begin = max(0, facts.st_size - TAIL_BYTES_MAX)
        raw = os.pread(descriptor, TAIL_BYTES_MAX, begin)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    whole_lines = raw.partition(b"\n")[2] if begin else raw
    # A line without end is shown by its end: nothing at all would say that nothing was logged.
    return whole_lines or raw


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    return entry if isinstance(entry, dict) else {"msg": _shortened(line)}


def _shortened(text: str) -> str:
    kept = text[-MESSAGE_CHARACTERS_MAX:]
    return text if len(kept) == len(text) else f"… {kept}"
