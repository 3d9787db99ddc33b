"""A lint over the calls of a commit: a failed fsync is final for its file.

The kernel may have dropped the bytes and call the next fsync good, so nothing that failed once is
synced again, renamed into place, or appended to.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from shared.errors import TransientFault
from shared.persistence.file_port import RealFiles
from tests.support.stores import load_state, open_journal, open_store, state_of

pytestmark = pytest.mark.integration


class FailingSync(RealFiles):
    """The real files; fsync number `at` of a regular file fails, and what follows is watched."""

    def __init__(self, at: int) -> None:
        self.syncs = 0
        self.sins: list[str] = []
        self._at = at
        self._names: dict[int, str] = {}
        self._failed: set[str] = set()

    def open_new(self, folder: int, name: str, mode: int) -> int:
        descriptor = super().open_new(folder, name, mode)
        self._names[descriptor] = name
        self._failed.discard(name)
        return descriptor

    def open_append(self, folder: int, name: str) -> int:
        descriptor = super().open_append(folder, name)
        self._names[descriptor] = name
        self._watch("append to", name)
        return descriptor

    def fsync(self, descriptor: int) -> None:
        name = self._names.get(descriptor)
        if name is not None:
            self._watch("fsync of", name)
            self.syncs += 1
            if self.syncs == self._at:
                self._failed.add(name)
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().fsync(descriptor)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self._watch("write to", self._names.get(descriptor, ""))
        return super().write(descriptor, data)

    def rename(self, folder: int, old: str, new: str) -> None:
        self._watch("rename of", old)
        super().rename(folder, old, new)
        self._failed.discard(new)

    def close(self, descriptor: int) -> None:
        self._names.pop(descriptor, None)
        super().close(descriptor)

    def _watch(self, what: str, name: str) -> None:
        if name in self._failed:
            self.sins.append(f"{what} {name}")


def test_state_when_an_fsync_failed_then_that_file_is_never_used_again(tmp_path: Path) -> None:
    """Each fsync, from the marker on, fails in turn; the next commit writes a fresh file."""
    for at in range(1, 6):
        folder = tmp_path / str(at)
        folder.mkdir()
        files = FailingSync(at)
        store, _ = open_store(folder, files)
        for cycle in range(3):
            with suppress(TransientFault):
                store.commit(state_of(cycle))
        store.commit(state_of(9))

        assert files.syncs >= at, "the fault never came"
        assert files.sins == []
        assert load_state(folder).payload == state_of(9)


def test_journal_when_an_fsync_failed_then_that_file_is_never_used_again(tmp_path: Path) -> None:
    """The same for opening, appending and compacting."""
    for at in range(1, 6):
        folder = tmp_path / str(at)
        folder.mkdir()
        files = FailingSync(at)
        journal = open_journal(folder, files)
        for number in range(3):
            with suppress(TransientFault):
                journal.append({"n": number})
        with suppress(TransientFault):
            journal.compact(1)
        journal.append({"n": 9})
        journal.close()

        assert files.syncs >= at, "the fault never came"
        assert files.sins == []
        assert open_journal(folder).replay(journal.base_seq)[-1] == {"n": 9}
