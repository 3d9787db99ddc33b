"""Reading a service's output as supervisord's clients ask for it: by offset, length and tail."""

from __future__ import annotations

import re
from pathlib import Path

READ_BYTES_MAX = 1 << 20
_FORBIDDEN = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd]"
"""Characters that no XML document may hold. Compiled at the first reading, not at the start of
the supervisor, for which all services wait."""


def xml_text(data: bytes) -> str:
    """Return bytes as a text that may travel in XML."""
    return re.sub(_FORBIDDEN, "?", data.decode("utf-8", "replace"))


def read_log(path: Path, offset: int, length: int) -> str:
    """Return part of a file; a negative offset counts from the end, length 0 means to the end.

    Raises OSError when there is no such file, ValueError for arguments that make no sense.
    """
    if length < 0 or (offset < 0 and length):
        raise ValueError("a negative offset goes with length 0, and a length is never negative")
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        file.seek(start)
        wanted = length or READ_BYTES_MAX
        return xml_text(file.read(min(wanted, READ_BYTES_MAX)))


def tail_log(path: Path, offset: int, length: int) -> tuple[str, int, bool]:
    """Return text, the file's size, and whether something between was left out."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        wanted = min(max(0, length), READ_BYTES_MAX)
        overflow = size - max(0, offset) > wanted
        start = max(0, size - wanted) if overflow else min(max(0, offset), size)
        file.seek(start)
        return xml_text(file.read(wanted)), size, overflow
