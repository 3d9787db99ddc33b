"""Finding the newest generation of the state that proves itself whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from shared.clock import Clock
from shared.errors import SchemaFault
from shared.persistence.atomic_file import BACKUP_SUFFIX, read_in
from shared.persistence.document import DOCUMENT_BYTES_MAX, NewerVersion, Sealed, unseal
from shared.persistence.file_port import FilePort
from shared.persistence.migrations import STATE_STEPS, migrated
from shared.persistence.quarantine import move_aside

Judge = Callable[[Mapping[str, object]], object]
"""Raises ValueError for a payload that is no state, whatever its checksum says."""


def believe(_payload: Mapping[str, object]) -> None:
    """Judge nothing: the checksum alone decides."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A verified document, its payload in today's form, and the bytes that it was read from."""

    document: Sealed
    raw: bytes


@dataclass(slots=True)
class Finder:
    """Reads generations in one open folder, moves damaged ones aside and notes it."""

    folder: int
    clock: Clock
    files: FilePort
    judge: Judge
    notes: list[str] = field(default_factory=list)
    damaged: bool = False
    """Whether a generation was there and could not be believed."""

    def read(self, name: str) -> Generation | None:
        """Return the generation of that name; None when it is missing or was moved aside.

        Raises OSError when the disk refuses, ConfigFault for a link, SchemaFault for a whole
        file of a newer version, which stays where it is.
        """
        try:
            raw = read_in(self.folder, name, DOCUMENT_BYTES_MAX, self.files)
            sealed = unseal(raw)
            payload = migrated(sealed.payload, sealed.header.version, STATE_STEPS)
            self.judge(payload)
            return Generation(replace(sealed, payload=payload), raw)
        except FileNotFoundError:
            return None
        except NewerVersion as newer:
            raise SchemaFault(f"{name} is {newer}; use the newer program") from None
        except ValueError as failure:
            self.damaged = True
            self.set_damaged_aside(name, str(failure))
            return None

    def set_damaged_aside(self, name: str, why: str) -> None:
        """Move a file aside and note it; a disk that refuses leaves it, which is noted too."""
        try:
            kept = move_aside(self.folder, name, self.clock, self.files)
        except OSError as failure:
            self.notes.append(f"{name} is damaged ({why}); not moved aside: {failure.strerror}")
            return
        self.notes.append(f"{name} is damaged ({why}); kept as {kept}")

    def newest(self, name: str) -> tuple[Generation | None, bool]:
        """Return the newest verified generation, and whether it is the backup."""
        main, backup = self.read(name), self.read(name + BACKUP_SUFFIX)
        if main is None:
            return backup, backup is not None
        if backup is None or backup.document.header.seq <= main.document.header.seq:
            return main, False
        # The file is older than its own backup: somebody put an old one back.
        self.damaged = True
        self.set_damaged_aside(name, "older than its backup")
        return backup, True
