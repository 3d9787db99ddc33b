"""Pre-market and after-hours of a replay: which minutes play, half days and clock changes too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.hours import after_hours_end, is_extended, pre_market_start
from services.exchange_sim.market.calendar import NEW_YORK, NyseCalendar
from services.exchange_sim.market.opening import MarketRequest, open_market
from services.exchange_sim.market.port import (
    ONE_DAY,
    ONE_MINUTE,
    BarClosed,
    BarQuery,
    EarlyOpened,
    LateClosed,
    Market,
    MinuteStep,
    SessionClosed,
    SessionOpened,
    TickQuery,
)
from services.exchange_sim.market.timeframe import parse_timeframe
from tests.support.bar_texts import minutes_from, replay_of, row, write_bars, write_extended

pytestmark = pytest.mark.unit

MINUTE = timedelta(minutes=1)
EARLY, LATE = "2019-02-11T09:10:00Z", "2019-02-12T00:30:00Z"
"""04:10 on Monday, and 19:30 on Monday evening, which is Tuesday already in UTC."""
OPEN = datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
CLOSE = datetime(2019, 2, 11, 21, 0, tzinfo=UTC)
EVENING_END = datetime(2019, 2, 12, 1, 0, tzinfo=UTC)

HOURS = [
    # day, pre-market from, opening, closing, after-hours until: all in UTC
    ("2019-02-11", "09:00", "14:30", "21:00", "01:00"),
    ("2019-07-01", "08:00", "13:30", "20:00", "00:00"),
    # clocks go forward between these two
    ("2008-03-07", "09:00", "14:30", "21:00", "01:00"),
    ("2008-03-10", "08:00", "13:30", "20:00", "00:00"),
    # and back between these
    ("2013-11-01", "08:00", "13:30", "20:00", "00:00"),
    ("2013-11-04", "09:00", "14:30", "21:00", "01:00"),
    # half days end their after-hours three hours earlier as well
    ("2015-12-24", "09:00", "14:30", "18:00", "22:00"),
    ("2019-07-03", "08:00", "13:30", "17:00", "21:00"),
    ("2018-11-23", "09:00", "14:30", "18:00", "22:00"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """AA trades early, in two minutes of the session, and late; BB in the session alone."""
    session = minutes_from("2019-02-11T14:30:00+00:00", 2)
    next_day = minutes_from("2019-02-12T14:30:00+00:00", 1, "110.00")
    write_bars(tmp_path, "AA_1min.csv", [*session, *next_day])
    write_bars(tmp_path, "BB_1min.csv", session)
    write_extended(tmp_path, "AA", [row(EARLY, "98.00"), row(LATE, "103.00", 300)])
    return tmp_path


def steps_of(market: Market) -> list[MinuteStep]:
    """Step a lock-step replay to its end."""
    steps: list[MinuteStep] = []
    while step := market.minute_after(steps[-1].minute if steps else None):
        steps.append(step)
    return steps


def moment(day: date, clock: str) -> datetime:
    """Return the UTC moment of a session's day; evenings after midnight are the next UTC day."""
    at = datetime.fromisoformat(f"{day}T{clock}:00+00:00")
    return at + timedelta(days=1) if clock < "04:00" else at


@pytest.mark.parametrize(("day", "early", "opens", "closes", "late"), HOURS)
def test_extended_rows_when_half_day_or_clock_change_then_exactly_its_hours_play(
    tmp_path: Path, day: str, early: str, opens: str, closes: str, late: str
) -> None:
    """The first and last minute of both extended sessions play, their neighbours do not."""
    trading_day = date.fromisoformat(day)
    edges = [moment(trading_day, clock) for clock in (early, opens, closes, late)]
    inside = [edges[0], edges[1] - MINUTE, edges[2], edges[3] - MINUTE]
    outside = [edges[0] - MINUTE, edges[1], edges[2] - MINUTE, edges[3]]
    write_bars(tmp_path, "AA_1min.csv", [row(f"{edges[1]:%Y-%m-%dT%H:%M:%SZ}")])
    rows = sorted(row(f"{at:%Y-%m-%dT%H:%M:%SZ}") for at in (*inside, *outside))
    write_extended(tmp_path, "AA", rows)

    market = replay_of(tmp_path)

    assert [step.minute for step in steps_of(market)] == sorted([*inside, edges[1]])
    assert dict(market.dropped_rows) == {"outside_session": 4}
    assert (market.begins_at, market.ends_at) == (edges[0], edges[3])
    session = NyseCalendar().session(trading_day)
    assert session is not None
    assert (pre_market_start(session), after_hours_end(session)) == (edges[0], edges[3])
    assert all(is_extended(session, at) for at in inside)
    assert not any(is_extended(session, at) for at in outside)


