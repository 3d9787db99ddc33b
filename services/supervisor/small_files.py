"""Small files: texts that people write, read whole and bounded or refused with the reason; and
whether a file is still the one that we made."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def text_of_file(path: Path, bytes_max: int) -> str:
    """Return a regular file's text without its byte order mark; a pipe is not waited for.

    Raises OSError, or ValueError when it is no regular file, too large or not UTF-8.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        raw = file.read(bytes_max + 1)
    if len(raw) > bytes_max:
        raise ValueError(f"it is larger than {bytes_max} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ValueError(f"it is not UTF-8 text: {fault.reason}") from None


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return device and number of what stands there, a link itself; None when nothing does."""
    try:
        there = os.lstat(path)
    except OSError:
        return None
    return there.st_dev, there.st_ino
