"""The doors: what ours costs over the bare vendor's client, and bars per second into market.db."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from shared.clock import SystemClock
from shared.models.market import Candle
from shared.persistence.market_writer import MarketStoreWriter
from shared.resilience.http_door import DoorAdapter, DoorRules
from shared.vendors.alpaca_broker import AlpacaBroker, trading_client
from tests.bench.frame import Row, interleaved, median
from tests.support.alpaca_payloads import raw_account
from tests.support.scripted_alpaca import ScriptedAlpaca

CALLS = 500
DOOR_RATIO_MAX = 2.0
"""The bound of an order's way out: twice the bare client to the same server."""
SYMBOLS, MINUTES = 500, 100
STORE_RATIO_MAX = 6.0
BEGIN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
_PLAIN = "INSERT INTO candles VALUES(?,?,?,?,?,?,?)"


def rows() -> Iterator[Row]:
    """Yield the rows of both."""
    yield _door_row()
    with tempfile.TemporaryDirectory() as folder:
        yield from _store_rows(Path(folder))


def _door_row() -> Row:
    """Read the account through our door (deadline, budget, breaker, contract) and without."""
    clock = SystemClock()
    with ScriptedAlpaca() as alpaca:
        alpaca.on("GET", "/v2/account", (200, raw_account()))
        bare: Any = trading_client(alpaca.url, "key", "secret")
        adapter = DoorAdapter(DoorRules(reads_per_minute=None), clock)
        door = AlpacaBroker(trading_client(alpaca.url, "key", "secret"), adapter, clock, bool)
        for _ in range(20):
            door.account()
            bare.get_account()
        ours, theirs = interleaved(door.account, bare.get_account, CALLS)
        door.stop()
    return Row(
        "read through the door, p50",
        "ms",
        median(ours) * 1e3,
        DOOR_RATIO_MAX,
        "bare alpaca-py, same server",
        median(theirs) * 1e3,
    )


def _minute(number: int) -> list[Candle]:
    start = BEGIN + timedelta(minutes=number)
    price = Decimal("101.25")
    return [
        Candle(f"S{symbol:03d}", start, price, price, price, price, 1_000 + symbol)
        for symbol in range(SYMBOLS)
    ]


def _store_rows(folder: Path) -> Iterator[Row]:
    """Write minutes of 500 symbols, one commit each, beside SQLite alone with the same bars."""
    store = MarketStoreWriter(folder / "market.db", SystemClock())
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    plain.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
        "CREATE TABLE candles(symbol TEXT, start INTEGER, open TEXT, high TEXT, low TEXT,"
        " close TEXT, volume INTEGER, UNIQUE(symbol, start))"
    )
    minutes = [_minute(number) for number in range(MINUTES)]
    ours_next, theirs_next = count(), count()

    def through_the_store() -> None:
        store.write(minutes[next(ours_next)], (), ())

    def through_sqlite() -> None:
        bars = minutes[next(theirs_next)]
        plain.execute("BEGIN")
        plain.executemany(
            _PLAIN,
            [
                (
                    b.symbol,
                    b.start.timestamp(),
                    *map(str, (b.open, b.high, b.low, b.close)),
                    b.volume,
                )
                for b in bars
            ],
        )
        plain.execute("COMMIT")

    ours, theirs = interleaved(through_the_store, through_sqlite, MINUTES)
    store.close()
    plain.close()
    per_bar_us = median(ours) / SYMBOLS * 1e6
    yield Row(
        f"bar into market.db, {SYMBOLS} symbols: {1e6 / per_bar_us:,.0f}/s",
        "us",
        per_bar_us,
        STORE_RATIO_MAX,
        "SQLite alone, same bars",
        median(theirs) / SYMBOLS * 1e6,
    )
