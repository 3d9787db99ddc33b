"""Damaged files are moved aside under a name that tells when; never deleted, never overwritten."""

from __future__ import annotations

from shared.clock import Clock
from shared.persistence.file_port import FilePort

_NAMES_TRIED = 1_000


def move_aside(folder: int, name: str, clock: Clock, files: FilePort) -> str:
    """Rename `<name>` to `<name>.corrupt.<UTC>` and return the new name; raises OSError."""
    stamp = clock.utc_now().strftime("%Y%m%dT%H%M%S.%fZ")
    taken = frozenset(files.names(folder))
    for number in range(_NAMES_TRIED):
        target = f"{name}.corrupt.{stamp}" + (f"-{number}" if number else "")
        if target not in taken:
            files.rename(folder, name, target)
            return target
    raise FileExistsError(f"{_NAMES_TRIED} damaged copies of {name} within one moment")
