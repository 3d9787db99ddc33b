"""Bars and quotes by REST: the history that warms the indicators, and lock-step minutes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from services.data_daemon.plan import (
    BARS,
    DAILY_DAYS,
    QUOTES,
    WARM_BARS,
    daily_is_due,
    is_finished,
    trading_day,
)
from shared.contracts.drift import SchemaDrift
from shared.persistence.market_writer import MarketStoreWriter
from shared.ports import FeedSink
from shared.vendors.alpaca_market_data import DAY, MINUTE, MarketDataRest

SYMBOLS_PER_CALL = 100


class AlpacaRest:
    """Fetches for a set of symbols. Each call raises SystemFault when the broker cannot serve
    it, and may be repeated.
    """

    def __init__(self, rest: MarketDataRest, store: MarketStoreWriter, sink: FeedSink) -> None:
        self._rest = rest
        self._store = store
        self._sink = sink
        self._symbols: tuple[str, ...] = ()
        self._missing: deque[str] = deque()
        self._daily_for: date | None = None
        self._daily_missing: deque[tuple[str, ...]] = deque()

    def begin(self, symbols: Sequence[str]) -> None:
        """Plan a fetch of history for all symbols; `fetch_some` does it piece by piece."""
        self._symbols = tuple(symbols)
        self._missing = deque(symbols)
        self._daily_for = None

    @property
    def missing(self) -> int:
        """Pieces of history that have still to be fetched."""
        return len(self._missing) + len(self._daily_missing)

    def fetch_some(self, now: datetime) -> bool:
        """Fetch one piece of the history that is missing: a new trading day's daily bars (warm
        trends, prior closes), else the newest minutes of one symbol. Returns whether nothing is
        missing any more.
        """
        if daily_is_due(self._daily_for, now):
            self._daily_for = trading_day(now)
            self._daily_missing = deque(_chunks(self._symbols))
        if self._daily_missing:
            self._fetch_daily(self._daily_missing[0], now)
            self._daily_missing.popleft()
        elif self._missing:
            self._fetch_minutes(self._missing[0], now)
            self._missing.popleft()
        return self.missing == 0

    def _fetch_daily(self, symbols: Sequence[str], now: datetime) -> None:
        page = self._rest.bars(symbols, DAY, now - timedelta(days=DAILY_DAYS), now)
        self._note_drops(page.dropped)
        self._store.put_daily(page.candles)

    def _fetch_minutes(self, symbol: str, now: datetime) -> None:
        page = self._rest.last_bars(symbol, WARM_BARS, now)
        self._note_drops(page.dropped)
        self._store.put_candles(c for c in page.candles if is_finished(c.start, now))

    def fetch_minute(self, minute: datetime) -> None:
        """Bring the bars of one finished minute and the quotes after it into the sink."""
        for symbols in _chunks(self._symbols):
            page = self._rest.bars(symbols, MINUTE, minute, minute)
            latest = self._rest.latest_quotes(symbols)
            self._note_drops((*page.dropped, *latest.dropped))
            for candle in page.candles:
                self._sink.candle(BARS, candle)
            for quote in latest.quotes:
                self._sink.quote(QUOTES, quote)

    def _note_drops(self, dropped: Iterable[SchemaDrift]) -> None:
        for drift in dropped:
            reason = f"{drift.path.split('.')[0]} is not {drift.expected}"
            self._sink.dropped("alpaca_rest", reason, f"{drift.path}: {drift.found}")


def _chunks(symbols: Sequence[str]) -> list[tuple[str, ...]]:
    steps = range(0, len(symbols), SYMBOLS_PER_CALL)
    return [tuple(symbols[at : at + SYMBOLS_PER_CALL]) for at in steps]
