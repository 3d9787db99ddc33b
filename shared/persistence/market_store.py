"""market.db as its readers see it: the bot for its buffers, the page for the feeds' status.

data-daemon alone writes it (market_writer.py), one transaction per batch; a reader goes on by
the row's id and never sees half a batch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from shared.errors import ConfigFault, TransientFault
from shared.models.market import Candle, Quote
from shared.models.numbers import require_positive
from shared.persistence.market_rows import (
    FeedStatus,
    StoredQuote,
    decoded,
    moment_of,
    stamp_of,
)
from shared.persistence.market_schema import connect

NEW_CANDLES_MAX = 50_000
_NEW_YORK = ZoneInfo("America/New_York")
_LAST_CANDLES = (
    "SELECT symbol, start, open, high, low, close, volume FROM candles "
    "WHERE symbol=? ORDER BY start DESC LIMIT ?"
)
_LAST_DAILY = (
    "SELECT symbol, start, open, high, low, close, volume FROM daily "
    "WHERE symbol=? ORDER BY start DESC LIMIT ?"
)


class MarketStoreReader:
    """Reads market.db; opens it again when data-daemon has made a new one.

    While there is no store yet everything is empty. A store that cannot be read raises
    TransientFault: a failed read is never an empty answer. A single row that means nothing is
    left out, for it would be met again at each start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def new_candles(self, after_rowid: int) -> tuple[list[Candle], int]:
        """Return the one-minute candles stored or corrected since that row id, in the order of
        their storing, and the id to go on with. Begin with 0.

        Raises nothing for a reader that is ahead: a store made anew is read from its beginning.
        """
        highest = self._one("SELECT seq FROM sqlite_sequence WHERE name='candles'")
        newest = int(str(highest)) if highest is not None else 0
        if after_rowid > newest:
            after_rowid = 0
        rows = self._rows(
            "SELECT symbol, start, open, high, low, close, volume, id FROM candles "
            "WHERE id > ? ORDER BY id LIMIT ?",
            (after_rowid, NEW_CANDLES_MAX),
        )
        return _candles(rows), int(rows[-1][7]) if rows else after_rowid

    def last_candles(self, symbol: str, n: int) -> list[Candle]:
        """Return the newest `n` one-minute candles of a symbol, oldest first."""
        return self._last(_LAST_CANDLES, symbol, n)

    def daily_candles(self, symbol: str, n: int) -> list[Candle]:
        """Return the newest `n` daily candles of a symbol, oldest first."""
        return self._last(_LAST_DAILY, symbol, n)

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the close of the last trading day before the New York day of that market time,
        None when no daily candle is known.
        """
        today = now.astimezone(_NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)
        value = self._one(
            "SELECT close FROM daily WHERE symbol=? AND start<? ORDER BY start DESC LIMIT 1",
            (symbol, stamp_of(today)),
        )
        return decoded(_price, value) if value is not None else None

    def quotes(self) -> dict[str, StoredQuote]:
        """Return the newest quote of each symbol."""
        rows = self._rows("SELECT symbol, at, bid, ask, bid_size, ask_size, received_s FROM quotes")
        found = (decoded(_quote, row) for row in rows)
        return {stored.quote.symbol: stored for stored in found if stored is not None}

    def feed_status(self) -> list[FeedStatus]:
        """Return what data-daemon last said of each feed."""
        rows = self._rows(
            "SELECT feed, state, reason, last_at, age_basis, written_s FROM feeds ORDER BY feed"
        )
        found = (decoded(_feed, row) for row in rows)
        return [feed for feed in found if feed is not None]

    def minute(self) -> datetime | None:
        """Return the newest minute that is stored completely (lock-step), None without one."""
        value = self._one("SELECT value FROM facts WHERE name='minute'")
        return decoded(_minute, value) if value is not None else None

    def source(self) -> str | None:
        """Return which market the content belongs to."""
        value = self._one("SELECT value FROM facts WHERE name='source'")
        return str(value) if value is not None else None

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None
        self._file = None

    def _last(self, query: str, symbol: str, n: int) -> list[Candle]:
        return _candles(self._rows(query, (symbol, n))[::-1])

    def _one(self, query: str, values: Sequence[object] = ()) -> object:
        rows = self._rows(query, values)
        return rows[0][0] if rows else None

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            db = self._connection()
            return [] if db is None else db.execute(query, values).fetchall()
        except (sqlite3.Error, OSError, ConfigFault) as error:
            self.close()
            raise TransientFault(f"market.db cannot be read: {error}") from error

    def _connection(self) -> sqlite3.Connection | None:
        """Return a connection to the file that lies there now, None when there is none."""
        try:
            status = self._path.stat(follow_symlinks=False)
        except FileNotFoundError:
            self.close()
            return None
        file = (status.st_dev, status.st_ino)
        if self._db is None or file != self._file:
            self.close()
            self._db = connect(self._path, read_only=True)
            self._file = file
        return self._db


def _candles(rows: Iterable[tuple[Any, ...]]) -> list[Candle]:
    found = (decoded(_candle, row) for row in rows)
    return [candle for candle in found if candle is not None]


def _candle(row: tuple[Any, ...]) -> Candle:
    symbol, start, opened, high, low, close, volume = row[:7]
    return Candle(
        symbol,
        moment_of(start),
        Decimal(opened),
        Decimal(high),
        Decimal(low),
        Decimal(close),
        volume,
    )


def _quote(row: tuple[Any, ...]) -> StoredQuote:
    symbol, at, bid, ask, bid_size, ask_size, received_s = row
    return StoredQuote(
        Quote(symbol, moment_of(at), Decimal(bid), Decimal(ask), bid_size, ask_size),
        float(received_s),
    )


def _feed(row: tuple[Any, ...]) -> FeedStatus:
    feed, state, reason, last_at, age_basis, written_s = row
    moment = None if last_at is None else moment_of(last_at)
    return FeedStatus(feed, state, reason, moment, age_basis, float(written_s))


def _price(text: object) -> Decimal:
    price = Decimal(str(text))
    require_positive(price, "price")
    return price


def _minute(text: object) -> datetime:
    return moment_of(int(str(text)))
