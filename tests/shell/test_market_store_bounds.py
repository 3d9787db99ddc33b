"""market.db stays bounded, gives its room back, and notices that readers see another file."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shared.models.flow import DarkPrint, FlowAlert, FlowBatch, TidePoint
from shared.models.market import Candle, Quote
from shared.persistence.market_flow import FlowStoreReader
from shared.persistence.market_schema import INCREMENTAL, TABLES
from shared.persistence.market_transaction import StoreDamaged
from shared.persistence.market_writer import (
    CANDLES_KEPT,
    DAILY_KEPT,
    FLOW_KEPT,
    FLOW_ROWS_MAX,
    MarketStoreWriter,
)
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
PRICE = Decimal("10.25")
BEGINNING = START - timedelta(days=9_000)


def candle(minute: int, symbol: str = "SPY") -> Candle:
    """One quiet minute."""
    start = START + timedelta(minutes=minute)
    return Candle(symbol, start, PRICE, PRICE, PRICE, PRICE, 100)


def alert(number: int, at: datetime = START) -> FlowAlert:
    """One alert."""
    return FlowAlert(f"a{number}", "SPY", at, Decimal("25000.5"), True, False, "NewRule")


def dark_print(number: int, at: datetime = START) -> DarkPrint:
    """One off-exchange trade."""
    return DarkPrint(f"p{number}", "SPY", at, PRICE, 100, PRICE * 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


@pytest.fixture
def writer(path: Path) -> Iterator[MarketStoreWriter]:
    opened = MarketStoreWriter(path, ManualClock())
    yield opened
    opened.close()


@pytest.fixture
def reader(path: Path) -> Iterator[FlowStoreReader]:
    opened = FlowStoreReader(path)
    yield opened
    opened.close()


def test_verify_when_file_is_ours_then_nothing(writer: MarketStoreWriter) -> None:
    """A store that readers see as it is passes, also while it is empty."""
    writer.verify()
    writer.put_candles([candle(0)])
    writer.verify()


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_verify_when_file_is_removed_then_damaged(
    path: Path, writer: MarketStoreWriter, suffixes: tuple[str, ...]
) -> None:
    """SQLite goes on writing into the removed file without a word; readers would see nothing."""
    writer.put_candles([candle(0)])
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()
    writer.put_candles([candle(1)])
    with pytest.raises(StoreDamaged, match="gone"):
        writer.verify()


def test_verify_when_file_is_replaced_then_damaged(path: Path, writer: MarketStoreWriter) -> None:
    """Another file under our name is what readers open."""
    path.rename(path.with_name("moved"))
    path.write_bytes(b"")
    with pytest.raises(StoreDamaged, match="replaced"):
        writer.verify()


def test_verify_when_file_is_overwritten_then_damaged(
    path: Path, writer: MarketStoreWriter
) -> None:
    """Garbage over pages that our own cache still holds is seen as readers see it."""
    writer.put_candles([candle(minute) for minute in range(500)])
    writer.prune(START)
    with path.open("r+b") as file:
        file.write(b"garbage!" * 2_000)
    with pytest.raises(StoreDamaged):
        writer.verify()


def test_prune_when_rows_are_old_then_dropped_and_room_given_back(
    path: Path, writer: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """Symbols nobody follows any more vanish with time, and the file shrinks under a reader."""
    writer.put_candles([candle(minute, f"OLD{n}") for n in range(20) for minute in range(500)])
    writer.put_quotes([Quote("OLD1", START, PRICE, PRICE)])
    writer.put_daily([candle(0, "OLD1")])
    later = START + CANDLES_KEPT + timedelta(minutes=1)
    fresh = Candle("SPY", later, PRICE, PRICE, PRICE, PRICE, 1)
    writer.put_candles([fresh])
    assert len(reader.last_candles("OLD1", 999)) == 500
    writer.prune(later)
    before = path.stat().st_size
    assert before > 500_000
    writer.prune(START + CANDLES_KEPT + timedelta(days=1))
    assert reader.last_candles("OLD1", 999) == []
    assert reader.quotes() == {}
    assert reader.last_candles("SPY", 9) == [fresh]
    assert len(reader.daily_candles("OLD1", 9)) == 1
    assert path.stat().st_size < before / 4
    writer.prune(START + DAILY_KEPT + timedelta(days=1))
    assert reader.daily_candles("OLD1", 9) == []


def test_prune_when_flow_is_old_or_too_much_then_newest_stay(
    writer: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """Flow is bounded by number and by age."""
    many = [alert(n, START + timedelta(seconds=n)) for n in range(FLOW_ROWS_MAX + 5)]
    writer.put_flow(FlowBatch(alerts=tuple(many), prints=(dark_print(0),)))
    writer.prune(START)
    newest = reader.poll(many[-5].at)
    assert [one.alert_id for one in newest] == [one.alert_id for one in many[-4:]]
    with sqlite3.connect(reader._path) as db:
        assert db.execute("SELECT count(*) FROM flow").fetchone() == (FLOW_ROWS_MAX,)
    db.close()
    writer.prune(START + FLOW_KEPT + timedelta(days=1))
    assert reader.poll(BEGINNING) == []
    assert reader.prints(BEGINNING) == []


def test_flow_when_stored_twice_then_once_and_read_back_exactly(
    writer: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """Rows are kept by the vendor's id; a canceled print goes, a corrected tide point stays."""
    tide = TidePoint(START, Decimal("-1.5"), Decimal("2.25"), -7)
    batch = FlowBatch((alert(2), alert(1)), (dark_print(1), dark_print(2)), (), (tide,))
    writer.put_flow(batch)
    writer.put_flow(batch)
    assert list(reader.poll(BEGINNING)) == [alert(1), alert(2)]
    assert list(reader.prints(BEGINNING)) == [dark_print(1), dark_print(2)]
    assert list(reader.tide(BEGINNING)) == [tide]
    assert reader.poll(START) == []
    assert writer.newest_flow("flow") == writer.newest_flow("tide") == START
    corrected = TidePoint(START, Decimal(3), Decimal(4), 5)
    writer.put_flow(FlowBatch(canceled=("p1", "never-seen"), tide=(corrected,)))
    assert list(reader.prints(BEGINNING)) == [dark_print(2)]
    assert list(reader.tide(BEGINNING)) == [corrected]


