"""One symbol's bars of a replay: the window that plays, and the time before it. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import cached_property

from services.exchange_sim.market.bar_file import (
    DROPPED_SAMPLES_MAX,
    BarFile,
    BarRows,
    Prices,
    SessionMinutes,
    Window,
    candle_of,
    epoch_minute,
    minute_moment,
    read_rows,
)
from services.exchange_sim.market.calendar import NEW_YORK, new_york_day
from services.exchange_sim.market.history import traded
from services.exchange_sim.market.port import ONE_DAY, DroppedRow, Session, TradedBar
from services.exchange_sim.market.quote_file import QuoteFile, Sides, read_quotes
from services.exchange_sim.market.timeframe import merge_traded
from shared.models.market import Candle

ROUND_LOT = 100
_BEGINNING = Window(first=0, end=2**40)


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """What is known of one symbol."""

    minute: BarFile
    daily: BarFile | None = None
    quotes: QuoteFile | None = None


class Series:
    """Bars and quotes of one symbol. The window is read at once, what lies before it and the
    daily file only when somebody asks for older history.
    """

    def __init__(self, files: SeriesFiles, window: Window, session_minutes: SessionMinutes) -> None:
        self.symbol = files.minute.symbol
        self.digest = files.minute.digest
        self.dropped: Counter[str] = Counter()
        self.samples: list[DroppedRow] = []
        self._files = files
        self._window = window
        self._session_minutes = session_minutes
        rows = self._noted(read_rows(files.minute, window, session_minutes))
        self.minutes = rows.minutes
        """Epoch minutes in the window that have a bar, rising."""
        self._prices = rows.prices
        self._candles: list[Candle | None] = [None] * len(rows.minutes)
        self._has_older = False
        self._older_minutes: list[int] = []
        self._older_prices: list[Prices] = []
        self._daily: dict[date, Prices] | None = None
        self._finished_days: dict[date, TradedBar | None] = {}
        self._quotes: dict[int, Sides] = {}
        if files.quotes is not None:
            quotes = read_quotes(files.quotes, window)
            self.dropped.update(quotes.dropped)
            self.samples.extend(quotes.samples)
            self._quotes = quotes.sides

    def _noted(self, rows: BarRows) -> BarRows:
        self.dropped.update(rows.dropped)
        for sample in rows.samples:
            if sum(one.file == sample.file for one in self.samples) < DROPPED_SAMPLES_MAX:
                self.samples.append(sample)
        return rows

    def _candle(self, index: int) -> Candle:
        candle = self._candles[index]
        if candle is None:
            start = minute_moment(self.minutes[index])
            candle = candle_of(self.symbol, start, self._prices[index])
            self._candles[index] = candle
        return candle

    def at(self, minute: int) -> Candle | None:
        """Return the window's bar of that minute."""
        index = bisect_left(self.minutes, minute)
        found = index < len(self.minutes) and self.minutes[index] == minute
        return self._candle(index) if found else None

    def newest(self, minute: int) -> Candle | None:
        """Return the window's newest bar that starts at or before that minute."""
        index = bisect_right(self.minutes, minute) - 1
        return self._candle(index) if index >= 0 else None

    def quote_sides(self, minute: int) -> Sides | None:
        """Return the real bid and ask at the end of that minute, None when none is known."""
        return self._quotes.get(minute)

    def between(self, first: int, end: int) -> Iterator[Candle]:
        """Return the bars with first <= minute < end one by one, those before the window
        included.
        """
        if first < self._window.first:
            self._read_older()
            low = bisect_left(self._older_minutes, first)
            for index in range(low, bisect_left(self._older_minutes, end)):
                start = minute_moment(self._older_minutes[index])
                yield candle_of(self.symbol, start, self._older_prices[index])
        low = bisect_left(self.minutes, first)
        for index in range(low, bisect_left(self.minutes, end)):
            yield self._candle(index)

    def _read_older(self) -> None:
        if self._has_older:
            return
        self._has_older = True
        older = Window(first=0, end=self._window.first)
        rows = read_rows(self._files.minute, older, self._session_minutes, count_unplaced=False)
        self._noted(rows)
        self._older_minutes, self._older_prices = rows.minutes, rows.prices

    def finished_day(self, session: Session) -> TradedBar | None:
        """Return the daily bar of a session that has ended, None when it did not trade.

        The daily file's bar where there is one (it holds the closing auction), else the day's
        minutes put together.
        """
        if session.day not in self._finished_days:
            self._finished_days[session.day] = self._make_day(session)
        return self._finished_days[session.day]

    def _make_day(self, session: Session) -> TradedBar | None:
        prices = self._daily_prices().get(session.day)
        if prices is not None:
            candle = candle_of(self.symbol, day_stamp(session.day), prices)
            # The file says nothing of single trades; a round lot each is what they come to.
            return replace(traded(candle), trades=max(1, candle.volume // ROUND_LOT))
        return self.day_so_far(session, session.closes_at)

    def day_so_far(self, session: Session, now: datetime) -> TradedBar | None:
        """Return one bar made of the session's minutes that are finished at `now`."""
        first, end = epoch_minute(session.opens_at), epoch_minute(now)
        bars = [traded(candle) for candle in self.between(first, end)]
        return next(merge_traded(bars, ONE_DAY), None)

    def _daily_prices(self) -> dict[date, Prices]:
        if self._daily is None:
            self._daily = {}
            if self._files.daily is not None:
                rows = self._noted(read_rows(self._files.daily, _BEGINNING))
                days = (new_york_day(minute_moment(minute)) for minute in rows.minutes)
                self._daily = dict(zip(days, rows.prices, strict=True))
        return self._daily

    @cached_property
    def first_known_day(self) -> date | None:
        """The New York day of the oldest bar in any file, None without any bar."""
        self._read_older()
        minutes = self._older_minutes or self.minutes
        days = [new_york_day(minute_moment(minutes[0]))] if minutes else []
        days.extend(self._daily_prices())
        return min(days, default=None)


def day_stamp(day: date) -> datetime:
    """Return the moment that stamps a daily bar: New York midnight, in UTC."""
    return datetime.combine(day, time(0), NEW_YORK).astimezone(UTC)
