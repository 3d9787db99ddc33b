"""logs/audit.jsonl: who did what, when, why, and what came of it. Several writers, one O_APPEND
write per line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.clock import Clock, utc_text


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One action of a person."""

    who: str
    command: str
    why: str
    outcome: str
    detail: str = ""
    id: str = ""
    args: Mapping[str, object] | None = None


class AuditLog:
    """Appends lines; never stands in the way of the action itself."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def append(self, line: AuditLine) -> bool:
        """Append one line; False when the log cannot be written (full disk, no rights)."""
        document = {
            "ts": utc_text(self._clock.utc_now()),
            "who": line.who,
            "command": line.command,
            "why": line.why,
            "outcome": line.outcome,
            "detail": line.detail,
            "id": line.id,
            "args": dict(line.args or {}),
        }
        data = (json.dumps(document, ensure_ascii=False) + "\n").encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            handle = os.open(self._path, flags, 0o600)
            try:
                return os.write(handle, data) == len(data)
            finally:
                os.close(handle)
        except OSError:
            return False
