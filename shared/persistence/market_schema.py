"""The tables of market.db, and how a store that cannot be read is set aside.

Everything in it can be fetched again, so durability is cheap on purpose: WAL without any fsync.
A process may die at any point; only a dying machine can damage the file, and then it is set
aside at the next start and rebuilt by the backfill.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from shared.clock import Clock
from shared.errors import SchemaFault
from shared.persistence.atomic_file import refuse_odd_file

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 2.0
LOG_BYTES_MAX = 16 * 2**20
"""The WAL is cut back to this after each checkpoint; one large batch must not stay for ever."""
INCREMENTAL = 2

# AUTOINCREMENT on purpose: a corrected bar replaces its row under a new, higher id, also when
# it was the newest row, so that readers who go by the id meet it.
TABLES = """
CREATE TABLE IF NOT EXISTS candles(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    symbol TEXT NOT NULL, start INTEGER NOT NULL,
    open TEXT NOT NULL, high TEXT NOT NULL, low TEXT NOT NULL, close TEXT NOT NULL,
    volume INTEGER NOT NULL, UNIQUE(symbol, start));
CREATE TABLE IF NOT EXISTS daily(
    symbol TEXT NOT NULL, start INTEGER NOT NULL,
    open TEXT NOT NULL, high TEXT NOT NULL, low TEXT NOT NULL, close TEXT NOT NULL,
    volume INTEGER NOT NULL, PRIMARY KEY(symbol, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quotes(
    symbol TEXT PRIMARY KEY, at INTEGER NOT NULL, bid TEXT NOT NULL, ask TEXT NOT NULL,
    bid_size INTEGER NOT NULL, ask_size INTEGER NOT NULL,
    received_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feeds(
    feed TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT NOT NULL, last_at INTEGER,
    age_basis TEXT NOT NULL, written_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flow(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL, at INTEGER NOT NULL,
    premium TEXT NOT NULL, is_call INTEGER NOT NULL, is_sweep INTEGER NOT NULL,
    rule TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS flow_by_time ON flow(at);
CREATE TABLE IF NOT EXISTS dark_prints(
    print_id TEXT PRIMARY KEY, symbol TEXT NOT NULL, at INTEGER NOT NULL,
    price TEXT NOT NULL, size INTEGER NOT NULL, premium TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS prints_by_time ON dark_prints(at);
CREATE TABLE IF NOT EXISTS tide(
    at INTEGER PRIMARY KEY, net_call_premium TEXT NOT NULL, net_put_premium TEXT NOT NULL,
    net_volume INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the file; raises sqlite3.Error when it is no readable database, ConfigFault for a
    link or anything but a regular file in its place.
    """
    refuse_odd_file(path)
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA query_only=ON" if read_only else "PRAGMA synchronous=OFF")
    return connection


def create(path: Path) -> sqlite3.Connection:
    """Open the file for writing and make sure of its tables; raises sqlite3.Error, SchemaFault
    for a newer version (left alone), ConfigFault for a link in its place.
    """
    connection = connect(path, read_only=False)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise SchemaFault(f"{path.name} is of version {version}, newer than this program")
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"market.db has version {version}, not {SCHEMA_VERSION}")
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
            # Else deleted rows would never give their room back; VACUUM rewrites an older file.
            connection.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
            connection.execute("VACUUM")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES_MAX}")
        connection.executescript(TABLES)
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("market.db fails its own check")
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


def set_orphans_aside(path: Path, clock: Clock) -> None:
    """Move a log out of the way whose file was removed or is empty. Readers of the removed file
    may still hold it, and beside it no new file could be opened: SQLite calls that a disk error.
    """
    if not path.exists() or path.stat().st_size == 0:
        set_aside(path, clock, ("-wal", "-shm"))


def set_aside(
    path: Path, clock: Clock, suffixes: Sequence[str] = ("", "-wal", "-shm")
) -> Path | None:
    """Move a file that cannot be used out of the way, with its WAL; never deletes. Returns
    where it went, None when there was none.
    """
    stamp = clock.utc_now().strftime("%Y%m%dT%H%M%S.%fZ")
    target = path.with_name(f"{path.name}.corrupt.{stamp}")
    moved: Path | None = None
    for suffix in suffixes:
        part = path.with_name(path.name + suffix)
        if part.exists() or part.is_symlink():
            part.rename(target.with_name(target.name + suffix))
            moved = target
    return moved
