"""One symbol's bars of a replay: regular hours, extended hours, days and quotes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache

from services.exchange_sim.market.bar_file import SessionMinutes, Window, epoch_minute
from services.exchange_sim.market.calendar import NEW_YORK, new_york_day
from services.exchange_sim.market.history import traded
from services.exchange_sim.market.port import ONE_DAY, DroppedRow, Session, TradedBar
from services.exchange_sim.market.quote_file import Sides
from services.exchange_sim.market.quote_track import QuoteTrack
from services.exchange_sim.market.row_file import RowFile, note
from services.exchange_sim.market.timeframe import merge_traded
from services.exchange_sim.market.track import Track
from shared.models.market import Candle

ROUND_LOT = 100
DAYS_REMEMBERED = 2_048
"""Daily bars kept ready: eight years."""
_BEGINNING = Window(first=0, end=2**40)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SeriesFiles:
    """What is known of one symbol."""

    minute: RowFile
    daily: RowFile | None = None
    quotes: RowFile | None = None
    extended: RowFile | None = None

    @property
    def all(self) -> tuple[RowFile, ...]:
        """Those that are there."""
        files = (self.minute, self.daily, self.quotes, self.extended)
        return tuple(file for file in files if file is not None)


@dataclass(frozen=True, slots=True)
class Hours:
    """Which minutes count as what."""

    regular: SessionMinutes
    extended: SessionMinutes


class Series:
    """Bars and quotes of one symbol. Daily bars are made of regular hours alone: prices of
    extended hours do not make a day's open, high, low or close at Alpaca either.
    """

    def __init__(self, symbol: str, files: SeriesFiles, window: Window, hours: Hours) -> None:
        self.symbol = symbol
        self.dropped: Counter[str] = Counter()
        self.samples: list[DroppedRow] = []
        for file in files.all:
            note(self, file)
        self._files = files
        self._window = window
        self._regular = Track(symbol, files.minute, window, hours.regular, self)
        self._extended = (
            Track(symbol, files.extended, window, hours.extended, self) if files.extended else None
        )
        self._quotes = QuoteTrack(files.quotes, window, self) if files.quotes else None
        self.finished_day = lru_cache(maxsize=DAYS_REMEMBERED)(self._make_day)
        """The daily bar of a session that has ended, None when it did not trade: the daily
        file's bar where there is one (it holds the closing auction), else the day's minutes.
        """

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """The first and the last minute of the window's sessions that have a bar; (0, 0): none."""
        first = self._regular.next_minute(self._window.first - 1)
        newest = self._regular.newest(self._window.end)
        return (0, 0) if first is None or newest is None else (first, epoch_minute(newest.start))

    @property
    def plays(self) -> bool:
        """Whether any session of the window has a bar."""
        return self.bounds != (0, 0)

    @cached_property
    def digest(self) -> str:
        """Names what plays: the bar file's content, that of extended hours where some play."""
        digest = self._files.minute.digest
        extended, track = self._files.extended, self._extended
        if extended is None or track is None or track.next_minute(self._window.first - 1) is None:
            return digest
        return f"{digest}+{extended.digest}"

    @property
    def _tracks(self) -> list[Track]:
        return [self._regular] if self._extended is None else [self._regular, self._extended]

    def at(self, minute: int) -> Candle | None:
        """Return the window's bar of that minute."""
        found = self._regular.at(minute)
        return self._extended.at(minute) if found is None and self._extended else found

    def is_extended(self, minute: int) -> bool:
        """Whether that minute has a bar of extended hours."""
        return self._extended is not None and self._extended.at(minute) is not None

    def newest(self, minute: int) -> Candle | None:
        """Return the window's newest bar that starts at or before that minute."""
        found = [candle for track in self._tracks if (candle := track.newest(minute))]
        return max(found, key=lambda candle: candle.start, default=None)

    def next_minute(self, minute: int) -> int | None:
        """Return the window's first minute later than that one that has a bar."""
        found = (track.next_minute(minute) for track in self._tracks)
        return min((one for one in found if one is not None), default=None)

    def quote_sides(self, minute: int) -> Sides | None:
        """Return the real bid and ask at the end of that minute, None when none is known."""
        return self._quotes.at(minute) if self._quotes else None

    def between(self, first: int, end: int) -> Iterator[Candle]:
        """Return the bars with first <= minute < end one by one, those before the window
        included.
        """
        if self._extended is None:
            return self._regular.between(first, end)
        parts = (track.between(first, end) for track in self._tracks)
        return heapq.merge(*parts, key=lambda candle: candle.start)

    def _make_day(self, session: Session) -> TradedBar | None:
        first, end = day_stamp(session.day), day_stamp(session.day + _ONE_DAY)
        daily = self._daily
        recorded = daily.between(epoch_minute(first), epoch_minute(end)) if daily else iter(())
        candle = next(recorded, None)
        if candle is not None:
            # The file says nothing of single trades; a round lot each is what they come to.
            trades = max(1, candle.volume // ROUND_LOT)
            return replace(traded(replace(candle, start=first)), trades=trades)
        return self.day_so_far(session, session.closes_at)

    def day_so_far(self, session: Session, now: datetime) -> TradedBar | None:
        """Return one bar made of the session's minutes that are finished at `now`."""
        first, end = epoch_minute(session.opens_at), epoch_minute(now)
        bars = [traded(candle) for candle in self._regular.between(first, end)]
        return next(merge_traded(bars, ONE_DAY), None)

    @cached_property
    def _daily(self) -> Track | None:
        file = self._files.daily
        return Track(self.symbol, file, _BEGINNING, None, self) if file else None

    @cached_property
    def first_known_day(self) -> date | None:
        """The New York day of the oldest bar in any file, None without any bar."""
        tracks = self._tracks if self._daily is None else [*self._tracks, self._daily]
        oldest = (track.oldest for track in tracks)
        return min((new_york_day(one.start) for one in oldest if one), default=None)


def day_stamp(day: date) -> datetime:
    """Return the moment that stamps a daily bar: New York midnight, in UTC."""
    return datetime.combine(day, time(0), NEW_YORK).astimezone(UTC)