@pytest.mark.parametrize("day", ["2019-02-10", "2019-02-18"])
def test_extended_rows_when_there_is_no_session_then_none_plays(tmp_path: Path, day: str) -> None:
    """A Sunday and a holiday have no extended hours either."""
    write_bars(tmp_path, "AA_1min.csv", [row("2019-02-11T14:30:00Z")])
    write_extended(tmp_path, "AA", [row(f"{day}T13:00:00Z"), row(f"{day}T22:00:00Z")])
    market = replay_of(tmp_path)
    assert dict(market.dropped_rows) == {"outside_session": 2}
    assert len(steps_of(market)) == 1


def test_steps_when_extended_hours_trade_then_edges_stand_where_they_belong(folder: Path) -> None:
    """Pre-market, session, after-hours, each with its beginning and end; a day without extended
    bars has none.
    """
    steps = steps_of(replay_of(folder))
    minutes = [f"{step.minute:%d %H:%M}" for step in steps]
    assert minutes == ["11 09:10", "11 14:30", "11 14:31", "12 00:30", "12 14:30"]
    edges = [[type(event) for event in step.events if hasattr(event, "session")] for step in steps]
    assert edges == [
        [EarlyOpened],
        [SessionOpened],
        [SessionClosed],
        [LateClosed],
        [SessionOpened, SessionClosed],
    ]
    assert [step.end for step in steps[2:4]] == [CLOSE, EVENING_END]
    assert [step.opens_session for step in steps] == [False, True, False, False, True]
    assert [step.closes_session for step in steps] == [False, False, True, False, True]


@pytest.mark.parametrize("sessions", ["both", "early", "late"])
def test_day_when_only_extended_hours_trade_then_its_session_still_opens_and_closes(
    tmp_path: Path, sessions: str
) -> None:
    """Order queues and days do not depend on whether any share changed hands in between."""
    write_bars(tmp_path, "AA_1min.csv", [row("2019-02-08T14:30:00Z")])
    rows = {"early": [row(EARLY)], "late": [row(LATE)]}
    write_extended(tmp_path, "AA", rows.get(sessions, [row(EARLY), row(LATE)]))
    market = replay_of(tmp_path)
    assert market.ends_at is not None
    stepped = [event for step in steps_of(market) for event in step.events]
    played = [*market.first_events(), *market.events(market.begins_at, market.ends_at)]
    assert stepped == played
    kinds = [type(event) for event in played if hasattr(event, "session")]
    expected = [SessionOpened, SessionClosed]
    expected = [EarlyOpened, *expected] if sessions != "late" else expected
    expected = [*expected, LateClosed] if sessions != "early" else expected
    assert kinds == [SessionOpened, SessionClosed, *expected]


def test_step_events_when_joined_then_are_the_free_running_ones(folder: Path) -> None:
    """Lock-step and free running play the very same extended hours, however they are cut."""
    market = replay_of(folder)
    assert market.ends_at is not None
    free = [*market.first_events(), *market.events(market.begins_at, market.ends_at)]
    assert [event for step in steps_of(market) for event in step.events] == free
    pieces, at = [*market.first_events()], market.begins_at
    while (upcoming := market.next_event_at(at)) is not None:
        assert not market.events(at, upcoming - timedelta(seconds=1))
        pieces.extend(market.events(at, upcoming))
        at = upcoming
    assert pieces == free


