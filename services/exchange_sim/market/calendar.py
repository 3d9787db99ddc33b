"""Sessions: the New York Stock Exchange by rule, and the seeded market that never closes.

Holidays and half days follow the exchange's published rules; the few closings that no rule
foretells (mourning, storms) stand in a list. Valid from 1998 on; checked in the tests against
every trading day of real daily bars.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from services.exchange_sim.market.port import Session
from shared.models.broker import ClockReading

NEW_YORK = ZoneInfo("America/New_York")
_ONE_DAY = timedelta(days=1)
_DAYS_SEARCHED_MAX = 15
"""Longest search for a neighbouring session; the longest closing since 1945 took six days."""
_SATURDAY = 5
_MONDAY, _THURSDAY, _SUNDAY = 0, 3, 6
_REGULAR_OPEN = time(9, 30)
_REGULAR_CLOSE = time(16, 0)
_HALF_DAY_CLOSE = time(13, 0)
_JUNETEENTH_SINCE = 2022
_MARTIN_LUTHER_KING_SINCE = 1998
_JULY_3_RULE_SINCE = 2013

_UNFORESEEN_CLOSINGS = frozenset(
    {
        *(date(2001, 9, day) for day in (11, 12, 13, 14)),
        date(2004, 6, 11),
        date(2007, 1, 2),
        date(2012, 10, 29),
        date(2012, 10, 30),
        date(2018, 12, 5),
        date(2025, 1, 9),
    }
)
_UNFORESEEN_HALF_DAYS = frozenset({date(1999, 12, 31), date(2003, 12, 26)})


class Calendar(Protocol):
    """Which New York days have a session."""

    def session(self, day: date) -> Session | None:
        """Return that day's session, None when it has none."""


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Butcher's computation)."""
    golden = year % 19
    century, year_of_century = divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - leap_centuries - correction + 15) % 30
    leap_years, year_rest = divmod(year_of_century, 4)
    weekday = (32 + 2 * century_rest + 2 * leap_years - moon - year_rest) % 7
    shift = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - _ONE_DAY
    return last - timedelta(days=last.weekday())


def _observed(day: date) -> date:
    """A holiday on Saturday is kept on Friday, one on Sunday on Monday."""
    if day.weekday() == _SATURDAY:
        return day - _ONE_DAY
    return day + _ONE_DAY if day.weekday() == _SUNDAY else day


@lru_cache(maxsize=256)
def holidays(year: int) -> frozenset[date]:
    """Return the weekdays of that year on which the exchange stays closed."""
    new_year = date(year, 1, 1)
    days = {
        # New Year's Day on a Saturday is not made up for on Friday: that is the old year.
        new_year + _ONE_DAY if new_year.weekday() == _SUNDAY else new_year,
        _nth_weekday(year, 2, _MONDAY, 3),
        _easter(year) - timedelta(days=2),
        _last_monday(year, 5),
        _observed(date(year, 7, 4)),
        _nth_weekday(year, 9, _MONDAY, 1),
        _nth_weekday(year, 11, _THURSDAY, 4),
        _observed(date(year, 12, 25)),
    }
    if year >= _MARTIN_LUTHER_KING_SINCE:
        days.add(_nth_weekday(year, 1, _MONDAY, 3))
    if year >= _JUNETEENTH_SINCE:
        days.add(_observed(date(year, 6, 19)))
    days.update(day for day in _UNFORESEEN_CLOSINGS if day.year == year)
    return frozenset(days)


@lru_cache(maxsize=256)
def half_days(year: int) -> frozenset[date]:
    """Return the days of that year that close at 13:00."""
    independence = date(year, 7, 4)
    eve = independence - _ONE_DAY
    days = {_nth_weekday(year, 11, _THURSDAY, 4) + _ONE_DAY, date(year, 12, 24)}
    if year < _JULY_3_RULE_SINCE and independence.weekday() == _THURSDAY:
        days.add(independence + _ONE_DAY)
    elif independence.weekday() < _SATURDAY:
        days.add(eve)
    days.update(day for day in _UNFORESEEN_HALF_DAYS if day.year == year)
    closed = holidays(year)
    return frozenset(day for day in days if day.weekday() < _SATURDAY and day not in closed)


def _new_york(day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, NEW_YORK).astimezone(UTC)


@lru_cache(maxsize=8192)
def _nyse_session(day: date) -> Session | None:
    if day.weekday() >= _SATURDAY or day in holidays(day.year):
        return None
    close = _HALF_DAY_CLOSE if day in half_days(day.year) else _REGULAR_CLOSE
    return Session(
        day=day,
        opens_at=_new_york(day, _REGULAR_OPEN),
        closes_at=_new_york(day, close),
        open_text=f"{_REGULAR_OPEN:%H:%M}",
        close_text=f"{close:%H:%M}",
    )


@lru_cache(maxsize=8192)
def _endless_session(day: date) -> Session:
    return Session(
        day=day,
        opens_at=_new_york(day, time(0)),
        closes_at=_new_york(day + _ONE_DAY, time(0)),
        open_text="00:00",
        close_text="23:59",
    )


class NyseCalendar:
    """Regular hours 09:30-16:00 New York, 13:00 on half days."""

    def session(self, day: date) -> Session | None:
        """Return that day's session, None on weekends and holidays."""
        return _nyse_session(day)


class EndlessCalendar:
    """Each day is one session from midnight to midnight, New York: the market never closes, and
    trading days still change.
    """

    def session(self, day: date) -> Session:
        """Return that day's session."""
        return _endless_session(day)


def new_york_day(moment: datetime) -> date:
    """Return the New York date of a moment."""
    return moment.astimezone(NEW_YORK).date()


def sessions_between(calendar: Calendar, first: date, last: date) -> Iterator[Session]:
    """Return the sessions of these days, both inclusive, in order."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        session = calendar.session(date.fromordinal(ordinal))
        if session is not None:
            yield session


def session_at(calendar: Calendar, moment: datetime) -> Session | None:
    """Return the session that trades at that moment, None while closed."""
    session = calendar.session(new_york_day(moment))
    if session is not None and session.opens_at <= moment < session.closes_at:
        return session
    return None


def next_session(calendar: Calendar, moment: datetime) -> Session:
    """Return the first session that opens after that moment.

    Raises ValueError when there is none within a fortnight: the calendar is broken.
    """
    day = new_york_day(moment)
    for session in sessions_between(calendar, day, day + timedelta(days=_DAYS_SEARCHED_MAX)):
        if session.opens_at > moment:
            return session
    raise ValueError(f"no session within {_DAYS_SEARCHED_MAX} days after {moment}")


def last_ended_session(calendar: Calendar, moment: datetime) -> Session:
    """Return the newest session that had ended at that moment.

    Raises ValueError when there is none within a fortnight: the calendar is broken.
    """
    day = new_york_day(moment)
    for days_back in range(_DAYS_SEARCHED_MAX + 1):
        session = calendar.session(day - timedelta(days=days_back))
        if session is not None and session.closes_at <= moment:
            return session
    raise ValueError(f"no session within {_DAYS_SEARCHED_MAX} days before {moment}")


def clock_reading(calendar: Calendar, now: datetime) -> ClockReading:
    """Return what the broker's clock says at that market time."""
    running = session_at(calendar, now)
    upcoming = next_session(calendar, now)
    return ClockReading(
        now=now,
        is_open=running is not None,
        next_open=upcoming.opens_at,
        next_close=(running or upcoming).closes_at,
    )
