"""The exchange's database file: what is read back of it, and files of an older version."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.cash_desk import move_cash
from services.exchange_sim.codec import to_text
from services.exchange_sim.ledger import differences, replayed
from services.exchange_sim.movements import MovementKind
from services.exchange_sim.records import SimFill, SimOrder
from services.exchange_sim.store import Store
from services.exchange_sim.store_activities import ActivityQuery
from services.exchange_sim.store_orders import OrderScan
from services.exchange_sim.wire_activities import activity_id
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.integration


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "exchange.db")
    yield opened
    opened.close()


def traded(venue: Venue) -> list[SimOrder]:
    """Buy twice, leave a limit resting, sell a part, pay something in; return the orders."""
    orders = [venue.send(qty=10), venue.send(symbol="BBB", qty=4)]
    venue.trade("AAA", 100)
    venue.trade("BBB", 50)
    orders.append(venue.send(qty=1, type="limit", limit_price="50"))
    venue.cancel(orders[-1])
    orders.append(venue.send(qty=1, type="limit", limit_price="51", client_order_id="mine"))
    orders += venue.bracket(symbol="BBB", limit_price="51", take_profit={"limit_price": "60"},
                            stop_loss={"stop_price": "40"})  # fmt: skip
    move_cash(venue.books, MovementKind.DEPOSIT, Decimal(5), venue.now)
    venue.trade("BBB", 50)
    return [venue.again(order) for order in orders]


def saved(store: Store, venue: Venue) -> None:
    """Write everything that the venue holds."""
    store.open_account(venue.books.account)
    store.save(venue.books, venue.books.take_changes())


def test_orders_when_read_from_disk_then_each_way_finds_them(store: Store) -> None:
    """By id, by client id, by group, and as a list with its filters and both directions."""
    venue = Venue()
    orders = traded(venue)
    saved(store, venue)
    reader = store.orders(venue.books.account)

    assert reader.by_id(orders[0].id) == orders[0]
    found = reader.by_client_id("mine")
    assert found is not None
    assert found.id == orders[3].id
    assert reader.by_id("mine") is None
    assert [one.id for one in reader.group(orders[4].id)] == [one.id for one in orders[4:]]
    placed = sorted(orders, key=lambda order: order.place)
    assert list(reader.scan(OrderScan(ascending=True))) == placed
    assert list(reader.scan(OrderScan())) == placed[::-1]
    both = frozenset({"AAA", "BBB", "ZZZ"})
    assert list(reader.scan(OrderScan(symbols=both))) == placed[::-1]
    assert list(reader.scan(OrderScan(ascending=True, symbols=both))) == placed
    assert list(reader.scan(OrderScan(live=True, symbols=frozenset({"AAA"})))) == [orders[3]]
    low, high = placed[0].place, placed[3].place
    ended = list(reader.scan(OrderScan(live=False, ascending=True, behind=low, before=high)))
    assert ended == [order for order in placed[1:3] if not order.is_live]
    assert ended


def test_activities_when_read_from_disk_then_pages_and_edges_hold(store: Store) -> None:
    """Pages follow each other in both directions; kinds and times bound them."""
    venue = Venue()
    traded(venue)
    everything = list(venue.books.changes.activities)
    saved(store, venue)
    reader = store.activities(venue.books.account)

    assert list(reader.all()) == everything
    first = reader.page(ActivityQuery(page_size=2, ascending=True))
    rest = reader.page(ActivityQuery(page_token=activity_id(first[-1]), ascending=True))
    assert first + rest == everything
    deposits = reader.page(ActivityQuery(kinds=frozenset({"CSD"})))
    assert [one.seq for one in deposits] == [3]
    two = reader.page(ActivityQuery(kinds=frozenset({"CSD", "FILL"}), ascending=True))
    assert two == everything
    edge = everything[1].at
    assert reader.page(ActivityQuery(until=edge)) == everything[:1]
    assert reader.page(ActivityQuery(after=edge, ascending=True)) == everything[2:]
    assert reader.page(ActivityQuery(visible_until=edge)) == everything[1::-1]


def test_save_when_a_client_id_is_taken_then_nothing_is_written(store: Store) -> None:
    """A double must fail loudly; it must never take the older order's place."""
    venue = Venue()
    orders = traded(venue)
    saved(store, venue)
    double = replace(orders[3], id="another", seq=99)
    venue.books.put(double)
    venue.books.update_account(cash=Decimal(1))

    with pytest.raises(sqlite3.IntegrityError):
        store.save(venue.books, venue.books.take_changes())

    found = store.orders(venue.books.account).by_client_id("mine")
    assert found == orders[3]
    account = store.account("silent")
    assert account is not None
    assert account.cash != 1


