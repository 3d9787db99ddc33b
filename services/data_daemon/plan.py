"""What data-daemon decides, as pure functions: how each feed is, and what must be fetched.

Ages are judged in market time, by the broker's clock: a replayed or simulated market has a time
of its own. Nothing is stale while the market is closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.models.broker import ClockReading

LIVE, CONNECTING, STALE, DOWN, CLOSED = "live", "connecting", "stale", "down", "closed"
QUOTES, BARS = "quotes", "bars"

AGE_LIMIT_MARKET_S = {QUOTES: 60.0, BARS: 180.0}
"""A feed whose newest item is older than this, over all symbols, is stale."""
AGE_LIMIT_REAL_S = 5.0
"""In a fast simulated market these few real seconds are minutes; below them is no judgement."""

FIRST_CONNECTION_S = 3.0
"""So long the first fetch of history waits for the stream."""

WARM_BARS = 300
DAILY_DAYS = 8
"""Calendar days of daily bars: enough for the prior close over any chain of holidays. More would
make every start wait for what nobody reads.
"""
BAR_LENGTH = timedelta(minutes=1)
_NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """What is known of one feed."""

    feed: str
    link: str
    """State of the connection it comes over: live, connecting or down."""
    link_reason: str
    last_at: datetime | None
    """Market time up to which it has brought data."""


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """What is known of the market; `reading` is None when the broker's clock is unknown."""

    reading: ClockReading | None
    open_since: datetime | None
    """Market time since which we see the market open without a break."""
    live_since: datetime | None
    """Market time at which the connection last became live."""
    speed: float
    """Market seconds per real second."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a feed is, in a word and a sentence."""

    feed: str
    state: str
    reason: str
    last_at: datetime | None


def judge_feed(facts: FeedFacts, market: MarketFacts) -> Verdict:
    """Return how a feed is. Its age counts from the newest of: its last item, the opening as we
    saw it, and the last connection.
    """
    if facts.link != LIVE:
        return Verdict(facts.feed, facts.link, facts.link_reason, facts.last_at)
    if market.reading is None:
        return Verdict(facts.feed, DOWN, "market time is unknown", facts.last_at)
    if not market.reading.is_open:
        return Verdict(facts.feed, CLOSED, "the market is closed", facts.last_at)
    begins = (facts.last_at, market.open_since, market.live_since)
    reference = max((moment for moment in begins if moment is not None), default=None)
    if reference is None:
        return Verdict(facts.feed, CONNECTING, "waits for its first item", None)
    age_s = (market.reading.now - reference).total_seconds()
    limit_s = max(AGE_LIMIT_MARKET_S[facts.feed], AGE_LIMIT_REAL_S * market.speed)
    if age_s > limit_s:
        words = f"no {facts.feed} for {age_s:.0f} s of market time (limit {limit_s:.0f} s)"
        return Verdict(facts.feed, STALE, words, facts.last_at)
    return Verdict(facts.feed, LIVE, "", facts.last_at)


def judge_health(
    verdicts: Iterable[Verdict], market: MarketFacts, trouble: str | None
) -> tuple[str, str]:
    """Return OK or DEGRADED and why. `trouble` is what stands in the way of all feeds (the
    exchange is away, the store refuses). A feed that is down matters while the market is open.
    """
    if trouble is not None:
        return "DEGRADED", trouble
    if market.reading is None:
        return "DEGRADED", "market time is unknown"
    if not market.reading.is_open:
        return "OK", "the market is closed"
    bad = [verdict for verdict in verdicts if verdict.state not in (LIVE, CLOSED)]
    if bad:
        return "DEGRADED", "; ".join(f"{v.feed} {v.state}: {v.reason}" for v in bad)
    return "OK", ""


def seen_open_since(before: datetime | None, reading: ClockReading | None) -> datetime | None:
    """Return since when the market is seen open, given what was said before.

    An unknown clock keeps the old word; a clock that went back begins anew.
    """
    if reading is None:
        return before
    if not reading.is_open:
        return None
    return before if before is not None and before <= reading.now else reading.now


@dataclass(frozen=True, slots=True)
class BackfillFacts:
    """What is known about the store's completeness."""

    filled_at_connection: int | None
    """Number of the connection after which bars of this market were last fetched; None: never."""
    connection: int
    """Number of the stream's connection now; 0 before the first."""
    waited_s: float
    """Real seconds since the stream began to connect."""


def backfill_reason(facts: BackfillFacts) -> str | None:
    """Return why bars must be fetched now, None when nothing is missing."""
    if facts.filled_at_connection is None:
        # Once after the first connection leaves no gap and saves a second fetch.
        is_soon = facts.connection == 0 and facts.waited_s < FIRST_CONNECTION_S
        return None if is_soon else "first fill"
    if facts.connection > facts.filled_at_connection:
        return "bars may have passed while the stream was away"
    return None


def daily_is_due(fetched_for: date | None, now: datetime) -> bool:
    """Whether daily bars must be fetched: once per New York day."""
    return fetched_for != trading_day(now)


def trading_day(now: datetime) -> date:
    """Return the New York day of a moment."""
    return now.astimezone(_NEW_YORK).date()


def is_finished(start: datetime, now: datetime) -> bool:
    """Whether the minute that began at `start` is over."""
    return start + BAR_LENGTH <= now


def clock_went_back(before: datetime | None, now: datetime) -> bool:
    """Whether market time jumped back so far that it must be another market's."""
    return before is not None and now < before - BAR_LENGTH
