"""What data-daemon decides: how each feed is, what health that makes, what must be fetched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_daemon.plan import (
    BARS,
    QUOTES,
    BackfillFacts,
    FeedFacts,
    MarketFacts,
    Verdict,
    backfill_reason,
    clock_went_back,
    daily_slot,
    is_finished,
    judge_feed,
    judge_health,
    seen_open_since,
    telling_absent,
    trading_day,
)
from shared.models.broker import ClockReading

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
OPEN = ClockReading(NOW, True, NOW + timedelta(days=1), NOW + timedelta(hours=6))
SHUT = replace(OPEN, is_open=False)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


AN_HOUR_AGO = ago(3600)


def market(
    reading: ClockReading | None = OPEN,
    open_since: datetime | None = AN_HOUR_AGO,
    live_since: datetime | None = AN_HOUR_AGO,
    speed: float = 1.0,
) -> MarketFacts:
    return MarketFacts(reading, open_since, live_since, speed)


def feed(
    name: str = QUOTES, link: str = "live", reason: str = "", last_at: datetime | None = None
) -> FeedFacts:
    return FeedFacts(name, link, reason, last_at)


FEEDS: list[tuple[str, FeedFacts, MarketFacts, str]] = [
    ("fresh", feed(last_at=ago(5)), market(), "live"),
    ("at the limit", feed(last_at=ago(60)), market(), "live"),
    ("past the limit", feed(last_at=ago(61)), market(), "stale"),
    ("bars may be older", feed(BARS, last_at=ago(170)), market(), "live"),
    ("bars too old", feed(BARS, last_at=ago(181)), market(), "stale"),
    ("nothing yet, just opened", feed(), market(open_since=ago(10)), "live"),
    ("nothing yet, just connected", feed(), market(live_since=ago(10)), "live"),
    ("nothing for long", feed(), market(), "stale"),
    ("nothing known at all", feed(), market(open_since=None, live_since=None), "connecting"),
    ("last evening's data at the opening", feed(last_at=ago(60_000)), market(open_since=ago(5)),
     "live"),
    ("closed, old data", feed(last_at=ago(60_000)), market(SHUT), "closed"),
    ("down wins over fresh", feed(link="down", reason="reset", last_at=ago(1)), market(), "down"),
    ("down while closed", feed(link="down", reason="reset"), market(SHUT), "down"),
    ("connecting", feed(link="connecting"), market(), "connecting"),
    ("clock unknown", feed(last_at=ago(1)), market(None), "down"),
    ("fast market, few real seconds", feed(last_at=ago(290)), market(speed=60), "live"),
    ("fast market, too many", feed(last_at=ago(301)), market(speed=60), "stale"),
    ("data from the future is no age", feed(last_at=NOW + timedelta(seconds=9)), market(), "live"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "facts", "world", "state"), FEEDS)
def test_feed_when_judged_then_state_of_the_table(
    name: str, facts: FeedFacts, world: MarketFacts, state: str
) -> None:
    """Connection first, then the market's clock, then the age in market time."""
    verdict = judge_feed(facts, world)
    assert verdict.state == state, name
    assert verdict.reason or state == "live" or facts.link == "connecting"


@given(
    st.floats(0, 1e6), st.sampled_from([QUOTES, BARS]), st.sampled_from([1.0, 10.0, 60.0, 600.0])
)
def test_feed_when_market_is_closed_then_never_stale(age: float, name: str, speed: float) -> None:
    """However old the data, a closed market has no stale feed; an open one judges by one limit."""
    facts = feed(name, last_at=ago(age))
    assert judge_feed(facts, market(SHUT, speed=speed)).state == "closed"
    older = judge_feed(feed(name, last_at=ago(age + 1)), market(speed=speed)).state
    if judge_feed(facts, market(speed=speed)).state == "stale":
        assert older == "stale"


def verdict(state: str) -> Verdict:
    return Verdict(QUOTES, state, "because", None)


