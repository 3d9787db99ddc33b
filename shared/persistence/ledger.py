"""ledger.db: equity points, trades and denials, for the page, the chat and the report.

SQLite in WAL mode with one writer, the bot, and any number of readers. It is a record for
people: no decision reads it, and one that is damaged is moved aside and begun anew. What is
added waits in memory until `commit`, so a full disk loses nothing and stops nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.clock import Clock, utc_text
from shared.errors import ConfigFault, SchemaFault, TransientFault
from shared.models.pnl import Statement, Trade
from shared.persistence.atomic_file import refuse_odd_file
from shared.persistence.market_schema import set_aside
from shared.risk.approved import CheckResult

VERSION = 1
EQUITY_POINTS_KEPT = 1_000_000
DENIALS_KEPT = 200_000
WAITING_MAX = 20_000
"""Rows that wait for a disk; beyond it the oldest are dropped, for memory has an end too."""
_BUSY_S = 2.0

_TABLES = """
CREATE TABLE IF NOT EXISTS equity(
    at TEXT PRIMARY KEY, equity TEXT NOT NULL, cash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trades(
    trade_key TEXT PRIMARY KEY, symbol TEXT NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL,
    entry_price TEXT NOT NULL, exit_price TEXT NOT NULL, entered_at TEXT NOT NULL,
    exited_at TEXT NOT NULL, pnl TEXT NOT NULL, strategy TEXT NOT NULL,
    exit_reason TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS trades_by_exit ON trades(exited_at);
CREATE TABLE IF NOT EXISTS denials(
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, qty TEXT NOT NULL, purpose TEXT NOT NULL,
    code TEXT NOT NULL, limit_value TEXT NOT NULL, value TEXT NOT NULL, trace TEXT NOT NULL,
    UNIQUE(client_order_id, at, code));
CREATE TABLE IF NOT EXISTS statements(
    day TEXT PRIMARY KEY, at TEXT NOT NULL, cash TEXT NOT NULL, differences TEXT NOT NULL);
"""
_PRUNE = (
    (
        "DELETE FROM equity WHERE at < (SELECT at FROM equity ORDER BY at DESC LIMIT 1 OFFSET ?)",
        EQUITY_POINTS_KEPT,
    ),
    ("DELETE FROM denials WHERE id <= (SELECT max(id) FROM denials) - ?", DENIALS_KEPT),
)
_ADD_EQUITY = "INSERT OR REPLACE INTO equity VALUES(?,?,?)"
_ADD_TRADE = "INSERT OR REPLACE INTO trades VALUES(?,?,?,?,?,?,?,?,?,?,?)"
_ADD_STATEMENT = "INSERT OR REPLACE INTO statements VALUES(?,?,?,?)"
_ADD_DENIAL = (
    "INSERT OR IGNORE INTO denials(at, client_order_id, symbol, side, qty, purpose, code, "
    "limit_value, value, trace) VALUES(?,?,?,?,?,?,?,?,?,?)"
)

Row = dict[str, Any]
"""One row under its columns' names: money and quantities as decimal text, times as ISO UTC."""


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal of the guard."""

    at: datetime
    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    purpose: str
    code: str
    """The first check that denied; limit and value are that check's own."""
    limit_value: str
    value: str
    trace: Sequence[CheckResult]


class LedgerWriter:
    """The one writer. `add_…` only remembers, `commit` writes; adding twice books once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._waiting: list[tuple[str, tuple[str, ...]]] = []
        self.notes: list[str] = []
        """What was moved aside or dropped, in sentences for the log."""

    def open(self) -> None:
        """Open the file or begin one; a damaged one is moved aside.

        Raises SchemaFault for a newer version, ConfigFault for a link in its place,
        TransientFault when the disk refuses.
        """
        if self._database is not None:
            return
        refuse_odd_file(self._path)
        try:
            self._database = _opened(self._path)
        except sqlite3.OperationalError as failure:
            # Locked, full or read-only: the file itself may be whole.
            raise TransientFault(f"{self._path.name} cannot be opened: {failure}") from failure
        except sqlite3.DatabaseError as failure:
            self._begin_anew(str(failure))
        except OSError as failure:
            why = failure.strerror or str(failure)
            raise TransientFault(f"{self._path.name} cannot be opened: {why}") from failure

    def _begin_anew(self, why: str) -> None:
        try:
            kept = set_aside(self._path, self._clock)
            self._database = _opened(self._path)
        except (OSError, sqlite3.Error) as failure:
            raise TransientFault(f"{self._path.name} cannot be opened: {failure}") from failure
        name = kept.name if kept is not None else "nothing"
        self.notes.append(f"{self._path.name} is damaged ({why}); kept as {name}")

    def add_equity(self, at: datetime, equity: Decimal, cash: Decimal) -> None:
        """Add one point of the equity curve; one per moment."""
        self._add(_ADD_EQUITY, (utc_text(at), str(equity), str(cash)))

    def add_statement(self, statement: Statement) -> None:
        """Add a day's statement; a later one of the same day replaces it."""
        at, words = utc_text(statement.at), json.dumps(statement.differences)
        self._add(_ADD_STATEMENT, (statement.day.isoformat(), at, str(statement.cash), words))

    def add_trade(self, trade: Trade) -> None:
        """Add a round trip; the same key replaces the earlier booking (a late fill)."""
        row = (
            trade.trade_key,
            trade.symbol,
            trade.side.value,
            str(trade.qty),
            str(trade.entry_price),
            str(trade.exit_price),
            utc_text(trade.entered_at),
            utc_text(trade.exited_at),
            str(trade.pnl),
            trade.strategy,
            trade.exit_reason,
        )
        self._add(_ADD_TRADE, row)

    def add_denial(self, denial: Denial) -> None:
        """Add a refusal; one per order id, moment and code."""
        row = (
            utc_text(denial.at),
            denial.client_order_id,
            denial.symbol,
            denial.side,
            str(denial.qty),
            denial.purpose,
            denial.code,
            denial.limit_value,
            denial.value,
            json.dumps([asdict(check) for check in denial.trace]),
        )
        self._add(_ADD_DENIAL, row)

    def _add(self, statement: str, row: tuple[str, ...]) -> None:
        if len(self._waiting) >= WAITING_MAX:
            del self._waiting[: WAITING_MAX // 10]
            self.notes.append(f"{WAITING_MAX // 10} rows of {self._path.name} were dropped")
        self._waiting.append((statement, row))

    def commit(self) -> int:
        """Write what waits, all or nothing, and return how many rows that was.

        Raises as open does; what waits goes on waiting then.
        """
        if not self._waiting:
            return 0
        self.open()
        database = self._database
        if database is None:
            raise TransientFault(f"{self._path.name} is not open")
        try:
            database.execute("BEGIN IMMEDIATE")
            for statement, row in self._waiting:
                database.execute(statement, row)
            database.execute("COMMIT")
        except sqlite3.Error as failure:
            # A connection that failed is not trusted again; closing it rolls back.
            self.close()
            raise TransientFault(f"{self._path.name} cannot be written: {failure}") from failure
        count = len(self._waiting)
        self._waiting.clear()
        return count

    def close(self) -> None:
        """Close the file; the next commit opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None


def _opened(path: Path) -> sqlite3.Connection:
    # Made by us, so that nobody else may read it; SQLite gives its side files the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise SchemaFault(f"{path.name} is of version {version}; use the newer program")
        if database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("it fails its own check")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.executescript(_TABLES)
        for statement, kept in _PRUNE:
            database.execute(statement, (kept,))
        database.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        database.close()
        raise
    return database


class LedgerReader:
    """Reads what the bot wrote; safe beside a writing bot and from any thread.

    A ledger that does not exist yet reads as empty, for nothing was recorded. Methods raise
    TransientFault when it exists and cannot be read, SchemaFault for a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def equity(self, limit: int) -> tuple[Row, ...]:
        """Return the newest points (`at`, `equity`, `cash`), oldest first."""
        return self._rows("SELECT * FROM equity ORDER BY at DESC LIMIT ?", limit)[::-1]

    def trades(self, limit: int) -> tuple[Row, ...]:
        """Return the trades that ended last, newest first, under the columns' names."""
        return self._rows("SELECT * FROM trades ORDER BY exited_at DESC, rowid DESC LIMIT ?", limit)

    def statements(self, limit: int) -> tuple[Row, ...]:
        """Return the newest statements, newest first; `differences` is a list of sentences."""
        rows = self._rows("SELECT * FROM statements ORDER BY day DESC LIMIT ?", limit)
        return tuple({**row, "differences": json.loads(row["differences"])} for row in rows)

    def denials(self, limit: int) -> tuple[Row, ...]:
        """Return the newest denials, newest first; `trace` is a list of checks."""
        rows = self._rows("SELECT * FROM denials ORDER BY id DESC LIMIT ?", limit)
        try:
            return tuple({**row, "trace": json.loads(row["trace"])} for row in rows)
        except ValueError as failure:
            raise TransientFault(f"{self._path.name} holds a damaged trace") from failure

    def denials_by_code(self) -> dict[str, int]:
        """Return how often each check was the one that denied, most frequent first."""
        rows = self._rows(
            "SELECT code, count(*) AS n FROM denials GROUP BY code ORDER BY n DESC, code LIMIT ?",
            1_000,
        )
        return {row["code"]: row["n"] for row in rows}

    def _rows(self, statement: str, limit: int) -> tuple[Row, ...]:
        if not self._path.exists():
            return ()
        try:
            refuse_odd_file(self._path)
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_S)) as database:
                database.row_factory = sqlite3.Row
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    return ()
                if version > VERSION:
                    raise SchemaFault(f"{self._path.name} is of version {version}")
                return tuple(dict(row) for row in database.execute(statement, (limit,)))
        except (sqlite3.Error, ConfigFault) as failure:
            raise TransientFault(f"{self._path.name} cannot be read: {failure}") from failure
