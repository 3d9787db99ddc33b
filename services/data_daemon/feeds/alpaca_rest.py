"""Bars and quotes by REST: the history that warms the indicators, and lock-step minutes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from services.data_daemon.plan import (
    BAR_LENGTH,
    BARS,
    DAILY_DAYS,
    QUOTES,
    SYMBOLS_PER_CALL,
    WARM_BARS,
    daily_slot,
    is_finished,
    trading_day,
)
from services.data_daemon.regular_hours import EXTENDED_BARS_MAX, RegularHours
from services.data_daemon.restated import closes_before, restated_symbols
from shared.contracts.alpaca_calendar import Sessions
from shared.contracts.drift import SchemaDrift
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.models.broker import ClockReading
from shared.models.market import Candle
from shared.persistence.market_writer import MarketStoreWriter
from shared.ports import FeedSink
from shared.telemetry.logs import log_event
from shared.vendors.alpaca_calendar import TradingCalendar
from shared.vendors.alpaca_market_data import DAY, MINUTE, MarketDataRest

log = logging.getLogger("data-daemon")
Piece = TypeVar("Piece")
CALENDAR_DAYS = timedelta(days=14)
"""Beyond the reach of the minutes that are fetched."""


class AlpacaRest:
    """Fetches for a set of symbols. Each call raises SystemFault when the broker cannot serve
    it, and may be repeated.
    """

    def __init__(
        self,
        rest: MarketDataRest,
        calendar: TradingCalendar,
        store: MarketStoreWriter,
        sink: FeedSink,
    ) -> None:
        self._rest = rest
        self._calendar = calendar
        self._sessions: Sessions = {}
        self._sessions_for: date | None = None
        self._store = store
        self._sink = sink
        self._symbols: tuple[str, ...] = ()
        self._missing: deque[str] = deque()
        self._gaps: deque[tuple[tuple[str, ...], datetime]] = deque()
        self._daily_for: tuple[date, bool] | None = None
        self._daily_missing: deque[tuple[str, ...]] = deque()
        self._traded: set[str] = set()
        self._closes: dict[str, dict[date, Decimal]] = {}
        """Of past days, as the vendor told them last: by them a split is noticed."""
        self._restated: set[str] = set()

    def begin(self, symbols: Sequence[str]) -> None:
        """Plan a fetch of history for all symbols; `fetch_some` does it piece by piece."""
        self._symbols = tuple(symbols)
        self._missing = deque(symbols)
        self._gaps.clear()
        self._traded.clear()
        self._closes.clear()
        self._restated.clear()
        self._daily_for = None

    def refill(self, since: datetime) -> None:
        """Plan a fetch of all bars since that market time: many symbols by one call."""
        self._gaps = deque((symbols, since) for symbols in _chunks(self._symbols))

    @property
    def missing(self) -> int:
        """Pieces of history that have still to be fetched."""
        return len(self._gaps) + len(self._missing) + len(self._daily_missing)

    @property
    def absent(self) -> tuple[str, ...]:
        """Symbols without a single bar in all the days that were fetched, while others have some:
        the vendor leaves what he does not know out of his replies without a word.
        """
        if not self._traded or self._daily_missing:
            return ()
        return tuple(symbol for symbol in self._symbols if symbol not in self._traded)

    def fetch_some(self, reading: ClockReading) -> bool:
        """Fetch one piece of the history that is missing: a gap, else a new trading day's daily
        bars (warm trends, prior closes), else the newest minutes of one symbol. Returns whether
        nothing is missing any more. A piece that fails goes behind the others.
        """
        now, hours = reading.now, self._hours(reading)
        if self._daily_for != daily_slot(now):
            self._daily_for = daily_slot(now)
            self._traded.clear()
            self._daily_missing = deque(_chunks(self._symbols))
        if self._gaps:
            self._one_of(self._gaps, lambda gap: self._fetch_gap(*gap, hours))
        elif self._daily_missing:
            self._one_of(self._daily_missing, lambda symbols: self._fetch_daily(symbols, now))
        elif self._missing:
            self._one_of(self._missing, lambda symbol: self._fetch_minutes(symbol, hours))
        return self.missing == 0

    def _hours(self, reading: ClockReading) -> RegularHours:
        """Return which minutes are regular. The calendar is read once per New York day, and only
        for history; a broker who has none, or one that nobody can read, is no reason to have none
        either. Raises SystemFault when he cannot be asked.
        """
        hours, today = RegularHours(reading, self._sessions), trading_day(reading.now)
        if hours.never_ends or self.missing == 0 or self._sessions_for == today:
            return hours
        sessions: Sessions = {}
        try:
            sessions = self._calendar.sessions(today - CALENDAR_DAYS, today)
        except (TransientFault, ConfigFault):
            raise
        except SystemFault as fault:
            self._sink.dropped("calendar", "calendar that cannot be read", str(fault))
        self._sessions, self._sessions_for = sessions, today
        return RegularHours(reading, sessions)

    @staticmethod
    def _one_of(pieces: deque[Piece], fetch: Callable[[Piece], None]) -> None:
        try:
            fetch(pieces[0])
        except SystemFault:
            pieces.rotate(-1)
            raise
        pieces.popleft()

    def _fetch_gap(self, symbols: Sequence[str], since: datetime, hours: RegularHours) -> None:
        page = self._rest.bars(symbols, MINUTE, since, hours.reading.now)
        self._note_drops(page.dropped)
        self._store.put_candles(_of_use(page.candles, hours))

    def poll(self, since: datetime, now: datetime) -> None:
        """Bring the finished bars since that market time, and the newest quotes, into the sink."""
        for symbols in _chunks(self._symbols):
            self._bring(symbols, since, now)

    def _fetch_daily(self, symbols: Sequence[str], now: datetime) -> None:
        page = self._rest.bars(symbols, DAY, now - timedelta(days=DAILY_DAYS), now)
        self._note_drops(page.dropped)
        self._traded.update(candle.symbol for candle in page.candles)
        self._store.put_daily(page.candles)
        self._begin_restated(closes_before(page.candles, trading_day(now)))

    def _begin_restated(self, closes: dict[str, dict[date, Decimal]]) -> None:
        """Plan the history of symbols that split anew, so that no indicator sees a fall."""
        for symbol in restated_symbols(self._closes, closes):
            words = f"{symbol}: past closes are told in other shares; its minutes come anew"
            log_event(log, "bars_restated", words, symbol=symbol)
            self._restated.add(symbol)
            if symbol not in self._missing:
                self._missing.append(symbol)
        self._closes |= closes

    def _fetch_minutes(self, symbol: str, hours: RegularHours) -> None:
        count = WARM_BARS if hours.never_ends else WARM_BARS + EXTENDED_BARS_MAX
        page = self._rest.last_bars(symbol, count, hours.reading.now)
        self._note_drops(page.dropped)
        candles = _of_use(page.candles, hours)[-WARM_BARS:]
        if symbol in self._restated:
            # What is older than the fetched history is told in the shares of before.
            self._store.forget_before(symbol, candles[0].start if candles else hours.reading.now)
        self._store.put_candles(candles)
        self._restated.discard(symbol)

    def fetch_minute(self, minute: datetime) -> None:
        """Bring the bars of one finished minute and the quotes after it into the sink."""
        for symbols in _chunks(self._symbols):
            self._bring(symbols, minute, minute + BAR_LENGTH)

    def addresses_of_minute(self, minute: datetime) -> list[str]:
        """Return what `fetch_minute` will ask for."""
        chunks = _chunks(self._symbols)
        return [one for each in chunks for one in self._rest.minute_addresses(each, minute)]

    def _bring(self, symbols: Sequence[str], since: datetime, now: datetime) -> None:
        page = self._rest.bars(symbols, MINUTE, since, now - BAR_LENGTH)
        latest = self._rest.latest_quotes(symbols)
        self._note_drops((*page.dropped, *latest.dropped))
        for candle in page.candles:
            if is_finished(candle.start, now):
                self._sink.candle(BARS, candle)
        for quote in latest.quotes:
            self._sink.quote(QUOTES, quote)

    def _note_drops(self, dropped: Iterable[SchemaDrift]) -> None:
        for drift in dropped:
            reason = f"{drift.path.split('.')[0]} is not {drift.promise}"
            self._sink.dropped("alpaca_rest", reason, f"{drift.path}: {drift.found}")


def _of_use(candles: Iterable[Candle], hours: RegularHours) -> list[Candle]:
    """Return the finished bars of sessions."""
    now = hours.reading.now
    return [one for one in candles if is_finished(one.start, now) and hours.holds(one.start)]


def _chunks(symbols: Sequence[str]) -> list[tuple[str, ...]]:
    steps = range(0, len(symbols), SYMBOLS_PER_CALL)
    return [tuple(symbols[at : at + SYMBOLS_PER_CALL]) for at in steps]
