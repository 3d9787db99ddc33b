"""market.db: batches, corrections, restarts, damage, and two processes at once."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import TransientFault
from shared.models.market import Candle, Quote
from shared.persistence.market_rows import FeedStatus
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import CANDLES_PER_SYMBOL_MAX, MarketStoreWriter
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def candle(minute: int, symbol: str = "SPY", close: str = "10.25") -> Candle:
    return Candle(
        symbol,
        START + timedelta(minutes=minute),
        Decimal("10.1"),
        Decimal("10.5"),
        Decimal("10.0"),
        Decimal(close),
        100,
    )


def _flat(start: datetime, price: Decimal) -> Candle:
    return Candle("SPY", start, price, price, price, price, 1)


def quote(seconds: int, bid: str = "10.10") -> Quote:
    return Quote("SPY", START + timedelta(seconds=seconds), Decimal(bid), Decimal("10.30"), 1, 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


def writer_of(path: Path) -> MarketStoreWriter:
    return MarketStoreWriter(path, ManualClock())


def test_reader_when_store_is_missing_then_everything_is_empty(path: Path) -> None:
    """Before data-daemon has ever run there is no market, and no fault."""
    reader = MarketStoreReader(path)
    assert reader.new_candles(0) == ([], 0)
    assert reader.quotes() == {}
    assert reader.feed_status() == []
    assert reader.minute() is None
    assert reader.source() is None
    assert not path.exists()


def test_store_when_batch_is_written_then_read_back_exactly(path: Path) -> None:
    """Prices keep their digits and times their moment; the file is ours alone."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    status = FeedStatus("quotes", "live", "", START, "market")
    writer.write([candle(0), candle(1)], [quote(5)], [status], START)
    candles, row = reader.new_candles(0)
    assert candles == [candle(0), candle(1)]
    assert str(reader.quotes()["SPY"].quote.bid) == "10.10"
    assert reader.quotes()["SPY"].received_boottime_s == ManualClock().boottime_s()
    assert reader.feed_status()[0].state == "live"
    assert reader.feed_status()[0].last_at == START
    assert reader.minute() == START
    assert reader.new_candles(row) == ([], row)
    assert path.stat().st_mode & 0o777 == 0o600


def test_reader_when_newest_candle_is_corrected_then_meets_it_again(path: Path) -> None:
    """A correction of the very last row gets a higher id, so that nobody misses it."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(0)])
    _, row = reader.new_candles(0)
    writer.put_candles([candle(0, close="10.4")])
    candles, after = reader.new_candles(row)
    assert [c.close for c in candles] == [Decimal("10.4")]
    assert after > row
    assert reader.last_candles("SPY", 10) == [candle(0, close="10.4")]


def test_reader_when_same_candle_comes_again_then_not_shown_twice(path: Path) -> None:
    """History fetched twice is one history for those who go by the id."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(0), candle(1)])
    _, row = reader.new_candles(0)
    writer.put_candles([candle(0), candle(1), candle(2)])
    assert reader.new_candles(row)[0] == [candle(2)]


def test_quote_when_older_one_comes_late_then_newer_stays(path: Path) -> None:
    """Quotes may overtake each other between stream and REST."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_quotes([quote(10, "10.20")])
    writer.put_quotes([quote(5, "10.00")])
    assert reader.quotes()["SPY"].quote.bid == Decimal("10.20")


def test_last_candles_when_asked_then_oldest_first_and_bounded(path: Path) -> None:
    """Buffers are warmed with the newest n of one symbol, in rising order."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(m) for m in (3, 1, 2)] + [candle(9, "QQQ")])
    assert reader.last_candles("SPY", 2) == [candle(2), candle(3)]
    assert reader.last_candles("NONE", 2) == []


def test_candles_when_forgotten_before_a_moment_then_of_that_symbol_alone(path: Path) -> None:
    """What is told in the shares of before a split goes; the rest and its ids stay."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(n, symbol) for symbol in ("AAPL", "SPY") for n in range(3)])
    _, row = reader.new_candles(0)

    writer.forget_before("AAPL", START + timedelta(minutes=2))

    assert [one.start for one in reader.last_candles("AAPL", 9)] == [START + timedelta(minutes=2)]
    assert len(reader.last_candles("SPY", 9)) == 3
    assert reader.new_candles(row) == ([], row)


def test_prior_close_when_today_has_a_daily_bar_then_yesterdays_counts(path: Path) -> None:
    """The running day's own bar is no prior close; days are New York's."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    friday = datetime(2026, 1, 2, 5, 0, tzinfo=UTC)
    monday = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
    days = [_flat(friday, Decimal(9)), _flat(monday, Decimal(10))]
    writer.put_daily(days)
    assert reader.prior_close("SPY", START) == Decimal(9)
    assert reader.prior_close("SPY", START + timedelta(days=1)) == Decimal(10)
    assert reader.prior_close("SPY", friday) is None
    assert reader.daily_candles("SPY", 5) == days


