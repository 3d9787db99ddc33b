"""One file per trading day with everything that changed the state, for `replay` and for people.

Lines as in the journal, with number and checksum. A snapshot of the state comes first, and again
after each start of the bot; every event that changed something follows, readings too. It is a
record, not a memory: nothing is fsynced, no decision reads it, and a disk that refuses costs the
day its record and the bot nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.errors import TransientFault
from shared.events.codec import event_to_json
from shared.events.handlers import Change
from shared.events.types import DayOpened
from shared.models.state_codec import StateEncoder
from shared.models.trading_state import BotState
from shared.persistence.document import VERSION
from shared.persistence.journal_lines import BASE, RECORD, make_line, scan
from shared.persistence.names import aside_name

DAYS_KEPT = 60
FILE_BYTES_MAX = 64_000_000
"""Beyond it the rest of the day goes unrecorded: the disk belongs to the state."""
ORDERS_PER_LINE = 200
_DAY_FILE = re.compile(r"\d{4}-\d{2}-\d{2}\..+\.jsonl")


class DayLog:
    """Writes the day's file; a handler of `shared.events.handlers`. Used by one thread."""

    def __init__(self, folder: Path, state: BotState) -> None:
        """Begin with a snapshot of `state`, unless no day has begun yet. Raises as a handler."""
        self._folder = folder
        self._encoder = StateEncoder()
        self._file: _DayFile | None = None
        self._seq = 0
        if state.day is not None:
            self._open(state.day.date.isoformat(), state)

    def __call__(self, change: Change) -> None:
        """Record the change; raises TransientFault when the disk refuses."""
        if isinstance(change.event, DayOpened):
            self._open(change.event.day.isoformat(), change.before)
        if self._file is not None:
            self._write([{"events": [event_to_json(change.event)]}])

    def _open(self, day: str, state: BotState) -> None:
        if self._file is not None:
            self._file.close()
        path = self._folder / aside_name(f"{day}.jsonl", state.mode, state.account_id)
        self._file = _DayFile(path)
        self._seq = 0
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            raw = path.read_bytes() if path.exists() else b""
            self._drop_old_days()
        except OSError as failure:
            raise _refused(path, failure) from failure
        torn = b"" if not raw or raw.endswith(b"\n") else b"\n"
        if raw:
            self._seq = scan(raw).last_seq
            self._append(torn)
        else:
            owner = {"version": VERSION, "mode": state.mode, "account_id": state.account_id}
            self._append(make_line(0, BASE, owner))
        self._write(self._snapshot(state))

    def _snapshot(self, state: BotState) -> list[dict[str, Any]]:
        payload = self._encoder.payload(state)
        orders = list(payload.pop("orders").items())
        starts = range(0, len(orders), ORDERS_PER_LINE)
        parts = [{"orders": dict(orders[start : start + ORDERS_PER_LINE])} for start in starts]
        return [{"snapshot": payload, "parts": len(parts)}, *parts]

    def _write(self, records: list[Mapping[str, object]] | list[dict[str, Any]]) -> None:
        lines = []
        for record in records:
            self._seq += 1
            lines.append(make_line(self._seq, RECORD, record))
        self._append(b"".join(lines))

    def _append(self, data: bytes) -> None:
        if self._file is None or not data:
            return
        try:
            self._file.append(data)
        except OSError as failure:
            raise _refused(self._file.path, failure) from failure

    def _drop_old_days(self) -> None:
        names = sorted(one.name for one in self._folder.iterdir() if _DAY_FILE.fullmatch(one.name))
        for name in names[:-DAYS_KEPT]:
            (self._folder / name).unlink(missing_ok=True)


class _DayFile:
    """The file of one day, kept open from line to line. Each line reaches the system at once; one
    that was moved away or removed meanwhile is begun anew under its name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._is: os.stat_result | None = None

    def append(self, data: bytes) -> None:
        """Write at its end; raises OSError, and TransientFault when it is full."""
        try:
            descriptor, size = self._opened()
            if size + len(data) > FILE_BYTES_MAX:
                raise TransientFault(f"{self.path.name} is full; the day is not recorded on")
            os.write(descriptor, data)
        except OSError:
            self.close()
            raise

    def _opened(self) -> tuple[int, int]:
        """Return the descriptor of the file that lies there now, and its size."""
        if self._descriptor is not None and self._is is not None:
            with suppress(FileNotFoundError):
                there = os.lstat(self.path)
                if os.path.samestat(there, self._is):
                    return self._descriptor, there.st_size
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        self._is = os.fstat(self._descriptor)
        return self._descriptor, self._is.st_size

    def close(self) -> None:
        """Let it go; the next line opens it again."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with suppress(OSError):
                os.close(descriptor)


def _refused(path: Path, failure: OSError) -> TransientFault:
    return TransientFault(f"{path.name} cannot be written: {failure.strerror or failure}")
