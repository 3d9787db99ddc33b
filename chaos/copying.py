"""Copies folders in which a system may be at work: nothing half old and half new.

Whatever is written meanwhile is copied again. The exchange's books come last: a broker that knows
more than our own books is what a restart has to heal; one that knows less would be no broker.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

OWN_BOOKS = (
    "trading_state.json",
    "trading_state.json.bak",
    "trading_state.marker",
    "journal.jsonl",
)
DATABASES = "*.db"
TEMPORARY = ".*.tmp"
LOG_HEAD_BYTES = 32
"""The head of a write-ahead log: it changes when the log begins anew."""
TRIES, PAUSE_S = 50, 0.02


def copy_folder(source: Path, target: Path, left_behind: Sequence[str]) -> None:
    """Copy a folder without what is left behind.

    Raises OSError when the target cannot hold it, or when the source never stands still.
    """
    ignored = shutil.ignore_patterns(*left_behind, *OWN_BOOKS, f"{DATABASES}*", TEMPORARY)
    shutil.copytree(
        source, target, ignore=ignored, copy_function=_copy_if_there, dirs_exist_ok=True
    )
    books = [source / name for name in OWN_BOOKS]
    copied_at_rest(books, target, lambda: tuple(map(_stamp, books)))
    for database in sorted(source.glob(DATABASES)):
        log = database.with_name(f"{database.name}-wal")
        copied_at_rest([database, log], target, lambda: (_stamp(database), _head(log)))  # noqa: B023


def copied_at_rest(paths: Sequence[Path], target: Path, mark: Callable[[], object]) -> None:
    """Copy files that belong together, again until their mark is the same before and after.

    Raises OSError when it never is, or when the target cannot hold them.
    """
    never = threading.Event()
    for _ in range(TRIES):
        before = mark()
        for path in paths:
            (target / path.name).unlink(missing_ok=True)
            _copy_if_there(path, target / path.name)
        if mark() == before:
            return
        never.wait(PAUSE_S)
    raise OSError(f"{paths[0].name} never stood still for a copy")


def _copy_if_there(source: str | Path, target: str | Path) -> None:
    """Copy a file that may vanish meanwhile, as every temporary one does."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with suppress(FileNotFoundError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _head(path: Path) -> bytes:
    with suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(LOG_HEAD_BYTES)
    return b""
