"""Rows of market.db that mean nothing, in a file that SQLite finds whole."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shared.models.market import Candle, Quote
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
PRICE = Decimal("10.25")


def candle(minute: int) -> Candle:
    """One quiet minute of SPY."""
    start = START + timedelta(minutes=minute)
    return Candle("SPY", start, PRICE, PRICE, PRICE, PRICE, 100)


def quote(symbol: str) -> Quote:
    """One quote at the beginning."""
    return Quote(symbol, START, Decimal("10.10"), Decimal("10.30"), 1, 2)


def test_reader_when_single_rows_are_damaged_then_only_they_are_dropped(tmp_path: Path) -> None:
    """A flipped bit that SQLite cannot see must not end whoever reads, start after start."""
    path = tmp_path / "market.db"
    writer, reader = MarketStoreWriter(path, ManualClock()), MarketStoreReader(path)
    writer.write([candle(minute) for minute in range(4)], [quote("SPY"), quote("QQQ")])
    writer.put_daily([candle(-2000), candle(-3000)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE candles SET close='1O.25' WHERE id=2")
        db.execute("UPDATE candles SET start=9223372036854775807 WHERE id=3")
        db.execute("UPDATE quotes SET bid='?' WHERE symbol='SPY'")
        db.execute("UPDATE daily SET close='NaN'")
        db.execute("INSERT INTO facts VALUES('minute','soon')")
        db.execute("INSERT INTO feeds VALUES('a','live','',9223372036854775807,'market',1)")
    db.close()

    assert reader.new_candles(0) == ([candle(0), candle(3)], 4)
    assert reader.last_candles("SPY", 9) == [candle(0), candle(3)]
    assert set(reader.quotes()) == {"QQQ"}
    assert reader.prior_close("SPY", START) is None
    assert reader.daily_candles("SPY", 9) == []
    assert reader.minute() is None
    assert reader.feed_status() == []
