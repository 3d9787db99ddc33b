"""The replay of bar files: sessions, gaps, history that never looks ahead, and its faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.port import (
    ONE_DAY,
    ONE_MINUTE,
    BarClosed,
    BarOpened,
    BarQuery,
    Market,
    MarketEvent,
    MinuteStep,
    QuoteTick,
    SessionClosed,
    SessionOpened,
    Timeframe,
)
from services.exchange_sim.market.timeframe import parse_timeframe
from shared.models.market import Candle
from tests.support.bar_texts import week_of_two, write_two_symbols

pytestmark = pytest.mark.unit

OPEN = datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
CLOSE = datetime(2019, 2, 11, 21, 0, tzinfo=UTC)
NEXT_OPEN = OPEN + timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """AA and BB, as `write_two_symbols` makes them."""
    return write_two_symbols(tmp_path)


def steps_of(market: Market) -> list[MinuteStep]:
    """Step a lock-step replay to its end."""
    steps: list[MinuteStep] = []
    while step := market.minute_after(steps[-1].minute if steps else None):
        steps.append(step)
    return steps


def bars_at(market: Market, now: datetime, timeframe: Timeframe = ONE_MINUTE) -> list[Candle]:
    """Return all of AA's bars that are known at that moment."""
    long_ago, far = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    return list(market.bars(BarQuery("AA", long_ago, far, timeframe, now)))


def test_steps_when_replayed_then_nights_and_empty_minutes_are_skipped(folder: Path) -> None:
    """Every minute in which any file has a bar, once, in order; edges of sessions are marked."""
    steps = steps_of(week_of_two(folder))
    assert [f"{step.minute:%d %H:%M}" for step in steps] == [
        "11 14:30", "11 14:31", "11 14:32", "11 14:35", "12 14:30", "12 14:31",
    ]  # fmt: skip
    assert [len(step.candles) for step in steps] == [1, 1, 1, 1, 1, 2]
    assert [step.opens_session for step in steps] == [True, False, False, False, True, False]
    assert [step.closes_session for step in steps] == [False, False, False, True, False, True]
    assert [step.is_last for step in steps] == [False] * 5 + [True]
    assert steps[2].end == OPEN + 3 * MINUTE
    assert steps[3].end == CLOSE


def test_market_when_opened_then_says_where_it_begins_and_ends(folder: Path) -> None:
    """Market time runs from the first session's open to the last session's close."""
    market = week_of_two(folder)
    assert (market.begins_at, market.ends_at) == (OPEN, CLOSE + timedelta(days=1))
    assert market.symbols == ("AA", "BB")
    assert market.source == "replay"
    assert not market.has_ended(CLOSE)
    assert market.has_ended(CLOSE + timedelta(days=1))


def test_events_when_played_whole_then_in_the_order_of_the_port(folder: Path) -> None:
    """Session, opening trade and quote, bar and closing quote, session's end."""
    market = week_of_two(folder, "AA")
    first = [*market.first_events(), *market.events(OPEN, CLOSE)]
    kinds = [type(event) for event in first]
    assert kinds == [
        SessionOpened,
        *[BarOpened, QuoteTick, BarClosed, QuoteTick] * 3,
        SessionClosed,
    ]
    assert [event.at for event in first] == sorted(event.at for event in first)


def test_events_when_cut_anywhere_then_the_pieces_are_the_whole(folder: Path) -> None:
    """The pattern of asking changes nothing: no event is lost or doubled at a seam."""
    market = week_of_two(folder)
    end = market.ends_at
    assert end is not None
    pieces: list[MarketEvent] = []
    at = OPEN
    while (upcoming := market.next_event_at(at)) is not None:
        between = market.events(at, upcoming - timedelta(seconds=1))
        assert not between
        pieces.extend(market.events(upcoming - timedelta(seconds=1), upcoming))
        at = upcoming
    assert tuple(pieces) == market.events(OPEN, end)


def test_bars_at_any_moment_then_none_is_newer_than_now(folder: Path) -> None:
    """The running minute is hidden, half a minute later as well; history before is there."""
    market = week_of_two(folder)
    known = [(OPEN, 2), (OPEN + MINUTE / 2, 2), (OPEN + MINUTE, 3), (CLOSE, 5), (NEXT_OPEN, 5)]
    for now, count in known:
        bars = bars_at(market, now)
        assert len(bars) == count
        assert all(bar.start + MINUTE <= now for bar in bars)


def test_bar_when_one_minute_is_asked_for_then_as_the_whole_history_tells_it(folder: Path) -> None:
    """The short way of a replay's own question shows neither more nor less than the long one."""
    market = week_of_two(folder)
    for now in (OPEN, OPEN + MINUTE, OPEN + 3 * MINUTE / 2, CLOSE, NEXT_OPEN + 2 * MINUTE):
        history = bars_at(market, now)
        starts = [OPEN + count * MINUTE for count in range(-3, 8)]
        starts += [NEXT_OPEN, OPEN + MINUTE / 2, *(bar.start for bar in history)]
        for start in starts:
            asked = market.bars(BarQuery("AA", start, start, ONE_MINUTE, now))
            assert list(asked) == [bar for bar in history if bar.start == start]


