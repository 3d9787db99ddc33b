"""A file port that fails, or dies, at its Nth call, and counts the calls it sees."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from shared.persistence.file_port import RealFiles

Trouble = Callable[[str], None]


class FaultyFiles(RealFiles):
    """The real file system until call number `at`; then `trouble(method)` runs before it.

    With `lasting` every later call meets the trouble, too.
    """

    def __init__(self, at: int = 0, trouble: Trouble | None = None, lasting: bool = False) -> None:
        self.calls: list[str] = []
        self._at = at
        self._trouble = trouble
        self._lasting = lasting

    def _call(self, method: str) -> None:
        self.calls.append(method)
        count = len(self.calls)
        is_due = count == self._at or (self._lasting and count > self._at > 0)
        if is_due and self._trouble is not None:
            self._trouble(method)

    def open_folder(self, folder: Path) -> int:
        self._call("open_folder")
        return super().open_folder(folder)

    def open_new(self, folder: int, name: str, mode: int) -> int:
        self._call("open_new")
        return super().open_new(folder, name, mode)

    def open_append(self, folder: int, name: str) -> int:
        self._call("open_append")
        return super().open_append(folder, name)

    def open_read(self, folder: int, name: str) -> int:
        self._call("open_read")
        return super().open_read(folder, name)

    def status(self, descriptor: int) -> os.stat_result:
        self._call("status")
        return super().status(descriptor)

    def read(self, descriptor: int, size: int) -> bytes:
        self._call("read")
        return super().read(descriptor, size)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self._call("write")
        # Never all at once: a short write is the normal case here.
        return super().write(descriptor, data[: max(1, len(data) // 2)])

    def fsync(self, descriptor: int) -> None:
        self._call("fsync")
        super().fsync(descriptor)

    def close(self, descriptor: int) -> None:
        # A failing close has closed all the same (close(2)).
        super().close(descriptor)
        self._call("close")

    def rename(self, folder: int, old: str, new: str) -> None:
        self._call("rename")
        super().rename(folder, old, new)

    def unlink(self, folder: int, name: str) -> None:
        self._call("unlink")
        super().unlink(folder, name)

    def names(self, folder: int) -> list[str]:
        self._call("names")
        return super().names(folder)


def failing(code: int) -> Trouble:
    """Return a trouble that raises OSError with the code."""

    def fail(method: str) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def dying(method: str) -> None:
    """End the process at once, as SIGKILL would: no handler, no buffer, no cleanup."""
    os._exit(0)


def in_child(work: Callable[[], None]) -> int:
    """Run the work in a forked child and return its wait status; the child never returns."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


DISK_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)
