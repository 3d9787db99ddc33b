"""Sessions of the New York Stock Exchange by rule, and of the market that never closes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.market.calendar import (
    EndlessCalendar,
    NyseCalendar,
    clock_reading,
    half_days,
    holidays,
    last_ended_session,
    new_york_day,
    next_session,
    session_at,
    sessions_between,
)

pytestmark = pytest.mark.unit

NYSE = NyseCalendar()
ENDLESS = EndlessCalendar()
MOMENTS = st.integers(886_000_000, 2_050_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
"""February 1998 to 2034."""


@pytest.mark.parametrize(
    ("year", "days"),
    [
        (2019, "01-01 01-21 02-18 04-19 05-27 07-04 09-02 11-28 12-25"),
        (2021, "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24"),
        (2022, "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26"),
        (2026, "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25"),
    ],
)
def test_holidays_of_a_year_when_computed_then_are_the_exchanges_own(year: int, days: str) -> None:
    """The computed holidays of published years; 1 January 2022 was a Saturday, not made up for."""
    weekdays = {f"{day:%m-%d}" for day in holidays(year) if day.weekday() < 5}
    assert weekdays == set(days.split())


@pytest.mark.parametrize(
    ("year", "days"),
    [
        (2015, "11-27 12-24"),
        (2018, "07-03 11-23 12-24"),
        (2021, "11-26"),
        (2002, "07-05 11-29 12-24"),
        (2013, "07-03 11-29 12-24"),
        (2023, "07-03 11-24"),
    ],
)
def test_half_days_of_a_year_when_computed_then_are_the_exchanges_own(year: int, days: str) -> None:
    """The day after Thanksgiving, Christmas Eve and the eve (once the morrow) of 4 July."""
    assert {f"{day:%m-%d}" for day in half_days(year)} == set(days.split())


def test_session_when_half_day_then_closes_at_one() -> None:
    """Christmas Eve 2015 closes at 13:00 New York, which is 18:00 UTC."""
    session = NYSE.session(date(2015, 12, 24))
    assert session is not None
    assert session.closes_at == datetime(2015, 12, 24, 18, 0, tzinfo=UTC)
    assert (session.open_text, session.close_text) == ("09:30", "13:00")


def test_session_when_daylight_saving_starts_then_opens_an_hour_earlier_in_utc() -> None:
    """Between Friday 7 and Monday 10 March 2008 the clocks moved."""
    friday, monday = NYSE.session(date(2008, 3, 7)), NYSE.session(date(2008, 3, 10))
    assert friday is not None
    assert monday is not None
    assert friday.opens_at.hour == 14
    assert monday.opens_at.hour == 13


@pytest.mark.parametrize("day", [date(2019, 2, 16), date(2019, 2, 18), date(2012, 10, 29)])
def test_session_when_weekend_holiday_or_storm_then_none(day: date) -> None:
    """A Saturday, Presidents' Day, and the day hurricane Sandy closed the exchange."""
    assert NYSE.session(day) is None


def test_clock_when_friday_night_then_names_the_opening_after_the_long_weekend() -> None:
    """After the close on 15 February 2019 the next session is Tuesday's."""
    reading = clock_reading(NYSE, datetime(2019, 2, 15, 21, 0, tzinfo=UTC))
    assert not reading.is_open
    assert reading.next_open == datetime(2019, 2, 19, 14, 30, tzinfo=UTC)
    assert reading.next_close == datetime(2019, 2, 19, 21, 0, tzinfo=UTC)


def test_clock_when_open_then_next_close_is_todays_and_next_open_tomorrows() -> None:
    """The opening moment itself is open, as the closing moment is closed."""
    reading = clock_reading(NYSE, datetime(2019, 2, 11, 14, 30, tzinfo=UTC))
    assert reading.is_open
    assert reading.next_close == datetime(2019, 2, 11, 21, 0, tzinfo=UTC)
    assert reading.next_open == datetime(2019, 2, 12, 14, 30, tzinfo=UTC)


@given(MOMENTS)
def test_clock_at_any_moment_then_neighbours_enclose_it(now: datetime) -> None:
    """next_open and next_close lie ahead, and open means between them."""
    reading = clock_reading(NYSE, now)
    assert now < reading.next_open
    assert now < reading.next_close
    assert reading.is_open == (reading.next_close < reading.next_open)
    assert reading.is_open == (session_at(NYSE, now) is not None)
    assert last_ended_session(NYSE, now).closes_at <= now < next_session(NYSE, now).opens_at


@given(MOMENTS)
def test_endless_calendar_at_any_moment_then_open(now: datetime) -> None:
    """The seeded market is open at every moment, across daylight saving and weekends too."""
    reading = clock_reading(ENDLESS, now)
    session = ENDLESS.session(new_york_day(now))
    assert reading.is_open
    assert session.opens_at <= now < session.closes_at == reading.next_close == reading.next_open


def test_endless_sessions_when_listed_then_touch_each_other() -> None:
    """Each day begins where the one before ended, on 23 and 25 hour days as well."""
    sessions = list(sessions_between(ENDLESS, date(2026, 1, 1), date(2026, 12, 31)))
    assert len(sessions) == 365
    lengths = {session.closes_at - session.opens_at for session in sessions}
    assert lengths == {timedelta(hours=hours) for hours in (23, 24, 25)}
    assert all(before.closes_at == after.opens_at for before, after in pairwise(sessions))
