"""What data-daemon decides, as pure functions: how each feed is, and what must be fetched.

Ages are judged in market time, by the broker's clock: a replayed or simulated market has a time
of its own. Nothing is stale while the market is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.data_daemon.regular_hours import RegularHours
from shared.models.broker import ClockReading
from shared.models.market import FEED_DRIFT, Candle, Quote

LIVE, CONNECTING, STALE, DOWN, CLOSED = "live", "connecting", "stale", "down", "closed"
QUOTES, BARS = "quotes", "bars"

AGE_LIMIT_MARKET_S = {QUOTES: 60.0, BARS: 180.0}
"""A feed whose newest item is older than this, over all symbols, is stale."""
AGE_LIMIT_REAL_S = 5.0
"""In a fast simulated market these few real seconds are minutes; below them is no judgement."""

DRIFTS_MIN, DRIFT_WINDOW_S, DRIFT_ITEMS_MAX = 3, 60.0, 300
"""So many broken items within so many real seconds, and among so many, are a broken contract, no
accident."""
PRICE_DOORS = frozenset({"alpaca_stream", "alpaca_rest"})
"""Who brings prices: what breaks there breaks both price feeds."""
ABSENT_NAMED_MAX = 10
FAILED_TRIES_MAX = 10
"""So many failed tries of the stream in a row are told, also while REST brings the prices."""
POLL_S, POLL_CLOSED_S = 5.0, 60.0
POLL_UNLIMITED_S = 1.0
"""Pauses between two rounds of asking over REST, in real seconds: within a budget, while the
market is closed, and where nobody counts.
"""
POLL_SHARE = 0.5
"""Of the reads per minute; the rest is for history, gaps and the clock."""
SYMBOLS_PER_CALL = 100
GAP_MARGIN = timedelta(minutes=5)
"""So much before the newest bar a gap is fetched: other symbols may have been behind."""
GAP_MAX = timedelta(days=1)
FUTURE_MARKET_S, FUTURE_REAL_S = 5.0, 2.0
"""What may lie ahead of market time as we know it: clocks differ, and replies travel."""

FIRST_CONNECTION_S = 3.0
"""So long the first fetch of history waits for the stream."""

WARM_BARS = 300
DAILY_DAYS = 8
"""Calendar days of daily bars: enough for the prior close over any chain of holidays. More would
make every start wait for what nobody reads.
"""
SPLITS_KNOWN_AT = time(9, 0)
"""New York time at which the broker's own books have taken the splits of the day."""
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
    is_polled: bool = False
    """Whether REST brings what the connection does not."""


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
    failed_tries: int = 0
    """Connections in a row that came to nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a feed is, in a word and a sentence."""

    feed: str
    state: str
    reason: str
    last_at: datetime | None


def judge_feed(facts: FeedFacts, market: MarketFacts) -> Verdict:
    """Return how a feed is. Its age counts from the newest of: its last item, the opening as we
    saw it, and the last connection. While REST is asked instead, its data is as good.
    """
    if facts.link != LIVE and not facts.is_polled:
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
    if facts.link != LIVE:
        return Verdict(facts.feed, LIVE, f"by REST; stream: {facts.link_reason}", facts.last_at)
    return Verdict(facts.feed, LIVE, "", facts.last_at)


def telling_absent(verdict: Verdict, absent: Sequence[str]) -> Verdict:
    """Return the verdict with the symbols that its feed will never bring: silence about them would
    look like a quiet market. Whoever reads the feed sees it; the rest of the feed is no worse.
    """
    if not absent or verdict.feed not in AGE_LIMIT_MARKET_S:
        return verdict
    named = ", ".join(absent[:ABSENT_NAMED_MAX])
    more = len(absent) - ABSENT_NAMED_MAX
    words = f"the exchange has no {named}" + (f" and {more} more" if more > 0 else "")
    return replace(verdict, reason=f"{verdict.reason}; {words}" if verdict.reason else words)


@dataclass(frozen=True, slots=True)
class BrokenItem:
    """One item of a price feed that broke its contract."""

    at_s: float
    """Real, monotonic time."""
    items: int
    """How many items had come until then."""


def is_drifting(broken: Sequence[BrokenItem], now_s: float, items: int) -> bool:
    """Whether so many items broke their contract of late, and among so few, that the market may be
    otherwise than shown. One bad item is dropped and forgotten.
    """
    last = broken[-DRIFTS_MIN:]
    if len(last) < DRIFTS_MIN or now_s - last[0].at_s > DRIFT_WINDOW_S:
        return False
    return items - last[0].items <= DRIFT_ITEMS_MAX