def test_daily_bars_when_day_runs_then_finished_days_from_file_and_today_so_far(
    folder: Path,
) -> None:
    """Older days come from the daily file, Monday is put together from its minutes so far."""
    market = week_of_two(folder)
    before = bars_at(market, OPEN, ONE_DAY)
    assert [bar.close for bar in before] == [Decimal("84"), Decimal("91.5")]
    running = bars_at(market, OPEN + 2 * MINUTE, ONE_DAY)[-1]
    assert (running.start, running.close) == (
        datetime(2019, 2, 11, 5, tzinfo=UTC),
        Decimal("100.01"),
    )
    finished = bars_at(market, NEXT_OPEN, ONE_DAY)[-1]
    assert (finished.close, finished.volume) == (Decimal("100.02"), 30)


def test_bars_when_a_limit_is_given_then_the_oldest_come(folder: Path) -> None:
    """A page of history holds the oldest bars of the range."""
    market = week_of_two(folder)
    query = BarQuery("AA", OPEN, CLOSE, ONE_MINUTE, CLOSE, limit=2)
    assert [bar.start for bar in market.bars(query)] == [OPEN, OPEN + MINUTE]
    assert market.bars(BarQuery("ZZ", OPEN, CLOSE, ONE_MINUTE, CLOSE)) == ()


def test_weekly_bars_when_asked_then_stamped_monday(folder: Path) -> None:
    """The two older days make one week, the replay's two days another."""
    weeks = bars_at(week_of_two(folder), CLOSE + timedelta(days=1), parse_timeframe("1Week"))
    assert [bar.start.day for bar in weeks] == [4, 11]
    assert (weeks[0].open, weeks[0].close) == (Decimal(80), Decimal("91.5"))


def test_prior_close_when_asked_then_is_the_last_ended_sessions(folder: Path) -> None:
    """Friday's closing auction during Monday, Monday's last minute from its close on."""
    market = week_of_two(folder)
    assert market.prior_close("AA", OPEN) == Decimal("91.5")
    assert market.prior_close("AA", CLOSE - MINUTE) == Decimal("91.5")
    assert market.prior_close("AA", CLOSE) == Decimal("100.02")
    assert market.prior_close("BB", OPEN) is None
    assert market.prior_close("ZZ", OPEN) is None


def test_quote_when_minute_runs_then_around_open_and_at_its_end_around_close(
    folder: Path,
) -> None:
    """Two basis points of 100 dollars are two cents; a thin symbol keeps its old quote."""
    market = week_of_two(folder)
    during, after = market.quote("AA", OPEN + MINUTE / 2), market.quote("AA", OPEN + 3 * MINUTE)
    assert during is not None
    assert after is not None
    assert (during.bid, during.ask) == (Decimal("99.99"), Decimal("100.01"))
    assert (after.bid, after.ask) == (Decimal("100.01"), Decimal("100.03"))
    assert market.quote("BB", OPEN) is None
    thin = market.quote("BB", CLOSE)
    assert thin is not None
    assert thin.at == datetime(2019, 2, 11, 14, 36, tzinfo=UTC)


def test_quote_between_two_minutes_then_does_not_show_the_next_ones_open(folder: Path) -> None:
    """At 14:31:00 Tuesday's second bar has not traded yet, nor Monday's first one at the open."""
    market = week_of_two(folder)
    edge = market.quote("AA", NEXT_OPEN)
    assert edge is not None
    assert edge.at == OPEN + 3 * MINUTE
    assert market.quote("AA", OPEN) is None
    assert market.last_trade("AA", OPEN) is None
    before, at_end = market.last_trade("AA", NEXT_OPEN), market.last_trade("AA", OPEN + MINUTE)
    assert before is not None
    assert at_end is not None
    last_tick = timedelta(seconds=55)
    assert (before.at, before.price) == (OPEN + 2 * MINUTE + last_tick, Decimal("100.02"))
    assert (at_end.at, at_end.price) == (OPEN + last_tick, Decimal("100.00"))


def test_quote_when_the_file_has_real_ones_then_they_count(folder: Path) -> None:
    """Recorded quotes stand at the end of their minute; a broken one is dropped and counted."""
    (folder / "quotes").mkdir()
    (folder / "quotes" / "AA_1min_quote.csv").write_text(
        "timestamp,bid_close,bid_size,ask_close,ask_size\n"
        "2019-02-11T14:30:00Z,99.50,300,100.50,400\n"
        "2019-02-11T14:31:00Z,101,300,100,400\n"
    )
    market = week_of_two(folder)
    real, made = market.quote("AA", OPEN + MINUTE), market.quote("AA", OPEN + 2 * MINUTE)
    assert real is not None
    assert made is not None
    assert (real.bid, real.bid_size) == (Decimal("99.50"), 300)
    assert (real.ask, real.ask_size) == (Decimal("100.50"), 400)
    assert made.spread_bps < 5
    assert market.dropped_rows == {"quote_broken": 1}


def test_step_events_when_joined_then_are_the_free_running_ones(folder: Path) -> None:
    """Lock-step and free running play the very same market."""
    market = week_of_two(folder)
    assert market.ends_at is not None
    free = [*market.first_events(), *market.events(OPEN, market.ends_at)]
    assert [event for step in steps_of(market) for event in step.events] == free


def test_skip_closed_when_night_falls_then_the_next_session_with_bars(folder: Path) -> None:
    """Nights and days without any bar are jumped over; an ended replay stays where it is."""
    market = week_of_two(folder)
    assert market.skip_closed(OPEN + MINUTE) == OPEN + MINUTE
    assert market.skip_closed(CLOSE) == NEXT_OPEN
    assert market.skip_closed(datetime(2019, 2, 14, tzinfo=UTC)) == datetime(
        2019, 2, 14, tzinfo=UTC
    )
