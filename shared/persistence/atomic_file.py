"""Replace a document so that a reader, and the next boot, finds the old one or the new one.

Temporary file in the same folder, all bytes, fsync, close, rename, fsync of the folder. After a
failed fsync nothing is believed and nothing is retried on that file: the bytes it should have
brought down may be gone while the next fsync says all is well.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shared.errors import ConfigFault, TransientFault
from shared.persistence.file_port import REAL, FilePort

BACKUP_SUFFIX = ".bak"
_READ_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such file: not the same as one that cannot be read."""

    path: Path


class TooLarge(ValueError):
    """The file holds more bytes than its reader allows; nothing of it was parsed."""


class UnsafeFile(ConfigFault):
    """A link, or something that is no regular file, stands where a file of ours belongs."""


@contextmanager
def opened_folder(folder: Path, files: FilePort) -> Iterator[int]:
    """Hold a folder open. Raises OSError."""
    descriptor = files.open_folder(folder)
    try:
        yield descriptor
    finally:
        # Nothing was written through this descriptor: a failing close loses nothing.
        with suppress(OSError):
            files.close(descriptor)


def write_document(
    path: Path,
    data: bytes,
    files: FilePort = REAL,
    keep_previous: bool = False,
    mode: int = 0o600,
) -> None:
    """Replace the file durably; with `keep_previous` the old one becomes `<name>.bak`.

    Raises TransientFault when the disk refuses: then the old document, or its backup, still
    stands (after a failing last fsync of the folder: the old or the new one), and the temporary
    file is gone unless even that was refused.
    """
    try:
        with opened_folder(path.parent, files) as folder:
            replace_in(folder, path.name, data, files, backup=keep_previous, mode=mode)
    except OSError as failure:
        raise disk_refused(path, "written", failure) from failure


def replace_in(  # noqa: PLR0913 - one commit, told completely at its one border
    folder: int, name: str, data: bytes, files: FilePort, *, backup: bool, mode: int = 0o600
) -> None:
    """As write_document, in a folder that is already open; raises OSError."""
    temporary = f".{name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        _write_new(folder, temporary, data, files, mode)
        if backup:
            with suppress(FileNotFoundError):
                files.rename(folder, name, name + BACKUP_SUFFIX)
        files.rename(folder, temporary, name)
    except OSError:
        with suppress(OSError):
            files.unlink(folder, temporary)
        raise
    files.fsync(folder)


def rename_for_good(folder: int, old: str, new: str, files: FilePort) -> None:
    """Rename, and bring the new name to the disk before anything else happens; raises OSError."""
    files.rename(folder, old, new)
    files.fsync(folder)


def _write_new(folder: int, name: str, data: bytes, files: FilePort, mode: int) -> None:
    descriptor = files.open_new(folder, name, mode)
    try:
        write_all(descriptor, data, files)
        files.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            files.close(descriptor)
        raise
    files.close(descriptor)


def write_all(descriptor: int, data: bytes, files: FilePort) -> None:
    """Write every byte, however many calls it takes; raises OSError."""
    left = memoryview(data)
    while left:
        count = files.write(descriptor, left)
        if count <= 0:
            raise OSError("a write took no bytes")
        left = left[count:]


def read_document(path: Path, bytes_max: int, files: FilePort = REAL) -> bytes | Missing:
    """Return the whole file, or Missing.

    Raises TooLarge beyond `bytes_max`, UnsafeFile (a ConfigFault) for a link or anything but a
    regular file, TransientFault when the disk refuses.
    """
    try:
        with opened_folder(path.parent, files) as folder:
            return read_in(folder, path.name, bytes_max, files)
    except FileNotFoundError:
        return Missing(path)
    except OSError as failure:
        raise disk_refused(path, "read", failure) from failure


def read_in(folder: int, name: str, bytes_max: int, files: FilePort) -> bytes:
    """As read_document, in a folder that is already open; raises OSError, missing too."""
    try:
        descriptor = files.open_read(folder, name)
    except OSError as failure:
        with suppress(OSError):
            _refuse_odd(name, os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode, failure)
        raise
    try:
        return _read_all(descriptor, name, bytes_max, files)
    finally:
        with suppress(OSError):
            files.close(descriptor)


def _read_all(descriptor: int, name: str, bytes_max: int, files: FilePort) -> bytes:
    status = files.status(descriptor)
    _refuse_odd(name, status.st_mode)
    parts: list[bytes] = []
    found = 0
    # The size first: what is too large costs no memory. It may grow meanwhile, so it is counted.
    while max(status.st_size, found) <= bytes_max:
        part = files.read(descriptor, min(_READ_AT_ONCE, bytes_max + 1 - found))
        if not part:
            return b"".join(parts)
        parts.append(part)
        found += len(part)
    raise TooLarge(f"{name} is larger than {bytes_max} bytes")


def refuse_odd_file(path: Path) -> None:
    """Raise UnsafeFile (a ConfigFault) when a link, a folder, a pipe or the like stands there.

    For files that a library opens by their path. Nothing, or what cannot be looked at, passes.
    """
    with suppress(OSError):
        _refuse_odd(path.name, path.lstat().st_mode)


def _refuse_odd(name: str, mode: int, cause: OSError | None = None) -> None:
    if stat.S_ISLNK(mode):
        raise UnsafeFile(f"{name} is a symbolic link; remove it") from cause
    if not stat.S_ISREG(mode):
        raise UnsafeFile(f"{name} is not a regular file; remove it") from cause


def remove_litter(path: Path, files: FilePort = REAL) -> None:
    """Remove temporary files that killed writers of this document left. Writer only, at start.

    What cannot be removed stays: it is litter, no fault.
    """
    with suppress(OSError), opened_folder(path.parent, files) as folder:
        for name in files.names(folder):
            if name.startswith(f".{path.name}.") and name.endswith(".tmp"):
                with suppress(OSError):
                    files.unlink(folder, name)


def disk_refused(path: Path, what: str, failure: OSError) -> TransientFault:
    """Return the fault that tells which file the disk refused, without the machine's paths."""
    why = failure.strerror or str(failure)
    return TransientFault(f"{path.name} cannot be {what}: {why}")