def telling_drift(verdict: Verdict, drift: str) -> Verdict:
    """Return the verdict of a price feed whose items break their contract: whoever reads it must
    not take risk on what is left. `drift` says what broke, empty for nothing.
    """
    return replace(verdict, state=FEED_DRIFT, reason=drift) if drift else verdict


def judge_feeds(
    feeds: Iterable[FeedFacts], market: MarketFacts, absent: Sequence[str], drift: str
) -> list[Verdict]:
    """Return how each price feed is, with everything that its readers must be told."""
    judged = (telling_absent(judge_feed(facts, market), absent) for facts in feeds)
    return [telling_drift(verdict, drift) for verdict in judged]


def judge_health(
    verdicts: Iterable[Verdict], market: MarketFacts, trouble: str | None
) -> tuple[str, str]:
    """Return OK or DEGRADED and why. `trouble` is what stands in the way of all feeds (the
    exchange is away, the store refuses). A feed that is down matters while the market is open;
    flow that is only on its way does not.
    """
    if trouble is not None:
        return "DEGRADED", trouble
    if market.reading is None:
        return "DEGRADED", "market time is unknown"
    if not market.reading.is_open:
        return "OK", "the market is closed"
    bad = [v for v in verdicts if v.state not in (LIVE, CLOSED)]
    bad = [v for v in bad if v.feed in AGE_LIMIT_MARKET_S or v.state != CONNECTING]
    if bad:
        return "DEGRADED", "; ".join(f"{v.feed} {v.state}: {v.reason}" for v in bad)
    if market.failed_tries >= FAILED_TRIES_MAX:
        return "DEGRADED", f"the stream failed {market.failed_tries} times in a row; REST goes on"
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


def gap_since(last_at: datetime | None, now: datetime) -> datetime | None:
    """Return from when bars must be fetched after a gap; None: all of the history anew."""
    if last_at is None or not now - GAP_MAX <= last_at <= now + BAR_LENGTH:
        return None
    return last_at - GAP_MARGIN


def poll_pause_s(symbols: int, reads_per_minute: int | None, *, is_open: bool) -> float:
    """Return the pause between two rounds of polling that keeps within the share of the budget;
    a round is two calls per hundred symbols.
    """
    if not is_open:
        return POLL_CLOSED_S
    if reads_per_minute is None:
        return POLL_UNLIMITED_S
    calls = 2 * -(-symbols // SYMBOLS_PER_CALL)
    return max(POLL_S, calls * 60.0 / (reads_per_minute * POLL_SHARE))


@dataclass(frozen=True, slots=True)
class Admission:
    """Which items may enter the store at a market moment. One bar from the future would hide all
    true ones that follow, in the store and in every buffer.
    """

    symbols: frozenset[str]
    now: datetime
    speed: float
    reading: ClockReading | None = None
    """The clock that tells which hours are of the session; None: bars of every hour may enter."""

    def is_wanted(self, item: Candle | Quote) -> bool:
        """Whether an item is of use: a bar from outside the session is sound, but not for us."""
        if self.reading is None or not isinstance(item, Candle):
            return True
        return RegularHours(self.reading).holds(item.start)

    def refusal(self, item: Candle | Quote) -> str | None:
        """Return why an item stays outside, None for one that may enter."""
        if item.symbol not in self.symbols:
            return "symbol that nobody asked for"
        ends_at = item.start + BAR_LENGTH if isinstance(item, Candle) else item.at
        ahead_s = (ends_at - self.now).total_seconds()
        if ahead_s > max(FUTURE_MARKET_S, FUTURE_REAL_S * self.speed):
            return "moment in the future"
        if isinstance(item, Candle) and (item.start.second or item.start.microsecond):
            return "bar that begins within a minute"
        return None


def daily_slot(now: datetime) -> tuple[date, bool]:
    """Return for which moment daily bars must be fetched: once per New York day, and once more
    shortly before its session, when everybody knows of the splits that it begins with.
    """
    local = now.astimezone(_NEW_YORK)
    return local.date(), local.time() >= SPLITS_KNOWN_AT


def trading_day(now: datetime) -> date:
    """Return the New York day of a moment."""
    return now.astimezone(_NEW_YORK).date()


def is_finished(start: datetime, now: datetime) -> bool:
    """Whether the minute that began at `start` is over."""
    return start + BAR_LENGTH <= now


def clock_went_back(before: datetime | None, now: datetime) -> bool:
    """Whether market time jumped back so far that it must be another market's."""
    return before is not None and now < before - BAR_LENGTH
