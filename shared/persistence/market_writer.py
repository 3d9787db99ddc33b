"""The writing half of market.db, for data-daemon alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

from shared.clock import Clock
from shared.errors import ConfigFault, TransientFault
from shared.models.flow import FlowBatch
from shared.models.market import Candle, Quote
from shared.persistence.market_flow import newest_flow, put_flow
from shared.persistence.market_rows import FeedStatus, stamp_of
from shared.persistence.market_schema import connect, create, set_aside, set_orphans_aside
from shared.persistence.market_transaction import StoreDamaged, Transaction, refused

CANDLES_PER_SYMBOL_MAX = 2_000
DAILY_PER_SYMBOL_MAX = 400
FLOW_ROWS_MAX = 50_000
"""Of alerts, of prints and of tide points each."""
CANDLES_KEPT, DAILY_KEPT, FLOW_KEPT = timedelta(days=30), timedelta(days=600), timedelta(days=7)
"""Market time after which rows are dropped, also of symbols that nobody follows any more."""

# An unchanged bar, fetched again, keeps its row: readers go by the id and would meet it twice.
_PUT_CANDLE = (
    "REPLACE INTO candles(symbol, start, open, high, low, close, volume) "
    "SELECT ?1,?2,?3,?4,?5,?6,?7 WHERE NOT EXISTS(SELECT 1 FROM candles WHERE symbol=?1 "
    "AND start=?2 AND open=?3 AND high=?4 AND low=?5 AND close=?6 AND volume=?7)"
)
_PUT_DAILY = (
    "REPLACE INTO daily(symbol, start, open, high, low, close, volume) VALUES(?,?,?,?,?,?,?)"
)
_PUT_QUOTE = (
    "INSERT INTO quotes VALUES(?,?,?,?,?,?,?) ON CONFLICT(symbol) DO UPDATE SET "
    "at=excluded.at, bid=excluded.bid, ask=excluded.ask, bid_size=excluded.bid_size, "
    "ask_size=excluded.ask_size, received_s=excluded.received_s WHERE excluded.at >= quotes.at"
)
_EMPTY_ALL = (
    "DELETE FROM candles",
    "DELETE FROM daily",
    "DELETE FROM quotes",
    "DELETE FROM feeds",
    "DELETE FROM facts",
    "DELETE FROM flow",
    "DELETE FROM dark_prints",
    "DELETE FROM tide",
)
_FUTURE = (
    "DELETE FROM daily WHERE start > ?",
    "DELETE FROM quotes WHERE at > ?",
    "DELETE FROM flow WHERE at > ?",
    "DELETE FROM dark_prints WHERE at > ?",
    "DELETE FROM tide WHERE at > ?",
)
_OLD = (
    ("DELETE FROM candles WHERE start < ?", CANDLES_KEPT),
    ("DELETE FROM quotes WHERE at < ?", CANDLES_KEPT),
    ("DELETE FROM daily WHERE start < ?", DAILY_KEPT),
    ("DELETE FROM flow WHERE at < ?", FLOW_KEPT),
    ("DELETE FROM dark_prints WHERE at < ?", FLOW_KEPT),
    ("DELETE FROM tide WHERE at < ?", FLOW_KEPT),
)
_EXCESS = (
    "DELETE FROM flow WHERE id <= (SELECT id FROM flow ORDER BY id DESC LIMIT 1 OFFSET ?)",
    "DELETE FROM dark_prints WHERE at <= "
    "(SELECT at FROM dark_prints ORDER BY at DESC LIMIT 1 OFFSET ?)",
    "DELETE FROM tide WHERE at <= (SELECT at FROM tide ORDER BY at DESC LIMIT 1 OFFSET ?)",
)
_CROWDED = (
    "SELECT symbol, 'candles' FROM candles GROUP BY symbol UNION ALL "
    "SELECT symbol, 'daily' FROM daily GROUP BY symbol"
)
_PRUNE = {
    "candles": "DELETE FROM candles WHERE symbol=? AND start < (SELECT start FROM candles "
    "WHERE symbol=? ORDER BY start DESC LIMIT 1 OFFSET ?)",
    "daily": "DELETE FROM daily WHERE symbol=? AND start < (SELECT start FROM daily "
    "WHERE symbol=? ORDER BY start DESC LIMIT 1 OFFSET ?)",
}


class MarketStoreWriter:
    """The one writer. Opening sets an unreadable file aside and begins anew; it raises
    SchemaFault for a newer version, TransientFault for a refusing disk or something odd in the
    file's place: data-daemon waits until it is gone.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.set_aside: Path | None = None
        """Where a damaged store went when this one was opened."""
        self._db = self._opened()
        status = path.stat(follow_symlinks=False)
        self._file = (status.st_dev, status.st_ino)

    def _opened(self) -> sqlite3.Connection:
        try:
            set_orphans_aside(self._path, self._clock)
            try:
                return create(self._path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self.set_aside = set_aside(self._path, self._clock)
                return create(self._path)
        except (sqlite3.Error, OSError, ConfigFault) as error:
            raise TransientFault(f"market.db cannot be opened: {error}") from error

    def source(self) -> str | None:
        """Return which market the content belongs to, None when nothing was ever said."""
        try:
            row = self._db.execute("SELECT value FROM facts WHERE name='source'").fetchone()
        except sqlite3.Error as error:
            raise refused(error) from error
        return str(row[0]) if row is not None else None

    def begin_source(self, source: str) -> None:
        """Empty the store for another market (account, replay): prices of one must never warm
        the indicators of another. Ids go on rising, so that readers notice.
        """
        with self._transaction():
            for statement in _EMPTY_ALL:
                self._db.execute(statement)
            self._set_fact("source", source)

    def forget_after(self, now: datetime) -> int:
        """Drop what lies after that market time (a clock set back) and return how many candles."""
        with self._transaction():
            gone = self._db.execute("DELETE FROM candles WHERE start >= ?", (stamp_of(now),))
            for statement in _FUTURE:
                self._db.execute(statement, (stamp_of(now),))
        return gone.rowcount

    def write(
        self,
        candles: Iterable[Candle] = (),
        quotes: Iterable[Quote] = (),
        feeds: Iterable[FeedStatus] = (),
        minute: datetime | None = None,
    ) -> None:
        """Commit a batch in one transaction: all of it or nothing.

        Raises TransientFault when the disk refuses (the caller keeps the batch and tries again)
        and StoreDamaged when only a fresh start can help.
        """
        with self._transaction():
            self._put_candles(_PUT_CANDLE, candles)
            self._put_quotes(quotes)
            self._put_feeds(feeds)
            if minute is not None:
                self._set_fact("minute", str(stamp_of(minute)))

    def put_candles(self, candles: Iterable[Candle]) -> None:
        """Store one-minute candles; a corrected one replaces its first version."""
        self.write(candles=candles)

    def forget_before(self, symbol: str, start: datetime) -> None:
        """Drop the one-minute candles of a symbol that began earlier. Raises as `write`."""
        with self._transaction():
            statement = "DELETE FROM candles WHERE symbol=? AND start<?"
            self._db.execute(statement, (symbol, stamp_of(start)))

    def put_daily(self, candles: Iterable[Candle]) -> None:
        """Store daily candles."""
        with self._transaction():
            self._put_candles(_PUT_DAILY, candles)

    def put_quotes(self, quotes: Iterable[Quote]) -> None:
        """Store the newest quote of each symbol; an older one never replaces a newer."""
        self.write(quotes=quotes)

    def put_feed_status(self, status: FeedStatus) -> None:
        """Store what is to be said of a feed; `written_boottime_s` is set here."""
        self.write(feeds=(status,))

    def mark_minute(self, minute: datetime) -> None:
        """Say that everything of the minute that starts then is stored (lock-step)."""
        self.write(minute=minute)

    def put_flow(self, batch: FlowBatch) -> None:
        """Store option flow; what is known by its id stays as it is. Raises as `write`."""
        with self._transaction():
            put_flow(self._db, batch)

    def newest_flow(self, feed: str) -> datetime | None:
        """Return the market time of the newest row of `flow`, `prints` or `tide`."""
        try:
            return newest_flow(self._db, feed)
        except sqlite3.Error as error:
            raise refused(error) from error

    def prune(self, now: datetime) -> None:
        """Keep what is newest, by number and by market time, and give the room back; call now
        and then, not with every batch. Readers are never held up. Raises as `write`.
        """
        with self._transaction():
            for symbol, table in self._db.execute(_CROWDED).fetchall():
                keep = CANDLES_PER_SYMBOL_MAX if table == "candles" else DAILY_PER_SYMBOL_MAX
                self._db.execute(_PRUNE[table], (symbol, symbol, keep - 1))
            for statement, kept in _OLD:
                self._db.execute(statement, (stamp_of(now - kept),))
            for statement in _EXCESS:
                self._db.execute(statement, (FLOW_ROWS_MAX,))
        try:
            # A script, since a plain execute would step once, and so free a single page.
            self._db.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE);")
        except sqlite3.Error as error:
            raise refused(error) from error

    def verify(self) -> None:
        """Look as a reader would. Raises StoreDamaged when what is written here no longer reaches
        the readers: SQLite goes on writing into a file that was removed or replaced.
        """
        try:
            status = self._path.stat(follow_symlinks=False)
        except OSError as failure:
            raise StoreDamaged(f"market.db is gone: {failure.strerror}") from failure
        if (status.st_dev, status.st_ino) != self._file:
            raise StoreDamaged("market.db was replaced by another file")
        try:
            with closing(connect(self._path, read_only=True)) as reader:
                reader.execute("SELECT count(*) FROM feeds").fetchone()
                reader.execute("SELECT id FROM candles ORDER BY id DESC LIMIT 1").fetchone()
        except sqlite3.Error as error:
            raise refused(error) from error

    def close(self) -> None:
        """Close the file; committed batches are safe without it."""
        with suppress(sqlite3.Error):
            self._db.close()

    def _transaction(self) -> Transaction:
        return Transaction(self._db)

    def _put_candles(self, statement: str, candles: Iterable[Candle]) -> None:
        rows = [
            (
                candle.symbol,
                stamp_of(candle.start),
                str(candle.open),
                str(candle.high),
                str(candle.low),
                str(candle.close),
                candle.volume,
            )
            for candle in candles
        ]
        if rows:
            self._db.executemany(statement, rows)

    def _put_quotes(self, quotes: Iterable[Quote]) -> None:
        received_s = self._clock.boottime_s()
        rows = [
            (q.symbol, stamp_of(q.at), str(q.bid), str(q.ask), q.bid_size, q.ask_size, received_s)
            for q in quotes
        ]
        if rows:
            self._db.executemany(_PUT_QUOTE, rows)

    def _put_feeds(self, feeds: Iterable[FeedStatus]) -> None:
        written_s = self._clock.boottime_s()
        rows = [
            (
                feed.feed,
                feed.state,
                feed.reason,
                stamp_of(feed.last_at) if feed.last_at is not None else None,
                feed.age_basis,
                written_s,
            )
            for feed in feeds
        ]
        if rows:
            self._db.executemany("REPLACE INTO feeds VALUES(?,?,?,?,?,?)", rows)

    def _set_fact(self, name: str, value: str) -> None:
        self._db.execute("REPLACE INTO facts VALUES(?,?)", (name, value))