def test_flow_when_another_market_begins_then_empty(
    writer: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """Flow of one market never stands beside prices of another; nor flow of the future."""
    writer.put_flow(FlowBatch((alert(1, START + timedelta(minutes=5)), alert(2)), (dark_print(1),)))
    writer.forget_after(START)
    assert list(reader.poll(BEGINNING)) == [alert(2)]
    writer.begin_source("another")
    assert reader.poll(BEGINNING) == []
    assert reader.prints(BEGINNING) == []
    assert writer.newest_flow("prints") is None


def test_opening_when_store_is_of_a_build_without_flow_then_kept_and_compactable(
    path: Path,
) -> None:
    """An older file of the same version keeps its rows and learns to give room back."""
    with sqlite3.connect(path) as db:
        db.executescript(TABLES.split("CREATE TABLE IF NOT EXISTS flow", maxsplit=1)[0])
        db.execute("INSERT INTO feeds VALUES('bars','live','',NULL,'market',1.0)")
        db.execute("PRAGMA user_version=1")
    db.close()
    writer, reader = MarketStoreWriter(path, ManualClock()), FlowStoreReader(path)
    assert writer.set_aside is None
    assert [feed.feed for feed in reader.feed_status()] == ["bars"]
    assert reader.poll(BEGINNING) == []
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (INCREMENTAL,)
    db.close()
    writer.close()
    reader.close()


def test_reader_when_flow_rows_are_damaged_then_only_they_are_dropped(
    writer: MarketStoreWriter, reader: FlowStoreReader
) -> None:
    """A row that means nothing costs itself and nothing else."""
    writer.put_flow(FlowBatch((alert(1), alert(2)), (dark_print(1), dark_print(2))))
    with sqlite3.connect(reader._path) as db:
        db.execute("UPDATE flow SET premium='many' WHERE alert_id='a1'")
        db.execute("UPDATE dark_prints SET at=9223372036854775807 WHERE print_id='p1'")
    db.close()
    assert list(reader.poll(BEGINNING)) == [alert(2)]
    assert list(reader.prints(BEGINNING)) == [dark_print(2)]


def _write_anew(path: Path) -> None:
    fresh = MarketStoreWriter(path, ManualClock())
    fresh.put_candles([candle(5)])
    fresh.verify()
    fresh.close()


@pytest.mark.parametrize("is_empty", [False, True])
def test_opening_when_only_the_log_of_a_removed_file_is_left_then_begun_anew(
    path: Path, writer: MarketStoreWriter, reader: FlowStoreReader, is_empty: bool
) -> None:
    """A reader that still holds the removed file must not keep the new one from being made."""
    writer.put_candles([candle(minute) for minute in range(100)])
    assert len(reader.last_candles("SPY", 999)) == 100
    path.unlink()
    if is_empty:
        path.touch()
    child = multiprocessing.get_context("spawn").Process(target=_write_anew, args=(path,))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert reader.last_candles("SPY", 9) == [candle(5)]
