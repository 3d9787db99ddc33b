"""The emergency stop: a file whose existence is the truth, whatever stands in it.

Any door sets it; only clear-stop removes it. It is created first and written second, so that a
full disk can spoil the explanation, never the stop.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.clock import utc_text
from shared.errors import ConfigFault, TransientFault
from shared.persistence.atomic_file import (
    Missing,
    TooLarge,
    disk_refused,
    opened_folder,
    read_document,
    write_document,
)
from shared.persistence.document import Malformed, parse_object, render
from shared.persistence.file_port import REAL, FilePort

_BYTES_MAX = 65_536
_REASON_CHARACTERS_MAX = 1_000
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class StopNote:
    """What the file says: why, who, when (UTC text), and whether positions are to be closed."""

    reason: str
    by: str
    at: str
    flatten: bool
    include_external: bool = False
    """Whether `flatten` closes external positions, too."""


class EmergencyStopFile:
    """The file `emergency_stop` under STATE_DIR."""

    def __init__(self, path: Path, files: FilePort = REAL) -> None:
        self.path = path
        self._files = files

    def is_set(self) -> bool:
        """Whether trading is stopped. Any doubt means yes."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def set(
        self, reason: str, by: str, at: datetime, flatten: bool, include_external: bool = False
    ) -> bool:
        """Stop trading; True when the explanation was written too.

        An earlier wish to flatten is kept, and so is one to include what is external. Raises
        TransientFault when not even the empty file could be made: then nothing is stopped and the
        caller must say so.
        """
        earlier = self.read()
        self._create()
        note: dict[str, object] = {
            "reason": reason[:_REASON_CHARACTERS_MAX],
            "by": by,
            "at": utc_text(at),
            "flatten": flatten or (earlier is not None and earlier.flatten),
        }
        if include_external or (earlier is not None and earlier.include_external):
            note["include_external"] = True
        try:
            write_document(self.path, render(note) + b"\n", self._files)
        except TransientFault:
            return False
        return True

    def _create(self) -> None:
        try:
            with opened_folder(self.path.parent, self._files) as folder:
                with suppress(FileExistsError):
                    descriptor = self._files.open_new(folder, self.path.name, 0o600)
                    self._files.close(descriptor)
                # It stops this boot from now on; that it stops the next one too is worth a try.
                with suppress(OSError):
                    self._files.fsync(folder)
        except OSError as failure:
            if not self.is_set():
                raise disk_refused(self.path, "created", failure) from failure

    def read(self) -> StopNote | None:
        """Return what the file says, None when trading is not stopped.

        An empty, damaged or unreadable file gives a note that says so.
        """
        if not self.is_set():
            return None
        try:
            raw = read_document(self.path, _BYTES_MAX, self._files)
            if isinstance(raw, Missing):
                return None
            found = parse_object(raw)
        except (TransientFault, ConfigFault, TooLarge, Malformed):
            return StopNote(UNREADABLE, UNREADABLE, UNREADABLE, flatten=False)
        return StopNote(
            reason=str(found.get("reason", UNREADABLE)),
            by=str(found.get("by", UNREADABLE)),
            at=str(found.get("at", UNREADABLE)),
            flatten=found.get("flatten") is True,
            include_external=found.get("include_external") is True,
        )

    def clear(self) -> None:
        """Let trading go on. Raises TransientFault when the file cannot be removed for good."""
        try:
            with opened_folder(self.path.parent, self._files) as folder:
                with suppress(FileNotFoundError):
                    self._files.unlink(folder, self.path.name)
                self._files.fsync(folder)
        except FileNotFoundError:
            return
        except OSError as failure:
            raise disk_refused(self.path, "removed", failure) from failure
