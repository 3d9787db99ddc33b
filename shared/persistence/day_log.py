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
        self._path: Path | None = None
        self._seq = 0
        if state.day is not None:
            self._open(state.day.date.isoformat(), state)

    def __call__(self, change: Change) -> None:
        """Record the change; raises TransientFault when the disk refuses."""
        if isinstance(change.event, DayOpened):
            self._open(change.event.day.isoformat(), change.before)
        if self._path is not None:
            self._write([{"events": [event_to_json(change.event)]}])

    def _open(self, day: str, state: BotState) -> None:
        name = aside_name(f"{day}.jsonl", state.mode, state.account_id)
        self._path = self._folder / name
        self._seq = 0
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            raw = self._path.read_bytes() if self._path.exists() else b""
            self._drop_old_days()
        except OSError as failure:
            raise _refused(self._path, failure) from failure
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
        if self._path is None or not data:
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                if os.fstat(descriptor).st_size + len(data) > FILE_BYTES_MAX:
                    raise TransientFault(f"{self._path.name} is full; the day is not recorded on")
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as failure:
            raise _refused(self._path, failure) from failure

    def _drop_old_days(self) -> None:
        names = sorted(one.name for one in self._folder.iterdir() if _DAY_FILE.fullmatch(one.name))
        for name in names[:-DAYS_KEPT]:
            (self._folder / name).unlink(missing_ok=True)


def _refused(path: Path, failure: OSError) -> TransientFault:
    return TransientFault(f"{path.name} cannot be written: {failure.strerror or failure}")
