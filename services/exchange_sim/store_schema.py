"""Tables of exchange_sim.db and the way from older versions to this one.

Records are JSON in `document`; the columns beside it are what is searched and sorted.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.movements import Activity
from services.exchange_sim.records import AccountRecord, SimFill, SimOrder, SimPosition
from services.exchange_sim.wire_activities import activity_id, activity_kind

SCHEMA_VERSION = 2
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
    document TEXT NOT NULL,
    UNIQUE (account_id, client_order_id), UNIQUE (account_id, seq));
CREATE INDEX IF NOT EXISTS orders_live ON orders (account_id, seq) WHERE is_live = 1;
CREATE INDEX IF NOT EXISTS orders_by_group ON orders (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_by_symbol ON orders (account_id, symbol, seq);
"""
PUT_ORDER = """
INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
is_live = excluded.is_live, group_id = excluded.group_id, document = excluded.document
"""
"""Never OR REPLACE: a client id that was used before must fail, not delete the older order."""
ADD_ACTIVITY = "INSERT INTO activities VALUES (?, ?, ?, ?, ?, ?)"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970: exact, and sorted as time is."""
    return (moment - _EPOCH) // _MICROSECOND


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
        to_text(order),
    )


def activity_row(owner: str, activity: Activity) -> tuple[object, ...]:
    """Return the row of ADD_ACTIVITY."""
    return (
        owner,
        activity.seq,
        activity_id(activity),
        activity_kind(activity),
        microseconds(activity.at),
        to_text(activity),
    )


def make_tables(db: sqlite3.Connection) -> None:
    """Create what is missing, within the caller's transaction."""
    for statement in _TABLES.split(";"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring a file up to date, within the caller's transaction; version 0 is an empty one."""
    if version != 1:
        make_tables(db)
        return
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
