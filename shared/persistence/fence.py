"""The marker on the disk: asks at each commit whether we are still the newest writer."""

from __future__ import annotations

from dataclasses import replace

from shared.clock import Clock, utc_text
from shared.errors import SchemaFault
from shared.persistence.atomic_file import TooLarge, read_in, replace_in
from shared.persistence.document import Malformed, NewerVersion, unseal
from shared.persistence.file_port import FilePort
from shared.persistence.marker import (
    MARKER_BYTES_MAX,
    MARKER_NAME,
    Marker,
    WriterFenced,
    marker_of,
)
from shared.persistence.quarantine import move_aside


class Fence:
    """Used by the state store alone, in its open folder. Methods raise OSError."""

    def __init__(self, clock: Clock, files: FilePort) -> None:
        self._clock = clock
        self._files = files
        self._raw: bytes | None = None
        self.marker = Marker()
        self.existed = False
        """Whether a marker was there at load, readable or not."""
        self.damaged = False
        """Whether it was there and could not be believed."""

    def load(self, folder: int, notes: list[str]) -> None:
        """Read the marker; a damaged one is moved aside and noted."""
        self.existed, self.damaged, self._raw, self.marker = False, False, None, Marker()
        try:
            raw = read_in(folder, MARKER_NAME, MARKER_BYTES_MAX, self._files)
        except FileNotFoundError:
            return
        except TooLarge:
            raw = b""
        self.existed = True
        found = _parsed(raw)
        if found is not None:
            self._raw, self.marker = raw, found
            return
        self.damaged = True
        try:
            kept = move_aside(folder, MARKER_NAME, self._clock, self._files)
        except OSError as failure:
            notes.append(f"{MARKER_NAME} is damaged; not moved aside: {failure.strerror}")
            return
        notes.append(f"{MARKER_NAME} is damaged; kept as {kept}")

    def claim(self, folder: int, epoch: int) -> None:
        """Become the newest writer, on the disk too."""
        self.marker = replace(self.marker, epoch=epoch)
        self._raw = None
        self._write(folder, self.marker)

    def check(self, folder: int) -> None:
        """Raise WriterFenced when a newer writer claimed; restore a marker that was lost."""
        try:
            raw = read_in(folder, MARKER_NAME, MARKER_BYTES_MAX, self._files)
        except (FileNotFoundError, TooLarge):
            raw = b""
        if raw and raw == self._raw:
            return
        found = _parsed(raw)
        if found is not None and found.epoch > self.marker.epoch:
            raise WriterFenced(
                f"writer {found.epoch} has taken over the trading state; this one is "
                f"{self.marker.epoch}"
            )
        self._write(folder, self.marker)

    def note_state(self, folder: int, account: tuple[str, str], id_epoch: str | None) -> None:
        """Remember that this account has a state, and the epoch of its order ids."""
        wanted = self.marker.with_state(account, id_epoch)
        if wanted != self.marker:
            self._write(folder, wanted)
            self.marker = wanted

    def _write(self, folder: int, marker: Marker) -> None:
        data = marker.sealed(self._clock.boot_id(), utc_text(self._clock.utc_now()))
        replace_in(folder, MARKER_NAME, data, self._files, backup=False)
        self._raw = data


def _parsed(raw: bytes) -> Marker | None:
    try:
        return marker_of(unseal(raw))
    except Malformed:
        return None
    except NewerVersion as newer:
        raise SchemaFault(f"{MARKER_NAME} is {newer}; use the newer program") from None
