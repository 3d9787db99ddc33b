"""A seeded path within the exchange's real hours: sessions, pre-markets, after-hours, nights.

The path runs on while nothing trades, so that prices gap over nights and weekends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache

from services.exchange_sim.hours import after_hours_end, pre_market_start
from services.exchange_sim.market.bar_file import Window, epoch_minute, minute_moment
from services.exchange_sim.market.calendar import Calendar, new_york_day
from services.exchange_sim.market.history import traded
from services.exchange_sim.market.port import ONE_DAY, DroppedRow, Session, TradedBar
from services.exchange_sim.market.quote_file import Sides
from services.exchange_sim.market.replay import ReplayMarket
from services.exchange_sim.market.seeded_path import SeededPath
from services.exchange_sim.market.seeded_ticks import candle_of_minute
from services.exchange_sim.market.series import DAYS_REMEMBERED
from services.exchange_sim.market.timeframe import merge_traded
from shared.models.market import Candle

_ONE_DAY = timedelta(days=1)
_DAYS_SEARCHED = 15
"""The longest closing is shorter."""
_EXTENDED_AMONG = 20
"""In extended hours so many times less changes hands."""


class SeededSeries:
    """Bars of one symbol, from the window's minutes on and back to `first_day`."""

    def __init__(
        self, path: SeededPath, calendar: Calendar, window: Window, first_day: date
    ) -> None:
        self.symbol = path.symbol
        self.dropped: Counter[str] = Counter()
        self.samples: list[DroppedRow] = []
        self.first_known_day = first_day
        self._path = path
        self._calendar = calendar
        self._window = window
        self.finished_day = lru_cache(maxsize=DAYS_REMEMBERED)(self._make_day)
        """The bar of an ended session's regular hours."""

    def _session_of(self, minute: int) -> Session | None:
        """Return the session whose day trades in that minute, extended hours included."""
        session = self._calendar.session(new_york_day(minute_moment(minute)))
        first, end = _span(session) if session else (0, 0)
        return session if first <= minute < end else None

    def at(self, minute: int) -> Candle | None:
        """Return the window's bar of that minute."""
        if not self._window.first <= minute < self._window.end:
            return None
        session = self._session_of(minute)
        return self._candle(minute, session) if session else None

    def _candle(self, minute: int, session: Session) -> Candle:
        candle = candle_of_minute(self._path, minute)
        if session.opens_at <= candle.start < session.closes_at:
            return candle
        return replace(candle, volume=candle.volume // _EXTENDED_AMONG)

    def is_extended(self, minute: int) -> bool:
        """Whether that minute lies in extended hours."""
        session, at = self._session_of(minute), minute_moment(minute)
        return session is not None and not session.opens_at <= at < session.closes_at

    def next_minute(self, minute: int) -> int | None:
        """Return the window's first minute later than that one that trades."""
        wanted = max(minute + 1, self._window.first)
        if wanted >= self._window.end:
            return None
        day = new_york_day(minute_moment(wanted))
        for ahead in range(_DAYS_SEARCHED):
            session = self._calendar.session(day + ahead * _ONE_DAY)
            first, end = _span(session) if session else (0, 0)
            if wanted < end:
                found = max(wanted, first)
                return found if found < self._window.end else None
        return None

    def newest(self, minute: int) -> Candle | None:
        """Return the window's newest bar that starts at or before that minute."""
        wanted = min(minute, self._window.end - 1)
        day = new_york_day(minute_moment(max(wanted, self._window.first)))
        for back in range(_DAYS_SEARCHED):
            session = self._calendar.session(day - back * _ONE_DAY)
            if session is None or wanted < _span(session)[0]:
                continue
            found = min(wanted, _span(session)[1] - 1)
            return self._candle(found, session) if found >= self._window.first else None
        return None

    def quote_sides(self, minute: int) -> Sides | None:  # noqa: ARG002 - the port's signature
        """Return None: quotes are made around the prices."""
        return None

    def between(self, first: int, end: int) -> Iterator[Candle]:
        """Return the bars with first <= minute < end, one by one, back to the first day."""
        last = min(end, self._window.end)
        day = max(new_york_day(minute_moment(max(first, 0))), self.first_known_day)
        while day <= new_york_day(minute_moment(last)):
            session = self._calendar.session(day)
            day += _ONE_DAY
            if session is not None:
                begins, ends = _span(session)
                for minute in range(max(first, begins), min(last, ends)):
                    yield self._candle(minute, session)

    def _make_day(self, session: Session) -> TradedBar | None:
        return self.day_so_far(session, session.closes_at)

    def day_so_far(self, session: Session, now: datetime) -> TradedBar | None:
        """Return one bar made of the session's minutes that are finished at `now`."""
        end = min(now, session.closes_at)
        minutes = self.between(epoch_minute(session.opens_at), epoch_minute(end))
        return next(merge_traded([traded(candle) for candle in minutes], ONE_DAY), None)


def _span(session: Session) -> tuple[int, int]:
    """Return the first minute of the day's pre-market and the end of its after-hours."""
    return epoch_minute(pre_market_start(session)), epoch_minute(after_hours_end(session))


class SeededDaysMarket(ReplayMarket):
    """The seeded market in the exchange's hours."""

    source = "seeded"
