"""What goes into a bundle: bounded, and never a file that is itself a secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.config.fields import KNOWN_NAMES, SECRETS
from shared.config.paths import LogPaths, StatePaths
from shared.config.sources import gather

PART_BYTES_MAX = 4_000_000
"""Of each file the end: the newest is what is asked about."""
WHOLE_LOGS = ("incidents.jsonl", "audit.jsonl")
"""Health history and what people did are packed whole, whatever the window."""


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when lines are wanted, as UTC stamps of our own form."""

    since: str
    until: str

    def holds(self, line: bytes) -> bool:
        """Whether the line belongs to that time; one without a stamp belongs to its neighbours."""
        with suppress(ValueError, AttributeError, RecursionError):
            stamp = json.loads(line).get("ts")
            return not isinstance(stamp, str) or self.since <= stamp <= self.until
        return True


def state_parts(state: StatePaths) -> dict[str, bytes]:
    """Return the documents of the state folder, without tokens, keys and databases."""
    paths = [
        state.health,
        state.bot_status,
        state.trading_state,
        state.journal,
        state.restart_tally,
        state.heartbeat,
        state.emergency_stop,
        *sorted(state.run.glob("*.pid")),
        *sorted(state.root.glob("*.corrupt.*")),
    ]
    return {
        f"state/{path.relative_to(state.root)}": data
        for path in paths
        if (data := _end_of(path)) is not None
    }


def log_parts(logs: LogPaths, window: Window | None) -> dict[str, bytes]:
    """Return the logs, each line of the window; what a process printed only by its end."""
    found: dict[str, bytes] = {}
    for path in _log_files(logs.root):
        data = _end_of(path)
        if data is None:
            continue
        name = str(path.relative_to(logs.root))
        is_lines = path.suffix == ".jsonl" or ".jsonl." in path.name
        if window is not None and is_lines and name not in WHOLE_LOGS:
            data = b"".join(line for line in data.splitlines(keepends=True) if window.holds(line))
        if data:
            found[f"logs/{name}"] = data
    return found


def _log_files(root: Path) -> Iterator[Path]:
    for pattern in ("*.jsonl", "*.jsonl.[0-9]", "*.out", "last_words/*.json"):
        yield from sorted(root.glob(pattern))


def settings_part(env_file: Path | None) -> bytes:
    """Return the settings that are set; of a secret only that it is."""
    gathered = gather(os.environ, env_file, {})
    shown = {
        name: "(set)" if name in SECRETS else value
        for name, value in sorted(gathered.values.items())
        if name in KNOWN_NAMES
    }
    faults = [{"setting": one.setting, "problem": one.problem} for one in gathered.faults]
    return json.dumps({"settings": shown, "faults": faults}, indent=1).encode()


def _end_of(path: Path) -> bytes | None:
    """Return the last bytes of a regular file, from the begin of a line; None without one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - PART_BYTES_MAX))
            data = file.read(PART_BYTES_MAX)
    except OSError:
        return None
    return data if size <= PART_BYTES_MAX else data.partition(b"\n")[2]