_TABLES_OF_1 = """
CREATE TABLE accounts (
    number INTEGER PRIMARY KEY, account_id TEXT NOT NULL UNIQUE, identity TEXT NOT NULL,
    document TEXT NOT NULL);
CREATE TABLE orders (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    seq INTEGER NOT NULL, document TEXT NOT NULL,
    UNIQUE (account_id, client_order_id), UNIQUE (account_id, seq));
CREATE TABLE positions (
    account_id TEXT NOT NULL, symbol TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, symbol));
CREATE TABLE fills (
    account_id TEXT NOT NULL, seq INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, seq));
CREATE TABLE equity_days (
    account_id TEXT NOT NULL, day TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (account_id, day));
PRAGMA user_version=1;
"""


def write_version_1(path: Path, venue: Venue) -> None:
    """Write the venue's books as version 1 did: fills alone, average prices, no counts."""
    owner = venue.books.account.account_id
    account = json.loads(to_text(venue.books.account))
    for name in ("realized", "activity_count", "fill_count", "transferred", "closed_day"):
        del account[name]
    db = sqlite3.connect(path)
    db.executescript(_TABLES_OF_1)
    db.execute("INSERT INTO accounts VALUES (0, ?, ?, ?)", (owner, "silent", json.dumps(account)))
    for order in venue.books.orders.values():
        db.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
            (order.id, owner, order.client_order_id, order.seq, to_text(order)),
        )
    for fill in venue.books.fills:
        db.execute("INSERT INTO fills VALUES (?, ?, ?)", (owner, fill.seq, to_text(fill)))
    for position in venue.books.positions.values():
        document = {
            "symbol": position.symbol,
            "qty": str(position.qty),
            "avg_entry_price": str(position.avg_entry_price),
        }
        db.execute(
            "INSERT INTO positions VALUES (?, ?, ?)",
            (owner, position.symbol, json.dumps(document)),
        )
    db.commit()
    db.close()


def test_file_when_of_version_1_then_orders_fills_and_positions_come_along(
    tmp_path: Path,
) -> None:
    """An older file opens as it is: every order and fill is found, cash and shares are the
    same, a new activity follows the old ones.
    """
    venue = Venue()
    venue.send(qty=10)
    venue.trade("AAA", 100)
    venue.send(side="sell", qty=4)
    venue.trade("AAA", 103)
    resting = venue.send(qty=1, type="limit", limit_price="50")
    fills = venue.books.fills
    path = tmp_path / "exchange.db"
    write_version_1(path, venue)

    store = Store(path)
    account = store.account("silent")
    assert account is not None
    books = store.load(account)

    assert list(books.orders) == [resting.id]
    assert list(store.activities(account).all()) == fills
    assert all(isinstance(one, SimFill) for one in fills)
    assert (account.cash, account.fill_count) == (venue.books.account.cash, len(fills))
    ledger = replayed(account.start_cash, store.activities(account).all())
    assert differences(ledger, account, books.positions) == []
    movement = move_cash(books, MovementKind.DEPOSIT, Decimal(5), venue.now + timedelta(days=1))
    store.save(books, books.take_changes())
    assert movement.seq == len(fills) + 1
    store.close()
