"""The write-ahead journal: an intent or a plan's step is on the disk before it is on the wire.

Opening it writes what it holds into a fresh file: that shuts an older writer out, whose next
append finds its own file gone. After any failed write or fsync a file is never appended to
again either: the next append writes a fresh one with every record in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from shared.clock import Clock
from shared.errors import SchemaFault
from shared.persistence.atomic_file import (
    TooLarge,
    disk_refused,
    opened_folder,
    read_in,
    remove_litter,
    rename_for_good,
    replace_in,
    write_all,
)
from shared.persistence.document import VERSION
from shared.persistence.file_port import REAL, FilePort
from shared.persistence.journal_lines import BASE, RECORD, Line, Scan, make_line, scan
from shared.persistence.marker import WriterFenced
from shared.persistence.migrations import JOURNAL_STEPS, migrated
from shared.persistence.names import aside_name
from shared.persistence.quarantine import move_aside

JOURNAL_BYTES_MAX = 256_000_000


class JournalOutcome(StrEnum):
    """How the journal was found."""

    FRESH = "fresh"
    """There was none for this account."""
    INTACT = "intact"
    TORN_TAIL_CUT = "torn_tail_cut"
    """The last record was half written; it was never acknowledged."""
    CORRUPT = "corrupt"
    """Something in the middle is lost. The file was moved aside, what verifies was kept."""


@dataclass(frozen=True, slots=True)
class JournalOpening:
    """What `open` found."""

    outcome: JournalOutcome
    base_seq: int
    """Records up to this one were compacted away."""
    last_seq: int
    """The newest record's number."""
    notes: tuple[str, ...]
    is_writable: bool
    """False: the disk refused; each append tries again."""


class JournalGap(SchemaFault):
    """Records that the state lacks were compacted away: the state is older than it should be."""


