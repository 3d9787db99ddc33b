"""The seeded market in the exchange's hours: nights, extended hours, gaps, the same each time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from services.exchange_sim.market.opening import MarketHours, MarketRequest, open_market
from services.exchange_sim.market.port import (
    ONE_DAY,
    ONE_MINUTE,
    BarClosed,
    BarQuery,
    EarlyOpened,
    LateClosed,
    Market,
    SessionClosed,
    SessionEdge,
    SessionOpened,
    TickQuery,
)
from tests.support.bar_texts import seeded

pytestmark = pytest.mark.unit

MONDAY = date(2026, 1, 5)
OPENS = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
FRIDAY_NIGHT = datetime(2026, 1, 10, 2, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def market_of(begins_at: datetime | None = None, seed: int = 1) -> Market:
    request = MarketRequest(
        seed, Decimal(2), ("AAPL", "SPY"), begins_at=begins_at, hours=MarketHours.EXCHANGE
    )
    return open_market(request)


def test_hours_when_not_asked_for_then_the_market_never_closes() -> None:
    """As it always was; the two are different markets with different accounts."""
    always, days = seeded(1, "AAPL", "SPY"), market_of()

    assert always.clock(FRIDAY_NIGHT).is_open
    assert not days.clock(FRIDAY_NIGHT).is_open
    assert days.identity != always.identity
    assert (days.source, days.begins_at) == ("seeded", OPENS)


def test_day_when_played_then_it_has_a_pre_market_a_session_and_after_hours() -> None:
    """Edges in order, trades in between, nothing at night; the next day likewise."""
    market = market_of(OPENS - 8 * HOUR)
    night = datetime(2026, 1, 6, 1, tzinfo=UTC)
    events = market.events(OPENS - 8 * HOUR, night + 7 * HOUR)
    edges = [event for event in events if isinstance(event, SessionEdge)]

    kinds = (EarlyOpened, SessionOpened, SessionClosed, LateClosed)
    assert [type(edge) for edge in edges] == list(kinds)
    assert [edge.at.hour for edge in edges] == [9, 14, 21, 1]
    bars = [event for event in events if isinstance(event, BarClosed)]
    assert len(bars) == 2 * 16 * 60
    assert market.events(night, night + 7 * HOUR) == ()
    assert market.skip_closed(night + HOUR) == datetime(2026, 1, 6, 9, tzinfo=UTC)
    assert market.next_event_at(FRIDAY_NIGHT) == datetime(2026, 1, 12, 9, tzinfo=UTC)


def test_extended_hours_when_they_trade_then_thinly_wide_and_outside_the_day_bar() -> None:
    """A day's bar is its session's; prices of extended hours are marked and have wide quotes."""
    market = market_of()
    now = FRIDAY_NIGHT
    minutes = market.bars(BarQuery("AAPL", OPENS - 6 * HOUR, OPENS + 12 * HOUR, ONE_MINUTE, now))
    session = [one for one in minutes if OPENS <= one.start < OPENS + timedelta(hours=6.5)]
    others = [one for one in minutes if one not in session]
    day = market.bars(BarQuery("AAPL", OPENS - 10 * HOUR, OPENS, ONE_DAY, now))[0]

    assert (len(session), len(others)) == (390, 960 - 390)
    assert max(one.volume for one in others) < max(one.volume for one in session) / 10
    assert (day.open, day.close) == (session[0].open, session[-1].close)
    assert day.volume == sum(one.volume for one in session)
    early = market.trades(TickQuery("AAPL", OPENS - HOUR, OPENS - HOUR + MINUTE, now))
    inside = market.trades(TickQuery("AAPL", OPENS, OPENS + MINUTE, now))
    assert all(one.extended for one in early)
    assert not any(one.extended for one in inside)
    wide, close = market_of(OPENS - HOUR).quote("AAPL", OPENS - MINUTE), market.quote("AAPL", now)
    narrow = market.quote("AAPL", OPENS + HOUR)
    assert wide
    assert close
    assert narrow
    assert wide.ask - wide.bid > narrow.ask - narrow.bid


def test_night_when_it_is_over_then_the_price_has_moved_on() -> None:
    """Gaps are real: the path runs while nothing trades."""
    market = market_of()
    days = market.bars(
        BarQuery("AAPL", OPENS - timedelta(days=30), FRIDAY_NIGHT, ONE_DAY, FRIDAY_NIGHT)
    )
    pairs = list(pairwise(days))

    assert len(days) > 15
    assert all(one.start.weekday() < 5 for one in days)
    assert sum(before.close != after.open for before, after in pairs) > len(pairs) / 2
    assert market.prior_close("AAPL", FRIDAY_NIGHT) == days[-1].close


def test_market_when_opened_again_then_it_is_the_same_and_lock_step_agrees() -> None:
    """Any moment can be asked for in any order, and minutes step over the night."""
    one, other = market_of(), market_of()
    later = OPENS + timedelta(hours=20)
    assert one.events(later, later + HOUR) == other.events(later, later + HOUR)
    assert one.events(OPENS, OPENS + HOUR) != market_of(seed=2).events(OPENS, OPENS + HOUR)
    first = one.minute_after(None)
    last = one.minute_after(datetime(2026, 1, 6, 0, 58, tzinfo=UTC))
    then = one.minute_after(datetime(2026, 1, 6, 0, 59, tzinfo=UTC))

    assert first
    assert last
    assert then
    assert (first.minute, first.opens_session) == (OPENS, True)
    assert isinstance(last.events[-1], LateClosed)
    assert then.minute == datetime(2026, 1, 6, 9, tzinfo=UTC)
    assert isinstance(then.events[0], EarlyOpened)
    assert not then.is_last
