"""restart_tally.json: every unasked death, and who is parked; written before anything is done.

Kept over the supervisor's own death, so that no crash of ours gives a service a new budget.
After a reboot the deaths of the former boot no longer count; parked stays parked.

A death is first noted in a second file without waiting for the disk, which is enough to outlive
us, and the restart need not wait either; a moment later the book itself is written durably. A
note is one line with the records that changed, so that its cost does not grow with the table.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.supervisor.restart_policy import Death, Park
from shared.clock import Clock
from shared.errors import SchemaFault, TransientFault
from shared.models.health import ExitClass
from shared.persistence.atomic_file import Missing, read_document, write_document
from shared.telemetry.logs import log_event

TALLY_VERSION = 1
TALLY_BYTES_MAX = 4_000_000
NOTE_BYTES_MAX = 1_000_000
"""Notes pile up only while the disk refuses the book; then one line with all replaces them."""
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
"""What comes of reading a document that is not ours."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of one service."""

    deaths: tuple[Death, ...] = ()
    parked: Park | None = None
    held: str | None = None
    """Why an operator stopped it; it stays down until an operator starts it."""
    last_identity: str = ""
    """Process of the last death counted, so that none is counted twice."""


_EMPTY = Record()


@dataclass(slots=True)
class TallyBook:
    """The book in memory and its file."""

    path: Path
    clock: Clock
    logger: logging.Logger
    _records: dict[str, Record] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    """Records as they stand in the file, of those that did not change since."""
    _unnoted: dict[str, None] = field(default_factory=dict)
    """Services whose record changed since the last note, in that order."""
    _seq: int = 0

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.note")

    def load(self) -> None:
        """Read the book. Raises SchemaFault when a newer version of us wrote it.

        An unreadable book is moved aside and a new one begun: healing must not stop for it.
        """
        try:
            book = _read(self.path)
            if book is not None:
                self._take_over(book, is_whole=True)
        except (*_UNREADABLE, TransientFault) as fault:
            self._set_aside(fault)
        try:
            raw = read_document(self._note, TALLY_BYTES_MAX)
        except (ValueError, TransientFault) as fault:
            self._unreadable_note(fault)
            return
        for line in () if isinstance(raw, Missing) else raw.split(b"\n"):
            self._take_over_note(line)

    def _take_over_note(self, line: bytes) -> None:
        try:
            note = json.loads(line) if line else None
            if note is not None and note["boot_id"] == self.clock.boot_id():
                self._take_over(note, is_whole=False)
        except _UNREADABLE as fault:
            # We died while it was written: nobody has acted upon it.
            self._unreadable_note(fault)

    def _unreadable_note(self, fault: Exception) -> None:
        log_event(self.logger, "tally_note_unreadable", str(fault), level=logging.WARNING)

    def _take_over(self, document: dict[str, Any], *, is_whole: bool) -> None:
        """Believe a document, unless a later one was read."""
        if document["schema_version"] > TALLY_VERSION:
            raise SchemaFault(f"{self.path}: written by a newer version; it is left untouched")
        same_boot = document["boot_id"] == self.clock.boot_id()
        seq = int(document.get("seq") or 0)
        if seq < self._seq:
            return
        entries = document["services"].items()
        found = {name: _record(entry, same_boot) for name, entry in entries}
        self._records = found if is_whole else self._records | found
        self._seq = seq

    def _set_aside(self, fault: Exception) -> None:
        stamp = self.clock.utc_now().strftime("%Y%m%dT%H%M%S")
        aside = self.path.with_name(f"{self.path.name}.corrupt.{stamp}")
        log_event(
            self.logger,
            "tally_unreadable",
            f"restart_tally.json cannot be read ({fault}); moved to {aside.name}, counting anew",
            level=logging.ERROR,
        )
        try:
            self.path.rename(aside)
        except OSError as failure:
            log_event(self.logger, "tally_stuck", str(failure), level=logging.ERROR)

    def of(self, service: str) -> Record:
        """Return what is remembered of a service."""
        return self._records.get(service, _EMPTY)

    def count(self, service: str, death: Death, identity: str, kept: int) -> bool:
        """Note a death, keeping the last `kept`; False when this very process was counted before.

        Call `save` next.
        """
        record = self.of(service)
        if identity and record.last_identity == identity:
            return False
        deaths = (*record.deaths, death)[-kept:]
        self._change(service, replace(record, deaths=deaths, last_identity=identity))
        return True

    def _change(self, service: str, record: Record) -> None:
        self._records[service] = record
        self._texts.pop(service, None)
        self._unnoted[service] = None

    def park(self, service: str, park: Park) -> None:
        """Note that a service is parked. Call `save` next."""
        self._change(service, replace(self.of(service), parked=park))

    def hold(self, service: str, reason: str) -> None:
        """Note that an operator stopped a service. Call `save` next."""
        self._change(service, replace(self.of(service), held=reason))

    def let_go(self, service: str) -> None:
        """Forget that an operator stopped a service. Call `save` next."""
        self._change(service, replace(self.of(service), held=None))

    def release(self, service: str) -> None:
        """Forget deaths, park and hold: a human said so. Call `save` next."""
        self._change(service, Record(last_identity=self.of(service).last_identity))

    def release_all(self) -> None:
        """Forget everything: the human stopped the whole, and starts it anew when it is mended."""
        self._records.clear()
        self._unnoted.clear()

    def note(self) -> None:
        """Write what changed so that it outlives us, not a power cut. Call `save` soon after.

        Appended by one call: a replaced file would be written out at once by the kernel.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._note, flags, 0o600)
            try:
                is_long = os.fstat(descriptor).st_size > NOTE_BYTES_MAX
                if is_long:
                    os.ftruncate(descriptor, 0)
                # What was torn off before, by a full disk or by our death, ends here.
                line = b"\n" + self._as_bytes(None if is_long else self._unnoted)
                if os.write(descriptor, line) < len(line):
                    raise OSError(errno.ENOSPC, "the disk took a part of the note", self._note)
            finally:
                os.close(descriptor)
            self._unnoted.clear()
        except OSError as fault:
            log_event(self.logger, "tally_not_noted", str(fault), level=logging.ERROR)

    def save(self) -> bool:
        """Write the book durably; False when the disk refuses, which must not stop healing."""
        try:
            write_document(self.path, self._as_bytes())
            self._note.unlink(missing_ok=True)
        except (TransientFault, OSError) as fault:
            log_event(self.logger, "tally_not_written", str(fault), level=logging.ERROR)
            if self._unnoted:
                # Where a whole book has no room, or its file is spoilt, a line may still be taken.
                self.note()
            return False
        self._unnoted.clear()
        return True

    def _as_bytes(self, services: Iterable[str] | None = None) -> bytes:
        """Return a document with these records, None for all of them."""
        self._seq += 1
        entries = ", ".join(map(self._text, self._records if services is None else services))
        version, boot_id = TALLY_VERSION, json.dumps(self.clock.boot_id())
        return (
            f'{{"schema_version": {version}, "seq": {self._seq}, "boot_id": {boot_id}, '
            f'"services": {{{entries}}}}}'
        ).encode()

    def _text(self, service: str) -> str:
        """Return a record as a member of the document; made anew only when it changed."""
        text = self._texts.get(service)
        if text is None:
            entry = json.dumps(_entry(self._records[service]))
            text = self._texts[service] = f"{json.dumps(service)}: {entry}"
        return text


def _read(path: Path) -> dict[str, Any] | None:
    """Return a document of ours, None when there is none; raises ValueError or SystemFault."""
    raw = read_document(path, TALLY_BYTES_MAX)
    if isinstance(raw, Missing):
        return None
    document: dict[str, Any] = json.loads(raw)
    return document


def _entry(record: Record) -> dict[str, object]:
    """Return a record for the file; by hand, since every restart waits for it."""
    park = record.parked
    return {
        "deaths": [
            {"at_s": death.at_s, "uptime_s": death.uptime_s, "exit_class": death.exit_class}
            for death in record.deaths
        ],
        "parked": None if park is None else {"exit_class": park.exit_class, "reason": park.reason},
        "held": record.held,
        "last_identity": record.last_identity,
    }


def _record(entry: Mapping[str, Any], same_boot: bool) -> Record:
    deaths = tuple(
        Death(float(death["at_s"]), float(death["uptime_s"]), ExitClass(death["exit_class"]))
        for death in entry["deaths"]
    )
    parked = entry["parked"]
    return Record(
        deaths=deaths if same_boot else (),
        parked=None
        if parked is None
        else Park(ExitClass(parked["exit_class"]), str(parked["reason"])),
        held=None if entry["held"] is None else str(entry["held"]),
        last_identity=str(entry["last_identity"]),
    )