@pytest.mark.parametrize(
    ("states", "world", "trouble", "health"),
    [
        (("live", "live"), market(), None, "OK"),
        (("live", "stale"), market(), None, "DEGRADED"),
        (("down", "down"), market(), None, "DEGRADED"),
        (("connecting",), market(), None, "DEGRADED"),
        (("closed",), market(SHUT), None, "OK"),
        (("down",), market(SHUT), None, "OK"),
        (("live",), market(None), None, "DEGRADED"),
        (("live",), market(), "disk full", "DEGRADED"),
        (("closed",), market(SHUT), "exchange away", "DEGRADED"),
    ],
)
def test_health_when_judged_then_degraded_only_where_it_matters(
    states: tuple[str, ...], world: MarketFacts, trouble: str | None, health: str
) -> None:
    """A broken feed matters while the market is open; a missing exchange always does."""
    word, reason = judge_health([verdict(state) for state in states], world, trouble)
    assert word == health
    assert reason or health == "OK"


def test_open_since_when_market_opens_then_counts_from_there() -> None:
    """The opening is remembered while it lasts, over an unknown clock, and reset by a close."""
    assert seen_open_since(None, OPEN) == NOW
    assert seen_open_since(ago(60), OPEN) == ago(60)
    assert seen_open_since(ago(60), None) == ago(60)
    assert seen_open_since(ago(60), SHUT) is None
    assert seen_open_since(NOW + timedelta(days=1), OPEN) == NOW


@pytest.mark.parametrize(
    ("filled", "connection", "waited_s", "is_due"),
    [
        (None, 0, 0.0, False),
        (None, 0, 3.1, True),
        (None, 1, 0.0, True),
        (None, 3, 9.0, True),
        (0, 0, 9.0, False),
        (0, 1, 9.0, True),
        (1, 1, 9.0, False),
        (1, 2, 0.0, True),
    ],
)
def test_backfill_when_bars_may_be_missing_then_reason(
    filled: int | None, connection: int, waited_s: float, is_due: bool
) -> None:
    """History is fetched after each connection, and without one when the first takes long."""
    facts = BackfillFacts(filled, connection, waited_s)
    assert (backfill_reason(facts) is not None) is is_due


def test_daily_when_new_york_day_changes_or_its_session_nears_then_due() -> None:
    """The day is New York's: 01:00 UTC still belongs to the evening before. Splits of the day are
    known from 09:00 on.
    """
    assert trading_day(datetime(2026, 1, 6, 1, 0, tzinfo=UTC)) == NOW.date()
    evening, after_midnight = (
        datetime(2026, 1, 6, 1, tzinfo=UTC),
        datetime(2026, 1, 6, 6, tzinfo=UTC),
    )
    before_session = datetime(2026, 1, 6, 14, 0, tzinfo=UTC)
    assert daily_slot(NOW.replace(hour=15)) == daily_slot(evening)
    assert len({daily_slot(one) for one in (evening, after_midnight, before_session)}) == 3
    assert daily_slot(before_session) == daily_slot(before_session.replace(hour=23))


def test_minute_when_still_running_then_not_finished() -> None:
    """A bar counts only when its minute is over."""
    assert not is_finished(ago(59), NOW)
    assert is_finished(ago(60), NOW)


def test_clock_when_it_goes_back_then_noticed() -> None:
    """More than a minute back is another market; jitter is not."""
    assert not clock_went_back(None, NOW)
    assert not clock_went_back(NOW + timedelta(seconds=30), NOW)
    assert clock_went_back(NOW + timedelta(seconds=61), NOW)


def test_feed_when_symbols_are_unknown_to_the_exchange_then_it_says_so() -> None:
    """A symbol that never comes is no quiet market: the feed names it, and is no worse for it."""
    live = Verdict(BARS, "live", "", NOW)
    assert telling_absent(live, ()) == live
    told = telling_absent(live, ("NOPE", "NADA"))
    assert (told.state, told.reason) == ("live", "the exchange has no NOPE, NADA")
    assert judge_health([told], market(), None) == ("OK", "")
    stale = replace(live, state="stale", reason="no bars")
    assert telling_absent(stale, ("NOPE",)).reason == "no bars; the exchange has no NOPE"
    many = telling_absent(live, [f"S{number}" for number in range(25)]).reason
    assert many.endswith("S9 and 15 more")
    assert telling_absent(replace(live, feed="flow"), ("NOPE",)).reason == ""