class Journal:
    """The journal of whoever holds the trading lock; one thread uses it."""

    def __init__(self, path: Path, clock: Clock, files: FilePort = REAL) -> None:
        self.path = path
        self._clock = clock
        self._files = files
        self._owner = ("", "")
        self._lines: list[Line] = []
        self._base_seq = 0
        self._last_seq = 0
        self._descriptor: int | None = None
        self._size = 0

    @property
    def base_seq(self) -> int:
        """Records up to this one were compacted away."""
        return self._base_seq

    @property
    def last_seq(self) -> int:
        """The newest record's number; the base's when there is none."""
        return self._last_seq

    def open(self, mode: str, account_id: str) -> JournalOpening:
        """Read the journal of that account and continue it in a fresh file.

        A journal of another account is set aside as `journal.<mode>.<account>.jsonl` and found
        again on return. Raises TransientFault when the disk refuses to read, SchemaFault for a
        file of a newer version, which is left alone, ConfigFault for a link in its place.
        """
        self.close()
        remove_litter(self.path, self._files)
        try:
            with opened_folder(self.path.parent, self._files) as folder:
                found, outcome = self._find(folder, (mode, account_id))
        except OSError as failure:
            raise disk_refused(self.path, "read", failure) from failure
        self._owner = (mode, account_id)
        self._lines, self._base_seq = found.records, found.base_seq
        self._last_seq = found.last_seq
        try:
            self._write_fresh(self._lines)
        except OSError as failure:
            found.notes.append(str(disk_refused(self.path, "written", failure)))
        return JournalOpening(
            outcome,
            self._base_seq,
            self._last_seq,
            tuple(found.notes),
            self._descriptor is not None,
        )

    def _find(self, folder: int, owner: tuple[str, str]) -> tuple[Scan, JournalOutcome]:
        found = self._scan(folder)
        if found is not None and found.owner not in (None, owner):
            aside = aside_name(self.path.name, *found.owner)
            rename_for_good(folder, self.path.name, aside, self._files)
            found = None
        if found is None:
            with suppress(FileNotFoundError):
                aside = aside_name(self.path.name, *owner)
                rename_for_good(folder, aside, self.path.name, self._files)
                found = self._scan(folder)
        if found is None:
            return Scan(), JournalOutcome.FRESH
        if found.bad:
            found.notes.append(
                f"kept as {move_aside(folder, self.path.name, self._clock, self._files)}"
            )
            return found, JournalOutcome.CORRUPT
        return found, JournalOutcome.TORN_TAIL_CUT if found.torn else JournalOutcome.INTACT

    def _scan(self, folder: int) -> Scan | None:
        try:
            raw = read_in(folder, self.path.name, JOURNAL_BYTES_MAX, self._files)
        except FileNotFoundError:
            return None
        except TooLarge as failure:
            return Scan(bad=1, notes=[str(failure)])
        found = scan(raw)
        if found.version > VERSION:
            raise SchemaFault(
                f"{self.path.name} is of version {found.version}, newer than this code"
            )
        found.records = [_brought_up(line, found.version) for line in found.records]
        return found

    def append(self, record: Mapping[str, object]) -> int:
        """Bring a record to the disk and return its number.

        Raises TransientFault when the disk refuses (then the record does not count, though a
        reader may find it after a crash), WriterFenced when another writer took over, and
        ValueError when the record is no JSON.
        """
        seq = self._last_seq + 1
        text = make_line(seq, RECORD, record)
        line = Line(seq, RECORD, dict(record), text)
        try:
            if self._descriptor is None:
                self._write_fresh([*self._lines, line])
            else:
                self._write_behind(self._descriptor, text)
        except OSError as failure:
            self.close()
            raise disk_refused(self.path, "written", failure) from failure
        self._lines.append(line)
        self._last_seq = seq
        return seq

    def _write_behind(self, descriptor: int, text: bytes) -> None:
        status = self._files.status(descriptor)
        if status.st_nlink == 0 or status.st_size != self._size:
            self.close()
            raise WriterFenced(f"{self.path.name} was changed by somebody else")
        write_all(descriptor, text, self._files)
        self._files.fsync(descriptor)
        self._size += len(text)

    def _write_fresh(self, lines: list[Line]) -> None:
        """Replace the file by one with these lines and keep it open; raises OSError."""
        mode, account_id = self._owner
        base = {"version": VERSION, "mode": mode, "account_id": account_id}
        data = make_line(self._base_seq, BASE, base) + b"".join(line.text for line in lines)
        with opened_folder(self.path.parent, self._files) as folder:
            replace_in(folder, self.path.name, data, self._files, backup=False)
            self._descriptor = self._files.open_append(folder, self.path.name)
        self._size = len(data)

    def replay(self, after_seq: int) -> tuple[dict[str, Any], ...]:
        """Return the records after that number, oldest first.

        Raises JournalGap when some of them were compacted away: then the state is not the one
        for which the journal was compacted, and only the broker knows.
        """
        if after_seq < self._base_seq:
            raise JournalGap(
                f"the state knows records up to {after_seq}, but {self.path.name} begins after "
                f"{self._base_seq}: an older state was put back"
            )
        return tuple(line.value for line in self._lines if line.seq > after_seq)

    def begin_after(self, seq: int) -> None:
        """Go on behind that number when the journal ends before it: what a saved state knows is
        never numbered again, though the journal was lost.
        """
        if seq > self._last_seq:
            self.close()
            self._lines, self._base_seq, self._last_seq = [], seq, seq

    def keep_damaged(self) -> str:
        """Keep the file as it stands under another name and go on in a fresh one with the same
        records; return that name. Raises TransientFault when the disk refuses.
        """
        self.close()
        try:
            with opened_folder(self.path.parent, self._files) as folder:
                kept = move_aside(folder, self.path.name, self._clock, self._files)
            self._write_fresh(self._lines)
        except OSError as failure:
            self.close()
            raise disk_refused(self.path, "set aside", failure) from failure
        return kept

    def compact(self, upto_seq: int) -> None:
        """Drop the records up to that number; call it only when a saved state holds them.

        Raises TransientFault when the disk refuses; nothing is lost then.
        """
        if upto_seq <= self._base_seq:
            return
        before = self._base_seq
        kept = [line for line in self._lines if line.seq > upto_seq]
        self._base_seq = min(upto_seq, self._last_seq)
        self.close()
        try:
            self._write_fresh(kept)
        except OSError as failure:
            self._base_seq = before
            self.close()
            raise disk_refused(self.path, "written", failure) from failure
        self._lines = kept

    def close(self) -> None:
        """Close the file; the next append opens a fresh one."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with suppress(OSError):
                self._files.close(descriptor)


def _brought_up(line: Line, version: int) -> Line:
    """Return the record in today's form, its bytes too: the file is written anew with them."""
    if version == VERSION:
        return line
    value = migrated(line.value, version, JOURNAL_STEPS)
    return Line(line.seq, line.kind, value, make_line(line.seq, line.kind, value))
