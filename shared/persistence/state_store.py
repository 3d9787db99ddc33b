"""The store of the trading state: two generations, a marker, and a fence.

A commit: check that nobody else wrote, write the new generation beside, rename the old one to
`.bak`, rename the new one into place, fsync the folder. Whatever dies in between, a loader finds
the old state or the new one. What a foreign hand changed is moved aside and never becomes the
backup. The caller holds the trading lock; the epoch in the files catches one who does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.clock import Clock, utc_text
from shared.config.paths import StatePaths
from shared.errors import SchemaFault
from shared.persistence.account_change import AccountChange
from shared.persistence.atomic_file import (
    BACKUP_SUFFIX,
    TooLarge,
    disk_refused,
    opened_folder,
    read_in,
    remove_litter,
    replace_in,
)
from shared.persistence.document import (
    DOCUMENT_BYTES_MAX,
    Header,
    Malformed,
    NewerVersion,
    seal,
    unseal,
)
from shared.persistence.fence import Fence
from shared.persistence.file_port import REAL, FilePort
from shared.persistence.generations import Finder, Generation, Judge, believe
from shared.persistence.journal import JOURNAL_BYTES_MAX
from shared.persistence.journal_lines import scan
from shared.persistence.marker import MARKER_NAME, WriterFenced
from shared.persistence.quarantine import move_aside
from shared.persistence.trading_lock import TradingLock


class StateOutcome(StrEnum):
    """How the state was found."""

    FIRST_START = "first_start"
    """There never was one for this account."""
    LOADED = "loaded"
    FROM_BACKUP = "from_backup"
    """The newest generation is lost; what follows it stands in the journal and at the broker."""
    REBUILD = "rebuild"
    """There was one and all of it is lost: rebuild from the broker (ORDER_PATH.md rule 15)."""


@dataclass(frozen=True, slots=True)
class LoadedState:
    """What the store found. `payload` is None when there is nothing to begin with."""

    outcome: StateOutcome
    payload: dict[str, Any] | None
    seq: int
    """Number of the generation; 0 when there is none."""
    epoch: int
    """Our own writer epoch, higher than any before."""
    notes: tuple[str, ...]
    """What was damaged, moved aside or refused, in sentences for the log."""
    known_id_epochs: tuple[str, ...]
    """Epochs of our client order ids that the marker knows (ORDER_PATH.md rule 18)."""
    was_never_saved: bool = False
    """Whether neither a file nor the marker tells of a saved state; a journal may stand alone."""


class StateStore:
    """One writer's view of trading_state.json; used by one thread.

    `lock`, when given, must be held for each commit. `judge`, when given, raises ValueError for a
    payload that is no state: it is moved aside like other damage.
    """

    def __init__(
        self,
        paths: StatePaths,
        clock: Clock,
        files: FilePort = REAL,
        lock: TradingLock | None = None,
        judge: Judge = believe,
    ) -> None:
        self._paths = paths
        self._name = paths.trading_state.name
        self._clock = clock
        self.files = files
        """What the state is written through; the journal beside it goes the same way."""
        self._lock = lock
        self._judge = judge
        self._fence = Fence(clock, files)
        self._epoch = 0
        self._seq = 0
        self._ours: tuple[bytes, ...] = ()
        self._owner: tuple[str, str] | None = None
        self._loaded: LoadedState | None = None
        self._was_damaged = False
        self._was_never_saved = False
        self._notes: list[str] = []

    def load(self) -> LoadedState:
        """Find the newest state that proves itself whole, and become its writer.

        Call set_aside with the account once that is known: its answer is the final word. A disk
        that can be read but not written is noted, and each commit tries again. Raises
        TransientFault when the disk refuses to read, SchemaFault for a whole file of a newer
        version (left alone), ConfigFault for a link in the place of a file.
        """
        for path in (self._paths.trading_state, self._paths.root / MARKER_NAME):
            remove_litter(path, self.files)
        notes: list[str] = []
        try:
            with opened_folder(self._paths.root, self.files) as folder:
                self._fence.load(folder, notes)
                finder = Finder(folder, self._clock, self.files, self._judge, notes)
                found, is_backup = finder.newest(self._name)
                epoch = found.document.header.epoch if found is not None else 0
                self._epoch = max(epoch, self._fence.marker.epoch) + 1
                self._was_damaged = finder.damaged or self._fence.damaged
                is_first = self._is_first_start(folder, None) if found is None else False
                self._claim(folder, notes)
        except OSError as failure:
            raise disk_refused(self._paths.trading_state, "read", failure) from failure
        return self._adopt(found, is_backup, is_first, notes)

    def _claim(self, folder: int, notes: list[str]) -> None:
        try:
            self._fence.claim(folder, self._epoch)
        except OSError as failure:
            notes.append(f"{MARKER_NAME} cannot be written: {failure.strerror}")

    def _adopt(
        self, found: Generation | None, is_backup: bool, is_first: bool, notes: list[str]
    ) -> LoadedState:
        self._seq = found.document.header.seq if found is not None else 0
        self._owner = _owner_of(found.document.payload) if found is not None else None
        # A backup is not the main file: at commit none is expected to stand there.
        self._ours = (found.raw,) if found is not None and not is_backup else ()
        if found is not None:
            outcome = StateOutcome.FROM_BACKUP if is_backup else StateOutcome.LOADED
        else:
            outcome = StateOutcome.FIRST_START if is_first else StateOutcome.REBUILD
        self._loaded = LoadedState(
            outcome=outcome,
            payload=found.document.payload if found is not None else None,
            seq=self._seq,
            epoch=self._epoch,
            notes=tuple(notes),
            known_id_epochs=self._fence.marker.id_epochs,
            was_never_saved=found is None and self._was_never_saved,
        )
        return self._loaded

    def _is_first_start(self, folder: int, account: tuple[str, str] | None) -> bool:
        """Whether no trace of a state exists: of this account, or of any while it is unknown."""
        self._was_never_saved = self._has_no_trace(folder, account)
        return self._was_never_saved and not self._has_journal(folder, account)

    def _has_no_trace(self, folder: int, account: tuple[str, str] | None) -> bool:
        if self._was_damaged:
            return False
        known = self._fence.marker.accounts
        if known if account is None else account in known:
            return False
        # Traces may be another account's only when the marker knows one: else they are ours, be
        # it a damaged copy that was moved aside before a start that never saved anything.
        traces = any(name.startswith(self._name) for name in self.files.names(folder))
        return bool(known) or not traces

    def _has_journal(self, folder: int, account: tuple[str, str] | None) -> bool:
        try:
            raw = read_in(folder, self._paths.journal.name, JOURNAL_BYTES_MAX, self.files)
        except FileNotFoundError:
            return False
        except TooLarge:
            return True
        found = scan(raw)
        is_theirs = None in (account, found.owner) or account == found.owner
        # One that only has its first line was opened and never used.
        return is_theirs and bool(found.records or found.bad or found.base_seq)

    def set_aside(self, mode: str, account_id: str) -> LoadedState:
        """Make this account's state the current one and return it; before the first commit.

        The state of another mode or account is never used: it becomes
        `trading_state.<mode>.<account>.json` and is found again when they return. Raises as load
        does, TransientFault also when the disk refuses the renames.
        """
        if self._loaded is None:
            raise RuntimeError("load the state before setting it aside")
        wanted = (mode, account_id)
        if self._owner == wanted:
            return self._loaded
        notes = list(self._loaded.notes)
        try:
            with opened_folder(self._paths.root, self.files) as folder:
                names = (self._name, self._name + BACKUP_SUFFIX)
                change = AccountChange(folder, names, self.files, self._clock)
                if self._owner is not None:
                    change.move_out(self._owner, notes)
                change.move_in(wanted)
                finder = Finder(folder, self._clock, self.files, self._judge, notes)
                found, is_backup = finder.newest(self._name)
                self._was_damaged = finder.damaged or (self._owner is None and self._was_damaged)
                is_first = self._is_first_start(folder, wanted) if found is None else False
        except OSError as failure:
            raise disk_refused(self._paths.trading_state, "set aside", failure) from failure
        return self._adopt(found, is_backup, is_first, notes)

    def commit(self, payload: Mapping[str, object]) -> int:
        """Bring a new state to the disk and return its number.

        Raises TransientFault when the disk refuses: the state on the disk is then the old one,
        or after a failing last fsync perhaps the new one, and the next commit starts anew.
        Raises WriterFenced when another writer took over, ValueError when the payload is no
        JSON.
        """
        if self._loaded is None:
            raise RuntimeError("load the state before committing one")
        if self._lock is not None and not self._lock.held:
            raise WriterFenced("the trading lock is not held any more")
        self._seq += 1
        data = seal(payload, self._header())
        try:
            with opened_folder(self._paths.root, self.files) as folder:
                self._fence.check(folder)
                has_previous = self._is_ours(folder)
                self._ours = (*self._ours[-1:], data)
                replace_in(folder, self._name, data, self.files, backup=has_previous)
                self._ours = (data,)
                self._owner = _owner_of(payload)
                self._note_in_marker(folder, payload)
        except OSError as failure:
            raise disk_refused(self._paths.trading_state, "written", failure) from failure
        return self._seq

    def _header(self) -> Header:
        return Header(
            seq=self._seq,
            epoch=self._epoch,
            boot_id=self._clock.boot_id(),
            written_at=utc_text(self._clock.utc_now()),
        )

    def _is_ours(self, folder: int) -> bool:
        """Whether the file holds what we wrote; a foreign one is moved aside. OSError, too."""
        try:
            raw = read_in(folder, self._name, DOCUMENT_BYTES_MAX, self.files)
        except FileNotFoundError:
            return False
        except TooLarge:
            raw = b""
        if raw in self._ours:
            return True
        try:
            epoch = unseal(raw).header.epoch
        except Malformed:
            epoch = 0
        except NewerVersion as newer:
            raise SchemaFault(f"{self._name} is {newer}; use the newer program") from None
        if epoch > self._epoch:
            raise WriterFenced(f"writer {epoch} has written the trading state")
        kept = move_aside(folder, self._name, self._clock, self.files)
        self._notes.append(f"{self._name} was changed by somebody else; theirs is kept as {kept}")
        return False

    def _note_in_marker(self, folder: int, payload: Mapping[str, object]) -> None:
        id_epoch = payload.get("id_epoch")
        known = id_epoch if isinstance(id_epoch, str) else None
        try:
            self._fence.note_state(folder, _owner_of(payload), known)
        except OSError as failure:
            # The state itself is safe; the next commit tries again.
            self._notes.append(f"{MARKER_NAME} cannot be written: {failure.strerror}")

    @property
    def has_generation(self) -> bool:
        """Whether a whole state of the account stands on the disk, as far as is known."""
        return self._owner is not None

    def drain_notes(self) -> tuple[str, ...]:
        """Return, once, what the commits had to note."""
        notes, self._notes = tuple(self._notes), []
        return notes


def _owner_of(payload: Mapping[str, object]) -> tuple[str, str]:
    return str(payload.get("mode", "")), str(payload.get("account_id", ""))
