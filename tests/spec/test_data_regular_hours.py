"""Which bars are of the session: extended hours, half days, clock changes, a market without end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from services.data_daemon.plan import Admission
from services.data_daemon.regular_hours import RegularHours
from services.data_daemon.sink import StoreSink
from services.exchange_sim.market.calendar import (
    EndlessCalendar,
    NyseCalendar,
    clock_reading,
    sessions_between,
)
from shared.contracts.alpaca_calendar import read_calendar
from shared.models.market import Candle
from shared.models.trading_day import trading_day
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit
NEW_YORK = ZoneInfo("America/New_York")
FULL, HALF, WINTER, SUMMER = "2019-02-11", "2018-11-23", "2008-03-07", "2008-03-10"


def new_york(day: str, clock: str) -> datetime:
    """Return the UTC moment of a New York time."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=NEW_YORK).astimezone(UTC)


def bar(start: datetime) -> Candle:
    """Return a bar that begins then."""
    price = Decimal(100)
    return Candle("SPY", start, price, price, price, price, 10)


@pytest.mark.parametrize(
    ("now", "start", "is_regular"),
    [
        ((FULL, "09:30"), (FULL, "09:29"), False),
        ((FULL, "09:31"), (FULL, "09:30"), True),
        ((FULL, "16:00"), (FULL, "15:59"), True),
        ((FULL, "16:01"), (FULL, "16:00"), False),
        ((FULL, "19:59"), (FULL, "15:00"), True),
        ((FULL, "08:00"), (FULL, "07:59"), False),
        ((FULL, "10:00"), ("2019-02-08", "15:59"), True),
        ((FULL, "10:00"), ("2019-02-08", "18:00"), False),
        ((HALF, "13:00"), (HALF, "12:59"), True),
        ((HALF, "13:02"), (HALF, "13:01"), False),
        ((HALF, "12:00"), (HALF, "13:00"), False),
        ((HALF, "13:02"), ("2018-11-21", "15:30"), True),
        ((WINTER, "09:31"), (WINTER, "09:30"), True),
        ((SUMMER, "09:31"), (SUMMER, "09:30"), True),
        ((SUMMER, "09:31"), (SUMMER, "09:29"), False),
        ((SUMMER, "09:31"), (WINTER, "15:59"), True),
        ((SUMMER, "09:31"), (WINTER, "16:00"), False),
    ],
)
def test_bar_when_judged_by_the_clock_then_by_the_table(
    now: tuple[str, str], start: tuple[str, str], is_regular: bool
) -> None:
    """Hours are New York's, whatever UTC says."""
    hours = RegularHours(clock_reading(NyseCalendar(), new_york(*now)))
    assert hours.holds(new_york(*start)) is is_regular


@pytest.mark.parametrize(
    ("now", "start", "is_regular"),
    [
        (("2018-11-26", "10:00"), (HALF, "12:59"), True),
        (("2018-11-26", "10:00"), (HALF, "13:00"), False),
        (("2018-11-26", "10:00"), (HALF, "15:59"), False),
        ((HALF, "16:30"), (HALF, "14:00"), False),
        ((HALF, "08:00"), (HALF, "15:00"), False),
        ((HALF, "16:30"), (HALF, "09:29"), False),
        (("2018-11-26", "10:00"), ("2018-11-21", "15:59"), True),
        (("2018-11-26", "10:00"), ("2018-11-26", "09:59"), True),
        ((SUMMER, "10:00"), (WINTER, "15:59"), True),
        ((SUMMER, "10:00"), (SUMMER, "09:29"), False),
        ((SUMMER, "10:00"), ("2008-02-01", "15:59"), True),
    ],
)
def test_bar_when_the_calendar_is_known_then_every_day_has_its_own_hours(
    now: tuple[str, str], start: tuple[str, str], is_regular: bool
) -> None:
    """A half day that is over is one still; days beyond the calendar go by the clock."""
    at = new_york(*now)
    first, last = trading_day(at) - timedelta(days=14), trading_day(at)
    rows = [
        {"date": one.day.isoformat(), "open": one.open_text, "close": one.close_text}
        for one in sessions_between(NyseCalendar(), first, last)
    ]
    hours = RegularHours(clock_reading(NyseCalendar(), at), read_calendar(rows))
    assert hours.holds(new_york(*start)) is is_regular


@pytest.mark.parametrize("clock", ["00:00", "03:00", "09:29", "20:00", "23:59"])
def test_bar_when_the_market_never_closes_then_every_minute_is_regular(clock: str) -> None:
    """The seeded market has one session after the other."""
    hours = RegularHours(clock_reading(EndlessCalendar(), new_york(FULL, clock)))
    assert hours.never_ends
    assert hours.holds(new_york(FULL, clock) - timedelta(minutes=1))


def test_sink_when_extended_bars_come_then_left_out_without_alarm_or_freshness() -> None:
    """They are no broken data, and do not make a feed look alive."""
    sink = StoreSink(ManualClock())
    now = new_york(FULL, "09:31")
    early, regular = bar(new_york(FULL, "09:29")), bar(new_york(FULL, "09:30"))
    reading = clock_reading(NyseCalendar(), now)
    sink.candle("bars", early)
    assert sink.take(Admission(frozenset({"SPY"}), now, 1.0, reading)).candles == ()
    assert sink.last_at("bars") is None
    sink.candle("bars", regular)
    assert sink.take(Admission(frozenset({"SPY"}), now, 1.0, reading)).candles == (regular,)
    assert (sink.counts["outside the session"], sink.counts["dropped"]) == (1, 0)
