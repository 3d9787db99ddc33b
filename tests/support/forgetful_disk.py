"""A disk in memory that forgets what was never synced: every state a power loss may leave.

A model after "All File Systems Are Not Created Equal" (OSDI 2014): bytes are safe only after an
fsync of their file, names only after an fsync of their folder. Of what is not safe any part may
be there: every subset of the renames, and of unsynced bytes none, some, all, or blocks of zeros.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Image = Mapping[str, bytes]
"""Name → bytes: what is found when the power is back."""

FOLDER = "."
_NAME_CHANGES_MAX = 6
"""Unsynced changes of names of which every subset is tried; beyond, only the last so many."""
_FIRST_DESCRIPTOR = 1_000_000
"""Far from any real one: a call that leaves the model fails instead of touching a real file."""


@dataclass(slots=True)
class _File:
    data: bytes = b""
    safe: bytes = b""
    """What an fsync brought to the disk; `data` only ever grows behind it."""

    def remains(self) -> set[bytes]:
        """Return what may be left of it."""
        tail, half = self.data[len(self.safe) :], (len(self.data) - len(self.safe)) // 2
        tails = {b"", tail[:half], tail, bytes(len(tail)), bytes(half) + tail[half:]}
        return {self.safe + one for one in tails}


@dataclass(frozen=True, slots=True)
class _Change:
    """One unsynced change of the folder: a name that goes, and one that comes."""

    gone: str | None
    new: str | None
    file: _File


class ForgetfulDisk:
    """shared.persistence.file_port.FilePort over one folder in memory.

    `watch` is called after every call that changes something. The fsync number `unheard`, when
    it is given, does nothing and says that all is well.
    """

    def __init__(
        self,
        image: Image | None = None,
        watch: Callable[[ForgetfulDisk], None] | None = None,
        unheard: int = 0,
    ) -> None:
        self._names = {name: _File(data, data) for name, data in (image or {}).items()}
        self._safe_names = dict(self._names)
        self._changes: list[_Change] = []
        self._open: dict[int, _File | None] = {}
        self._read_to: dict[int, int] = {}
        self._next = _FIRST_DESCRIPTOR
        self._watch = watch
        self._unheard = unheard
        self.synced: list[str] = []
        """What each fsync was for: a file's name, or FOLDER."""

    def after_power_loss(self) -> Iterator[Image]:
        """Every image that may be found if the power goes now, each once."""
        seen = set()
        for names in self._possible_names():
            shown = sorted(names)
            for remains in itertools.product(*(sorted(names[name].remains()) for name in shown)):
                image = tuple(zip(shown, remains, strict=True))
                if image not in seen:
                    seen.add(image)
                    yield dict(image)

    def _possible_names(self) -> Iterator[dict[str, _File]]:
        sure = max(0, len(self._changes) - _NAME_CHANGES_MAX)
        for picks in itertools.product((True, False), repeat=len(self._changes) - sure):
            names = dict(self._safe_names)
            for change, is_there in zip(self._changes, (True,) * sure + picks, strict=True):
                if is_there:
                    _apply(change, names)
            yield names

    def files_now(self) -> Image:
        """What a living reader sees."""
        return {name: file.data for name, file in self._names.items()}

    # --- the port

    def open_folder(self, folder: Path) -> int:
        return self._opened(None)

    def open_new(self, folder: int, name: str, mode: int) -> int:
        if name in self._names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        file = _File()
        self._change(_Change(None, name, file))
        return self._opened(file)

    def open_append(self, folder: int, name: str) -> int:
        return self._opened(self._file(name))

    def open_read(self, folder: int, name: str) -> int:
        return self._opened(self._file(name))

    def status(self, descriptor: int) -> os.stat_result:
        file = self._open[descriptor]
        assert file is not None
        links = sum(1 for one in self._names.values() if one is file)
        kind = stat.S_IFREG | 0o600
        return os.stat_result((kind, 1, 1, links, 0, 0, len(file.data), 0, 0, 0))

    def read(self, descriptor: int, size: int) -> bytes:
        file, start = self._open[descriptor], self._read_to[descriptor]
        assert file is not None
        self._read_to[descriptor] = start + size
        return file.data[start : start + size]

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        file = self._open[descriptor]
        assert file is not None
        count = max(1, len(data) // 2)
        file.data += bytes(data[:count])
        self._changed()
        return count

    def fsync(self, descriptor: int) -> None:
        file = self._open[descriptor]
        self.synced.append(next((n for n, one in self._names.items() if one is file), FOLDER))
        if len(self.synced) == self._unheard:
            return
        if file is None:
            self._safe_names, self._changes = dict(self._names), []
        else:
            file.safe = file.data
        self._changed()

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]

    def rename(self, folder: int, old: str, new: str) -> None:
        self._change(_Change(old, new, self._file(old)))

    def unlink(self, folder: int, name: str) -> None:
        self._change(_Change(name, None, self._file(name)))

    def names(self, folder: int) -> list[str]:
        return list(self._names)

    # --- within

    def _file(self, name: str) -> _File:
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self._names[name]

    def _opened(self, file: _File | None) -> int:
        self._next += 1
        self._open[self._next], self._read_to[self._next] = file, 0
        return self._next

    def _change(self, change: _Change) -> None:
        _apply(change, self._names)
        self._changes.append(change)
        self._changed()

    def _changed(self) -> None:
        if self._watch is not None:
            self._watch(self)


def _apply(change: _Change, names: dict[str, _File]) -> None:
    if change.gone is not None and names.get(change.gone) is change.file:
        del names[change.gone]
    if change.new is not None:
        names[change.new] = change.file
