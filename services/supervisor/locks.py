"""The two locks that make doubles impossible: one guardian, one supervisor per state folder.

Taken before any side effect, closed on exec so that no child keeps them alive, and freed by the
kernel with the death of their holder.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

HOLDER_BYTES_MAX = 200


class LockHeld(Exception):
    """Somebody else holds it; `holder` says who, as far as the file tells."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path.name} is held by {holder}")
        self.holder = holder


class ProcessLock:
    """An flock for the life of this process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, who: str) -> None:
        """Take it now or raise LockHeld; raises OSError when the folder cannot be written.

        A lock file that was replaced between opening and locking is not ours: try again.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, HOLDER_BYTES_MAX, 0).decode("utf-8", "replace")
                os.close(descriptor)
                raise LockHeld(self._path, holder.strip() or "an unknown process") from None
            if self._is_the_file(descriptor):
                break
            os.close(descriptor)
        # Who holds it is for people; a full disk must not keep anybody from holding it.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{who}, pid {os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def _is_the_file(self, descriptor: int) -> bool:
        try:
            there = os.lstat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        ours = os.fstat(descriptor)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def is_held(self) -> bool:
        """Whether the file that we locked is still the one in its place.

        Whoever removes it, or the folder around it, lets a second instance take the lock.
        """
        return self._descriptor is not None and self._is_the_file(self._descriptor)

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
