"""Every call to the operating system that a commit makes, one method each.

This is the seam of the kill tests: a port that fails, or dies, at its Nth call proves what
stands on the disk then. Names are given relative to an open folder, and links are never
followed, so that nobody can slip another file in between two calls. Methods raise OSError.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class FilePort(Protocol):
    """The calls. Descriptors are plain numbers; the caller closes what it opened."""

    def open_folder(self, folder: Path) -> int:
        """Open a folder (which itself may be a link: STATE_DIR)."""

    def open_new(self, folder: int, name: str, mode: int) -> int:
        """Create a file for writing; FileExistsError when the name is taken."""

    def open_append(self, folder: int, name: str) -> int:
        """Open an existing file so that every write goes to its end."""

    def open_read(self, folder: int, name: str) -> int:
        """Open an existing file for reading."""

    def status(self, descriptor: int) -> os.stat_result:
        """What the file of the descriptor is."""

    def read(self, descriptor: int, size: int) -> bytes:
        """Read at most so many bytes; empty at the end."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write some of the bytes and return how many."""

    def fsync(self, descriptor: int) -> None:
        """Bring a file, or a folder's names, to the disk. A failure is final."""

    def close(self, descriptor: int) -> None:
        """Close; an error may be a late write error."""

    def rename(self, folder: int, old: str, new: str) -> None:
        """Rename within the folder, replacing atomically what stood there."""

    def unlink(self, folder: int, name: str) -> None:
        """Remove a name."""

    def names(self, folder: int) -> list[str]:
        """The names in the folder."""


class RealFiles:
    """The operating system itself."""

    def open_folder(self, folder: Path) -> int:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open_new(self, folder: int, name: str, mode: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, mode, dir_fd=folder)

    def open_append(self, folder: int, name: str) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)

    def open_read(self, folder: int, name: str) -> int:
        # O_NONBLOCK: a pipe put there by mistake must not make us wait for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)

    def status(self, descriptor: int) -> os.stat_result:
        return os.fstat(descriptor)

    def read(self, descriptor: int, size: int) -> bytes:
        return os.read(descriptor, size)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, folder: int, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)

    def unlink(self, folder: int, name: str) -> None:
        os.unlink(name, dir_fd=folder)

    def names(self, folder: int) -> list[str]:
        return os.listdir(folder)


REAL: FilePort = RealFiles()
