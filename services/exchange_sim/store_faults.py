"""What a failure of the database file means: it passes by itself, or a person must look."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.exchange_sim.codec import DamagedRecord
from shared.errors import ConfigFault, SystemFault, TransientFault

_PRIMARY = 0xFF
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Of the disk, or of another process; everything else is in the file and stays."""


class DamagedFile(Exception):
    """The tables are not those of the version that the file says."""


def _passes(failure: sqlite3.Error) -> bool:
    return getattr(failure, "sqlite_errorcode", 0) & _PRIMARY in _PASSING


@contextmanager
def told_apart(path: Path) -> Iterator[None]:
    """Raise ConfigFault for a file that is damaged, foreign or not allowed, and TransientFault
    for one that cannot be used just now.
    """
    try:
        yield
    except OSError as failure:
        raise ConfigFault(f"cannot open the exchange's database {path}: {failure}") from failure
    except (sqlite3.Error, DamagedFile, DamagedRecord) as failure:
        raise _fault(path, failure) from failure


def _fault(path: Path, failure: Exception) -> SystemFault:
    if isinstance(failure, sqlite3.Error) and _passes(failure):
        return TransientFault(
            f"the exchange's database {path} cannot be used: {failure}; "
            "is another exchange running on it?"
        )
    return ConfigFault(
        f"{path} is no exchange database, or a damaged one: {failure}; move it away to begin anew"
    )
