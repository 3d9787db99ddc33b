"""restart_tally.json: every unasked death, and who is parked; written before anything is done.

Kept over the supervisor's own death, so that no crash of ours gives a service a new budget.
After a reboot the deaths of the former boot no longer count; parked stays parked.

A death is first noted in a second file without waiting for the disk, which is enough to outlive
us, and the restart need not wait either; a moment later the book itself is written durably.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
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
                self._take_over(book)
        except (ValueError, KeyError, TypeError, AttributeError, TransientFault) as fault:
            self._set_aside(fault)
        try:
            note = _read(self._note)
            if note is not None and note["boot_id"] == self.clock.boot_id():
                self._take_over(note)
        except (ValueError, KeyError, TypeError, AttributeError, TransientFault) as fault:
            # We died while it was written: nobody has acted upon it.
            log_event(self.logger, "tally_note_unreadable", str(fault), level=logging.WARNING)

    def _take_over(self, document: dict[str, Any]) -> None:
        """Believe a document, unless a later one was read."""
        if document["schema_version"] > TALLY_VERSION:
            raise SchemaFault(f"{self.path}: written by a newer version; it is left untouched")
        same_boot = document["boot_id"] == self.clock.boot_id()
        seq = int(document.get("seq") or 0)
        if seq >= self._seq:
            services = document["services"].items()
            self._records = {name: _record(entry, same_boot) for name, entry in services}
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
        self._records[service] = replace(record, deaths=deaths, last_identity=identity)
        return True

    def park(self, service: str, park: Park) -> None:
        """Note that a service is parked. Call `save` next."""
        self._records[service] = replace(self.of(service), parked=park)

    def hold(self, service: str, reason: str) -> None:
        """Note that an operator stopped a service. Call `save` next."""
        self._records[service] = replace(self.of(service), held=reason)

    def release(self, service: str) -> None:
        """Forget deaths, park and hold: a human said so. Call `save` next."""
        self._records[service] = Record(last_identity=self.of(service).last_identity)

    def release_all(self) -> None:
        """Forget everything: the human stopped the whole, and starts it anew when it is mended."""
        self._records.clear()

    def note(self) -> None:
        """Write the book so that it outlives us, not a power cut. Call `save` soon after.

        The file is new each time: replacing one would make the kernel write it out at once.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._note, flags, 0o600)
            try:
                os.ftruncate(descriptor, os.write(descriptor, self._as_bytes()))
            finally:
                os.close(descriptor)
        except OSError as fault:
            log_event(self.logger, "tally_not_noted", str(fault), level=logging.ERROR)

    def save(self) -> bool:
        """Write the book durably; False when the disk refuses, which must not stop healing."""
        try:
            write_document(self.path, self._as_bytes())
            self._note.unlink(missing_ok=True)
        except (TransientFault, OSError) as fault:
            log_event(self.logger, "tally_not_written", str(fault), level=logging.ERROR)
            return False
        return True

    def _as_bytes(self) -> bytes:
        self._seq += 1
        document = {
            "schema_version": TALLY_VERSION,
            "seq": self._seq,
            "boot_id": self.clock.boot_id(),
            "services": {name: _entry(record) for name, record in self._records.items()},
        }
        return json.dumps(document).encode()


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
        held=entry["held"],
        last_identity=str(entry["last_identity"]),
    )
