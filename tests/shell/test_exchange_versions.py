"""Files of version 2 of the exchange's database: opened, brought up to date, and served."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from services.exchange_sim.store import Store
from services.exchange_sim.store_schema import SCHEMA_VERSION
from tests.support.exchange_orders import BRACKET, FAR_BUY, listed, send
from tests.support.exchange_process import ExchangeProcess

pytestmark = pytest.mark.integration

TABLES_OF_2 = """
CREATE TABLE accounts (
    number INTEGER PRIMARY KEY, account_id TEXT NOT NULL UNIQUE, identity TEXT NOT NULL,
    document TEXT NOT NULL);
CREATE TABLE positions (
    account_id TEXT NOT NULL, symbol TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, symbol));
CREATE TABLE equity_days (
    account_id TEXT NOT NULL, day TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, day));
CREATE TABLE splits (
    account_id TEXT NOT NULL, seq INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, seq));
CREATE TABLE activities (
    account_id TEXT NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    at_us INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, seq), UNIQUE (account_id, name));
CREATE INDEX activities_by_time ON activities (account_id, at_us);
CREATE INDEX activities_by_kind ON activities (account_id, kind, at_us);
CREATE TABLE orders (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    seq INTEGER NOT NULL, symbol TEXT NOT NULL, is_live INTEGER NOT NULL, group_id TEXT,
    document TEXT NOT NULL,
    UNIQUE (account_id, client_order_id), UNIQUE (account_id, seq));
CREATE INDEX orders_live ON orders (account_id, seq) WHERE is_live = 1;
CREATE INDEX orders_by_group ON orders (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX orders_by_symbol ON orders (account_id, symbol, seq);
PRAGMA user_version=2;
"""
OLD_COLUMNS = "id, account_id, client_order_id, seq, symbol, is_live, group_id, document"


def make_version_2(path: Path) -> None:
    """Write the file's content anew as version 2 kept it."""
    old = path.with_suffix(".old")
    db = sqlite3.connect(old)
    db.executescript(TABLES_OF_2)
    db.execute("ATTACH ? AS new", (str(path),))
    for table in ("accounts", "positions", "equity_days", "splits", "activities"):
        db.execute(f"INSERT INTO {table} SELECT * FROM new.{table}")
    db.execute(f"INSERT INTO orders SELECT {OLD_COLUMNS} FROM new.orders")
    db.commit()
    db.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    old.replace(path)


def schema_of(path: Path) -> set[tuple[str, str, str]]:
    """Return every table and index of a file as it was declared."""
    db = sqlite3.connect(path)
    words = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    found = {(kind, name, sql.replace('"', "")) for kind, name, sql in db.execute(words)}
    assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    db.close()
    return found


def test_file_when_of_version_2_then_it_is_served_and_has_the_tables_of_a_new_one(
    tmp_path: Path,
) -> None:
    """Old orders, ended and open, stand in lists by their moment; new ones follow, old names stay
    taken, and the file cannot be told from a new one.
    """
    path = tmp_path / "exchange.db"
    exchange = ExchangeProcess(tmp_path, "--db", str(path), "--speed", "1")
    with exchange:
        ended = send(exchange, **FAR_BUY, client_order_id="mine")
        exchange.call("DELETE", f"/v2/orders/{ended['id']}")
        entry = send(exchange, **BRACKET)
        before = listed(exchange, "status=all&direction=asc&nested=true")
        exchange.stop()
    make_version_2(path)
    with exchange:
        after = listed(exchange, "status=all&direction=asc&nested=true")
        newest = send(exchange, **FAR_BUY)
        answer = exchange.call("POST", "/v2/orders", json=FAR_BUY | {"client_order_id": "mine"})
        later = f"status=all&direction=asc&after={entry['submitted_at'].replace('+', '%2B')}"
        behind = listed(exchange, f"status=all&after_order_id={entry['id']}&nested=true")
        assert newest["id"] in listed(exchange, later)
        exchange.stop()
    Store(tmp_path / "new.db").close()

    assert before == after == [ended["id"], entry["id"]]
    assert behind == [newest["id"]]
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert schema_of(path) == schema_of(tmp_path / "new.db")
