"""The exchange's truth on disk: exchange_sim.db, SQLite in WAL mode, one writer.

Every change is committed before it is acknowledged, so an accepted order survives SIGKILL.
Records are stored as JSON beside the columns that are searched. Old accounts stay in the file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.exchange_sim.books import Books
from services.exchange_sim.changes import Changes
from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.movements import SplitRecord
from services.exchange_sim.records import AccountRecord, EquityDay, SimOrder, SimPosition
from services.exchange_sim.store_activities import ActivityReader
from services.exchange_sim.store_faults import told_apart
from services.exchange_sim.store_orders import OrderReader
from services.exchange_sim.store_schema import (
    ADD_ACTIVITY,
    PUT_ORDER,
    SCHEMA_VERSION,
    activity_row,
    migrate,
    order_row,
)
from shared.errors import SchemaFault

LOCK_WAIT_S = 5.0
_ORDERS = """
WITH live AS (SELECT id, group_id FROM orders WHERE account_id = :owner AND is_live = 1)
SELECT document FROM orders WHERE id IN (SELECT id FROM live)
OR group_id IN (SELECT group_id FROM live) ORDER BY seq
"""
"""What may still change, and what belongs to its group: found without a look at the others."""
_POSITIONS = "SELECT document FROM positions WHERE account_id = :owner ORDER BY symbol"
_DAYS = "SELECT document FROM equity_days WHERE account_id = :owner ORDER BY day"
_SPLITS = "SELECT document FROM splits WHERE account_id = :owner ORDER BY seq"


class Store:
    """The database of every account this exchange ever had."""

    def __init__(self, path: Path, lock_wait_s: float = LOCK_WAIT_S) -> None:
        """Open or create the file; ConfigFault when it cannot be or is damaged, TransientFault
        when another exchange has it open, SchemaFault when it is of a newer version.
        """
        self._path = path
        with told_apart(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, timeout=lock_wait_s, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()  # a file that is refused stays free for others
                raise

    def _prepare(self) -> None:
        # One process owns the file for its whole life; a second one is refused at once.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        # NORMAL: a commit is in the kernel's hands when it returns, so SIGKILL loses nothing.
        self._db.execute("PRAGMA synchronous=NORMAL")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise SchemaFault(f"{self._path} has version {version}, newer than {SCHEMA_VERSION}")
        with self._transaction():
            migrate(self._db, version)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def account(self, identity: str) -> AccountRecord | None:
        """Return the newest account of that market and settings, None when there is none; raises
        SystemFault when the file cannot be read, as `load`.
        """
        query = "SELECT document FROM accounts WHERE identity = ? ORDER BY number DESC LIMIT 1"
        with told_apart(self._path):
            row = self._db.execute(query, (identity,)).fetchone()
            return from_text(AccountRecord, row[0]) if row else None

    def account_count(self) -> int:
        """Return how many accounts the file holds."""
        return int(self._db.execute("SELECT count(*) FROM accounts").fetchone()[0])

    def open_account(self, account: AccountRecord) -> None:
        """Write a new account; raises SystemFault when the file takes nothing."""
        with told_apart(self._path), self._transaction():
            self._put_account(account)

    def _put_account(self, account: AccountRecord) -> None:
        self._db.execute(
            "INSERT INTO accounts VALUES (?, ?, ?, ?) ON CONFLICT (number) "
            "DO UPDATE SET document = excluded.document",
            (account.number, account.account_id, account.identity, to_text(account)),
        )

    def orders(self, account: AccountRecord) -> OrderReader:
        """Return the reader of every order that the account ever had."""
        return OrderReader(self._db, account.account_id)

    def activities(self, account: AccountRecord) -> ActivityReader:
        """Return the reader of the account's activities."""
        return ActivityReader(self._db, account.account_id)

    def load(self, account: AccountRecord) -> Books:
        """Return the account's books as they are on disk."""
        with told_apart(self._path):
            return self._books(account)

    def _books(self, account: AccountRecord) -> Books:
        books = Books(account, self.orders(account))
        for text in self._documents(_ORDERS, account):
            books.load_order(from_text(SimOrder, text))
        for text in self._documents(_POSITIONS, account):
            position = from_text(SimPosition, text)
            books.positions[position.symbol] = position
        books.days.extend(from_text(EquityDay, text) for text in self._documents(_DAYS, account))
        splits = (from_text(SplitRecord, text) for text in self._documents(_SPLITS, account))
        books.splits.update((split.seq, split) for split in splits)
        return books

    def _documents(self, query: str, account: AccountRecord) -> Iterator[str]:
        for row in self._db.execute(query, {"owner": account.account_id}):
            yield str(row[0])

    def save(self, books: Books, changes: Changes) -> None:
        """Write changes in one transaction; raises sqlite3.Error with nothing written."""
        if changes.is_empty:
            return
        owner = books.account.account_id
        with self._transaction():
            if changes.account:
                self._put_account(books.account)
            self._db.executemany(
                PUT_ORDER, [order_row(owner, books.orders[name]) for name in changes.orders]
            )
            for symbol in changes.symbols:
                self._save_position(owner, symbol, books.positions.get(symbol))
            self._db.executemany(
                ADD_ACTIVITY, [activity_row(owner, one) for one in changes.activities]
            )
            for split in changes.splits:
                self._db.execute(
                    "INSERT OR REPLACE INTO splits VALUES (?, ?, ?)",
                    (owner, split.seq, to_text(split)),
                )
            for day in changes.days:
                self._db.execute(
                    "INSERT OR REPLACE INTO equity_days VALUES (?, ?, ?)",
                    (owner, day.day, to_text(day)),
                )

    def _save_position(self, owner: str, symbol: str, position: SimPosition | None) -> None:
        if position is None:
            self._db.execute(
                "DELETE FROM positions WHERE account_id = ? AND symbol = ?", (owner, symbol)
            )
            return
        self._db.execute(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
            (owner, symbol, to_text(position)),
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()
