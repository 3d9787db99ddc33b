"""Damaged files and refusing disks: the exchange says so, and never trades on half of its books."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.exchange_sim.exchange import Exchange, Pace
from services.exchange_sim.http.gate import Gate, Keys, RateWindows
from services.exchange_sim.market.seeded import SeededMarket
from services.exchange_sim.opening import open_books
from services.exchange_sim.store import Store
from shared.clock import SystemClock
from shared.errors import ConfigFault, SystemFault, TransientFault

pytestmark = pytest.mark.integration
MARKET = SeededMarket(1, ("AAPL", "MSFT"), Decimal(2))
FAR_BUY: dict[str, Any] = {
    "symbol": "AAPL",
    "side": "buy",
    "qty": "1",
    "type": "limit",
    "limit_price": "5",
    "time_in_force": "gtc",
}
VERSION_2 = (
    "DROP INDEX orders_by_time; DROP INDEX orders_by_symbol; "
    "ALTER TABLE orders DROP COLUMN submitted_us; PRAGMA user_version = 2;"
)


class MoodyDisk(Store):
    """A store whose disk refuses writing, and reading as well, when it is told to."""

    refuses_writing = False
    refuses_reading = False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self.refuses_writing:
            raise sqlite3.OperationalError("database or disk is full")
        with super()._transaction():
            yield

    def account(self, identity: str) -> Any:
        if self.refuses_reading:
            raise TransientFault("disk I/O error")
        return super().account(identity)


def opened(store: Store) -> Exchange:
    """Open the exchange of a file."""
    return Exchange(MARKET, store, open_books(store, MARKET, 1, Decimal(100_000)), Pace(1.0))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a sound file with an open order, an ended one and a position."""
    path = tmp_path / "exchange.db"
    store = Store(path)
    exchange = opened(store)
    exchange.submit(FAR_BUY)
    exchange.cancel(exchange.submit(FAR_BUY).id)
    bought = FAR_BUY | {"type": "market", "limit_price": None, "time_in_force": "day"}
    exchange.submit(bought)
    exchange.advance(1.0)
    assert len(exchange.books.live_orders()) == len(exchange.books.positions) == 1
    exchange.close()
    return path


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE orders SET document = '{' WHERE is_live = 1",
        "UPDATE orders SET document = '{\"id\": 5}' WHERE is_live = 1",
        "UPDATE accounts SET document = '[]'",
        "UPDATE positions SET document = replace(document, 'qty\":\"1', 'qty\":\"one')",
        "DROP TABLE orders",
        "DROP TABLE splits",
        "ALTER TABLE orders DROP COLUMN group_id",
        VERSION_2 + "UPDATE orders SET document = 'x'",
        VERSION_2 + "DROP TABLE activities",
        "PRAGMA user_version = 1",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = -3",
    ],
)
def test_file_when_it_is_damaged_then_the_exchange_refuses_to_begin(
    file: Path, damage: str
) -> None:
    """Restarting cures nothing, so a person is told where to look; nothing is made up instead of
    what is lost, and nothing in the file changes.
    """
    with closing(sqlite3.connect(file)) as db:
        if "group_id" in damage:
            db.execute("DROP INDEX orders_by_group")
        db.executescript(damage)
        db.commit()
    before = content(file)

    words = r"exchange\.db is no exchange database, or a damaged"
    with pytest.raises(ConfigFault, match=words), closing(Store(file)) as store:
        opened(store)

    assert content(file) == before


def content(path: Path) -> tuple[str, ...]:
    """Return all that a file holds, as statements."""
    with closing(sqlite3.connect(path)) as db:
        return tuple(db.iterdump())


def test_file_when_it_is_somebody_elses_then_no_table_is_put_into_it(tmp_path: Path) -> None:
    """A path that was mistyped costs nobody his data."""
    path = tmp_path / "notes.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE notes (words TEXT); INSERT INTO notes VALUES ('mine')")
    before = content(path)

    with pytest.raises(ConfigFault, match="tables of something else"):
        Store(path)

    assert content(path) == before


def test_old_file_when_an_index_is_gone_then_it_is_brought_up_to_date_all_the_same(
    file: Path,
) -> None:
    """An index holds nothing of its own."""
    with closing(sqlite3.connect(file)) as db:
        db.executescript(VERSION_2 + "DROP INDEX orders_by_group")

    assert len(opened(Store(file)).books.live_orders()) == 1


def test_deed_when_the_disk_refuses_writing_and_then_reading_then_it_never_happened(
    tmp_path: Path,
) -> None:
    """The order that could not be written is nowhere, neither while the disk stays away nor when
    it is back, and its name is free.
    """
    disk = MoodyDisk(tmp_path / "exchange.db")
    exchange = opened(disk)
    kept = exchange.submit(FAR_BUY)
    named = FAR_BUY | {"client_order_id": "mine"}

    disk.refuses_writing = disk.refuses_reading = True
    for _ in range(2):
        with pytest.raises(TransientFault):
            exchange.submit(named)
    disk.refuses_writing = disk.refuses_reading = False

    exchange.advance(0.5)
    assert [order.id for order in exchange.books.live_orders()] == [kept.id]
    again = exchange.submit(named)
    disk.close()
    after = opened(Store(tmp_path / "exchange.db")).books
    assert [order.id for order in after.live_orders()] == [kept.id, again.id]


async def answer_of(fault: SystemFault) -> list[dict[str, Any]]:
    """Return what the gate sends when market time cannot move."""
    sent: list[dict[str, Any]] = []

    def fresh_time() -> None:
        raise fault

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("nobody is let in")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    windows = RateWindows(SystemClock(), enforced=False)
    keys = [(b"apca-api-key-id", b"key"), (b"apca-api-secret-key", b"secret")]
    scope = {"type": "http", "path": "/v2/account", "headers": keys}
    await Gate(application, Keys(), windows, fresh_time)(scope, receive, send)
    return sent


@pytest.mark.parametrize("fault", [TransientFault("full"), ConfigFault("damaged")])
def test_request_when_market_time_cannot_move_then_the_500_is_json_as_all_others(
    fault: SystemFault,
) -> None:
    """A client's error reader meets Alpaca's shape, and the headers of every reply."""
    start, body = asyncio.run(answer_of(fault))

    assert start["status"] == 500
    assert json.loads(body["body"])["code"] == 50010000
    assert b"x-request-id" in dict(start["headers"])