def test_source_when_another_market_begins_then_store_is_empty_and_ids_rise(path: Path) -> None:
    """Prices of one replay never warm the indicators of another."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.begin_source("sim a")
    writer.write([candle(0)], [quote(1)], minute=START)
    _, row = reader.new_candles(0)
    writer.begin_source("sim b")
    assert reader.source() == "sim b"
    assert reader.minute() is None
    assert reader.quotes() == {}
    assert reader.new_candles(row) == ([], row)
    writer.put_candles([candle(5)])
    assert reader.new_candles(row)[0] == [candle(5)]


def test_future_when_clock_was_set_back_then_dropped(path: Path) -> None:
    """Nothing later than market time stays: it would be knowledge of the future."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.write([candle(0), candle(1), candle(2)], [quote(500)])
    assert writer.forget_after(START + timedelta(minutes=1)) == 2
    assert reader.last_candles("SPY", 9) == [candle(0)]
    assert reader.quotes() == {}


def test_prune_when_crowded_then_newest_stay(path: Path) -> None:
    """The store is bounded per symbol."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(m) for m in range(CANDLES_PER_SYMBOL_MAX + 50)])
    writer.put_candles([candle(0, "QQQ")])
    writer.prune(START)
    kept = reader.last_candles("SPY", 10_000)
    assert len(kept) == CANDLES_PER_SYMBOL_MAX
    assert kept[0] == candle(50)
    assert reader.last_candles("QQQ", 5) == [candle(0, "QQQ")]


def test_batch_when_one_item_fails_then_nothing_of_it_is_stored(path: Path) -> None:
    """A batch is all or nothing, and the store works on."""
    writer, reader = writer_of(path), MarketStoreReader(path)

    def broken() -> list[Candle]:
        raise OSError("feed broke off")

    with pytest.raises(OSError, match="broke off"):
        writer.write([candle(0)], (q for q in broken()))  # type: ignore[misc]  # never yields
    assert reader.new_candles(0) == ([], 0)
    writer.put_candles([candle(1)])
    assert reader.new_candles(0)[0] == [candle(1)]


def test_reopening_when_writer_was_killed_then_committed_batches_stand(path: Path) -> None:
    """A writer that dies without closing loses nothing that it committed."""
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_write_and_die, args=(path,))
    child.start()
    child.join(20)
    assert child.exitcode == 9
    reader = MarketStoreReader(path)
    assert len(reader.new_candles(0)[0]) == 50
    writer = writer_of(path)
    assert writer.set_aside is None
    writer.put_candles([candle(99)])
    assert len(reader.new_candles(0)[0]) == 51


def _write_and_die(path: Path) -> None:
    writer = MarketStoreWriter(path, SystemClock())
    for minute in range(50):
        writer.put_candles([candle(minute)])
    writer._db.execute("BEGIN")
    writer._db.execute("DELETE FROM candles")
    os._exit(9)


@pytest.mark.parametrize(
    "damage",
    [b"not a database at all", b"SQLite format 3\x00" + b"\xff" * 5000, b"\x00" * 8192],
)
def test_opening_when_file_is_damaged_then_set_aside_and_begun_anew(
    path: Path, damage: bytes
) -> None:
    """A damaged store is moved away, never deleted, and an open reader follows to the new one."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(0), candle(1)])
    _, row = reader.new_candles(0)
    writer.close()
    reader.close()
    for suffix in ("-wal", "-shm"):  # else SQLite mends the file from its log
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(damage)
    fresh = writer_of(path)
    assert fresh.set_aside is not None
    assert fresh.set_aside.read_bytes() == damage
    fresh.put_candles([candle(7)])
    assert reader.new_candles(row)[0] == [candle(7)]


def test_reader_when_store_is_replaced_while_open_then_reads_the_new_one(path: Path) -> None:
    """A reader never goes on reading a file that is no longer there."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer.put_candles([candle(0), candle(1)])
    _, row = reader.new_candles(0)
    writer.close()
    for part in path.parent.iterdir():
        part.unlink()
    writer_of(path).put_candles([candle(5)])
    assert reader.new_candles(row)[0] == [candle(5)]


def test_reader_when_store_is_garbage_then_transient_fault(path: Path) -> None:
    """A failed read is never an empty answer."""
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(TransientFault):
        MarketStoreReader(path).quotes()


def test_writer_when_older_version_then_set_aside(path: Path) -> None:
    """A store of a version before ours can be fetched again: it is set aside, not read."""
    writer_of(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=-1")
    db.close()
    assert writer_of(path).set_aside is not None


def test_writer_when_folder_is_missing_then_transient_fault(tmp_path: Path) -> None:
    """A store that cannot be opened is a fault of the machine, retried by a fresh process."""
    with pytest.raises(TransientFault):
        writer_of(tmp_path / "absent" / "market.db")


def test_writer_when_locked_by_another_then_transient_fault_and_batch_can_be_repeated(
    path: Path,
) -> None:
    """While somebody holds the file the batch is refused whole, and passes afterwards."""
    writer, reader = writer_of(path), MarketStoreReader(path)
    writer._db.execute("PRAGMA busy_timeout=50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientFault):
        writer.put_candles([candle(0)])
    other.execute("ROLLBACK")
    other.close()
    writer.put_candles([candle(0)])
    assert reader.new_candles(0)[0] == [candle(0)]
