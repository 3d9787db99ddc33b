"""The trading lock: whoever holds it, and nobody else, writes the state and sends orders.

It is held for the sender's whole life and freed by the kernel at its death, however it dies
(ORDER_PATH.md rule 13: bot dead = lock obtained, nothing else). The file is never deleted, and
holds the process id of the holder for people to read.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from shared.errors import ConfigFault, TransientFault
from shared.persistence.atomic_file import refuse_odd_file

_PID_BYTES_MAX = 32
_POLL_S = 0.01
_NO_LOCKS_HERE = frozenset({errno.ENOSYS, errno.EOPNOTSUPP})


class TradingLock:
    """An exclusive lock on a file. Two objects exclude each other in one process, too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._lock = FileLock(
            path,
            mode=0o600,
            thread_local=False,
            fallback_to_soft=False,
            on_acquired=self._note_holder,
        )

    def acquire(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` seconds; True when the lock is ours, False when another has it.

        Raises ConfigFault when STATE_DIR cannot carry a lock (a link or a folder in its place, a
        file system without locks), TransientFault when the system refuses otherwise.
        """
        if self._lock.is_locked:
            return self.held
        refuse_odd_file(self.path)
        try:
            self._lock.acquire(timeout=max(0.0, timeout_s), poll_interval=_POLL_S)
        except Timeout:
            return False
        except OSError as failure:
            raise self._refused(failure) from failure
        return True

    def _refused(self, failure: OSError) -> ConfigFault | TransientFault:
        if failure.errno == errno.ELOOP:
            return ConfigFault(f"{self.path.name} is a symbolic link; remove it")
        if failure.errno in _NO_LOCKS_HERE:
            return ConfigFault("the file system of STATE_DIR has no locks; use a local disk")
        why = failure.strerror or str(failure)
        return TransientFault(f"{self.path.name} cannot be locked: {why}")

    def _note_holder(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Only people read it: a full disk must not keep the holder from trading safely.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    @property
    def held(self) -> bool:
        """Whether we hold the lock that others would ask for.

        False also when the file was deleted or replaced under us: then somebody else can lock
        another file of that name, and we must stop.
        """
        if not self._lock.is_locked or self._descriptor is None:
            return False
        try:
            ours = os.fstat(self._descriptor)
            theirs = self.path.stat(follow_symlinks=False)
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if not self._lock.is_locked:
            return
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
        self._descriptor = None
        self._lock.release()

    def holder_pid(self) -> int | None:
        """Return the process id that the last holder wrote, None when none can be read.

        For messages only: whether the lock is held is known by trying to get it.
        """
        try:
            with self.path.open("rb") as file:
                text = file.read(_PID_BYTES_MAX)
        except OSError:
            return None
        return int(text) if text.strip().isdigit() else None
