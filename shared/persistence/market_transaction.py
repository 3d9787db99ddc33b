"""One transaction over market.db, and what its failures mean."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from shared.errors import TransientFault


class StoreDamaged(TransientFault):
    """The file turned out to be damaged while in use: a fresh process sets it aside."""


class Transaction:
    """BEGIN … COMMIT around a block, ROLLBACK on any failure, SQLite's as TransientFault."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise refused(error) from error

    def __exit__(self, kind: object, failure: BaseException | None, trace: object) -> None:
        try:
            self._db.execute("COMMIT" if failure is None else "ROLLBACK")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise refused(error) from error
        if isinstance(failure, sqlite3.Error):
            raise refused(failure) from failure


def refused(error: sqlite3.Error) -> TransientFault:
    """Return what a failure of SQLite means: StoreDamaged when waiting is no help."""
    is_damage = isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )
    kind = StoreDamaged if is_damage else TransientFault
    return kind(f"market.db cannot be used: {error}")
