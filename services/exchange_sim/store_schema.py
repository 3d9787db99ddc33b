"""Tables of exchange_sim.db and the way from older versions to this one.

Records are JSON in `document`; the columns beside it are what is searched and sorted.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.movements import Activity
from services.exchange_sim.records import AccountRecord, SimFill, SimOrder, SimPosition
from services.exchange_sim.stamps import unix_us
from services.exchange_sim.store_faults import DamagedFile
from services.exchange_sim.wire_activities import activity_id, activity_kind

SCHEMA_VERSION = 3
_TABLES = """
CREATE TABLE IF NOT EXISTS accounts (
    number INTEGER PRIMARY KEY, account_id TEXT NOT NULL UNIQUE, identity TEXT NOT NULL,
    document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
    account_id TEXT NOT NULL, symbol TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, symbol));
CREATE TABLE IF NOT EXISTS equity_days (
    account_id TEXT NOT NULL, day TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, day));
CREATE TABLE IF NOT EXISTS splits (
    account_id TEXT NOT NULL, seq INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, seq));
CREATE TABLE IF NOT EXISTS activities (
    account_id TEXT NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    at_us INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, seq), UNIQUE (account_id, name));
CREATE INDEX IF NOT EXISTS activities_by_time ON activities (account_id, at_us);
CREATE INDEX IF NOT EXISTS activities_by_kind ON activities (account_id, kind, at_us);
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    seq INTEGER NOT NULL, symbol TEXT NOT NULL, is_live INTEGER NOT NULL, group_id TEXT,
    submitted_us INTEGER NOT NULL, document TEXT NOT NULL,
    UNIQUE (account_id, client_order_id), UNIQUE (account_id, seq));
CREATE INDEX IF NOT EXISTS orders_live ON orders (account_id, seq) WHERE is_live = 1;
CREATE INDEX IF NOT EXISTS orders_by_group ON orders (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (account_id, submitted_us, seq, is_live);
CREATE INDEX IF NOT EXISTS orders_by_symbol
    ON orders (account_id, symbol, submitted_us, seq, is_live);
"""
_OTHER_SINCE = {
    1: frozenset({"orders", "activities", "splits"}),
    2: frozenset({"orders"}),
    SCHEMA_VERSION: frozenset[str](),
}
"""Tables that a version did not have, or had otherwise."""
PUT_ORDER = """
INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
is_live = excluded.is_live, group_id = excluded.group_id,
submitted_us = excluded.submitted_us, document = excluded.document
"""
"""Never OR REPLACE: a client id that was used before must fail, not delete the older order."""
ADD_ACTIVITY = "INSERT INTO activities VALUES (?, ?, ?, ?, ?, ?)"


def order_row(owner: str, order: SimOrder) -> tuple[object, ...]:
    """Return the row of PUT_ORDER."""
    return (
        order.id,
        owner,
        order.client_order_id,
        order.seq,
        order.symbol,
        int(order.is_live),
        order.group_id,
        unix_us(order.submitted_at),
        to_text(order),
    )


def activity_row(owner: str, activity: Activity) -> tuple[object, ...]:
    """Return the row of ADD_ACTIVITY."""
    return (
        owner,
        activity.seq,
        activity_id(activity),
        activity_kind(activity),
        unix_us(activity.at),
        to_text(activity),
    )


def make_tables(db: sqlite3.Connection) -> None:
    """Create what is missing, within the caller's transaction."""
    for statement in _TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a file up to date, within the caller's transaction; version 0 is an empty one.
    Raises DamagedFile when it is not what its version says.
    """
    if version == 0 and _tables(db):
        raise DamagedFile("it holds the tables of something else")
    if version in _OTHER_SINCE:
        _check_tables(db, _OTHER_SINCE[version])  # before an absent one is made anew, empty
    steps = {0: make_tables, 1: _migrate_from_1, 2: _migrate_from_2, SCHEMA_VERSION: make_tables}
    if version not in steps:
        raise DamagedFile(f"its version is {version}")
    steps[version](db)
    _check_tables(db)


def _tables(db: sqlite3.Connection) -> dict[str, list[str]]:
    """Return the columns of each table, in their order."""
    names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    query = "SELECT name FROM pragma_table_info(?) ORDER BY cid"
    return {name: [row[0] for row in db.execute(query, (name,))] for (name,) in names}


def _check_tables(db: sqlite3.Connection, left_out: frozenset[str] = frozenset()) -> None:
    with closing(sqlite3.connect(":memory:")) as model:
        make_tables(model)
        wanted = _tables(model)
    found = _tables(db)
    for name, columns in wanted.items():
        if name not in left_out and found.get(name) != columns:
            what = "lacks the table" if name not in found else "has other columns in the table"
            raise DamagedFile(f"it {what} {name}")


def _migrate_from_2(db: sqlite3.Connection) -> None:
    """Version 2 sorted orders by their creation and did not know when they were submitted."""
    # A renamed table keeps its indexes and their names: they would stand in for the new ones.
    for index in ("orders_live", "orders_by_group", "orders_by_symbol"):
        db.execute(f"DROP INDEX IF EXISTS {index}")
    db.execute("ALTER TABLE orders RENAME TO orders_of_2")
    make_tables(db)
    db.create_function("submitted_us", 1, _submitted_us, deterministic=True)
    db.execute(
        "INSERT INTO orders SELECT id, account_id, client_order_id, seq, symbol, is_live, "
        "group_id, submitted_us(document), document FROM orders_of_2"
    )
    db.execute("DROP TABLE orders_of_2")


def _submitted_us(document: str) -> int:
    return unix_us(datetime.fromisoformat(json.loads(document)["submitted_at"]))


def _migrate_from_1(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE orders RENAME TO orders_of_1")
    make_tables(db)
    for owner, text in db.execute("SELECT account_id, document FROM orders_of_1").fetchall():
        db.execute(PUT_ORDER, order_row(owner, from_text(SimOrder, text)))
    for owner, text in db.execute("SELECT account_id, document FROM fills").fetchall():
        db.execute(ADD_ACTIVITY, activity_row(owner, from_text(SimFill, text)))
    for owner, text in db.execute("SELECT account_id, document FROM accounts").fetchall():
        _migrate_account(db, owner, from_text(AccountRecord, text))
    db.execute("DROP TABLE orders_of_1")
    db.execute("DROP TABLE fills")


def _migrate_account(db: sqlite3.Connection, owner: str, account: AccountRecord) -> None:
    """Version 1 kept average prices instead of costs, and no realized gains."""
    total = Decimal(0)
    query = "SELECT symbol, document FROM positions WHERE account_id = ?"
    for symbol, text in db.execute(query, (owner,)).fetchall():
        old = json.loads(text)
        cost = Decimal(old["qty"]) * Decimal(old["avg_entry_price"])
        total += cost
        db.execute(
            "UPDATE positions SET document = ? WHERE account_id = ? AND symbol = ?",
            (to_text(SimPosition(symbol, Decimal(old["qty"]), cost)), owner, symbol),
        )
    query = "SELECT count(*) FROM activities WHERE account_id = ?"
    count = int(db.execute(query, (owner,)).fetchone()[0])
    account = replace(
        account,
        activity_count=count,
        fill_count=count,
        realized=account.cash + total - account.start_cash,
    )
    db.execute("UPDATE accounts SET document = ? WHERE account_id = ?", (to_text(account), owner))