def test_clock_when_extended_hours_run_then_the_market_is_closed_but_time_goes_on(
    folder: Path,
) -> None:
    """The broker's clock knows the session alone; a night is skipped from the evening's end on."""
    market = replay_of(folder)
    assert market.begins_at == datetime(2019, 2, 11, 9, 0, tzinfo=UTC)
    assert not market.clock(market.begins_at).is_open
    assert market.clock(OPEN).is_open
    assert market.skip_closed(market.begins_at) == market.begins_at
    assert market.skip_closed(CLOSE) == CLOSE
    assert market.skip_closed(EVENING_END) == OPEN + timedelta(days=1)


def test_quote_when_extended_hours_run_then_wider_and_thinner(folder: Path) -> None:
    """Five times the spread of the session, half the shares."""
    market = replay_of(folder)
    early = market.quote("AA", datetime(2019, 2, 11, 9, 11, tzinfo=UTC))
    during = market.quote("AA", OPEN + MINUTE)
    assert early is not None
    assert during is not None
    assert (early.bid, early.ask) == (Decimal("97.95"), Decimal("98.05"))
    assert (during.bid, during.ask) == (Decimal("99.99"), Decimal("100.01"))
    assert (early.bid_size, during.bid_size) == (100, 200)


def test_history_when_extended_hours_traded_then_minutes_show_them_and_days_do_not(
    folder: Path,
) -> None:
    """Minutes and hours hold every trade; a day's open, high, low and close the session's."""
    market = replay_of(folder)
    start, now = market.begins_at, EVENING_END
    minutes = market.bars(BarQuery("AA", start, now, ONE_MINUTE, now))
    assert [f"{bar.start:%H:%M}" for bar in minutes] == ["09:10", "14:30", "14:31", "00:30"]
    hours = market.bars(BarQuery("AA", start, now, parse_timeframe("1Hour"), now))
    assert [bar.start.hour for bar in hours] == [9, 14, 0]
    midnight = datetime(2019, 2, 11, 5, tzinfo=UTC)
    (day,) = market.bars(BarQuery("AA", midnight, midnight, ONE_DAY, now))
    assert (day.open, day.close, day.volume) == (Decimal("100.00"), Decimal("100.01"), 20)
    assert market.prior_close("AA", now) == Decimal("100.01")
    trade = market.last_trade("AA", now)
    assert trade is not None
    assert trade.price == Decimal("103.00")


def test_trades_when_made_in_extended_hours_then_they_say_so(folder: Path) -> None:
    """Those of the session do not."""
    market = replay_of(folder)
    query = TickQuery("AA", market.begins_at, EVENING_END, EVENING_END)
    said = {(f"{trade.at:%H:%M}", trade.extended) for trade in market.trades(query)}
    assert said == {("09:10", True), ("14:30", False), ("14:31", False), ("00:30", True)}


def test_range_when_its_days_have_no_extended_rows_then_nothing_differs(folder: Path) -> None:
    """A file of other days changes neither the minutes nor the market's identity."""

    def tuesday() -> Market:
        day = date(2019, 2, 12)
        return open_market(MarketRequest(1, Decimal(2), (), folder, day, day))

    with_file = tuesday()
    (folder / "extended" / "AA_1min.csv").unlink()
    without = tuesday()
    assert with_file.identity == without.identity
    assert with_file.begins_at == without.begins_at == OPEN + timedelta(days=1)
    assert steps_of(with_file) == steps_of(without)


def test_identity_when_extended_bars_play_then_it_is_another_market(folder: Path) -> None:
    """What trades in the evening is part of what the account lived through."""
    with_evening = replay_of(folder).identity
    write_extended(folder, "AA", [row(EARLY, "98.00")])
    other = replay_of(folder).identity
    (folder / "extended" / "AA_1min.csv").unlink()
    assert len({with_evening, other, replay_of(folder).identity}) == 3


def test_evening_in_winter_when_utc_is_a_day_ahead_then_still_belongs_to_its_day(
    folder: Path,
) -> None:
    """19:30 on Monday is played before Tuesday begins, and asked for by Monday's dates."""
    market = replay_of(folder)
    assert market.ends_at is not None
    closed = [
        event.candle
        for event in market.events(market.begins_at, market.ends_at)
        if isinstance(event, BarClosed) and event.candle.symbol == "AA"
    ]
    evening = closed[3]
    assert evening.start.astimezone(NEW_YORK).date() == date(2019, 2, 11)
    assert evening.close == Decimal("103.00")
