"""The loop of data-daemon: gather, judge (plan.py), write, report; a tenth of a second long.

Nothing that happens outside ends it but refused keys: an exchange that is away, a stream that
is silent and a disk that is full are reported and waited for.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from services.data_daemon.feeds.alpaca_rest import AlpacaRest
from services.data_daemon.feeds.alpaca_stream_feed import AlpacaStreamFeed
from services.data_daemon.feeds.option_flow import MarketView, cursors_of
from services.data_daemon.flow_plan import FlowScope, judge_flow
from services.data_daemon.identity import MarketIdentity, absent_symbols
from services.data_daemon.plan import (
    BARS,
    GAP_MARGIN,
    QUOTES,
    Admission,
    BackfillFacts,
    FeedFacts,
    MarketFacts,
    Verdict,
    backfill_reason,
    clock_went_back,
    gap_since,
    judge_feeds,
    judge_health,
    poll_pause_s,
    seen_open_since,
)
from services.data_daemon.reporter import Reporter
from services.data_daemon.sink import Batch, StoreSink
from services.data_daemon.wiring import Parts
from shared.clock import utc_text
from shared.errors import SystemFault, TransientFault
from shared.models.broker import ClockReading
from shared.persistence.market_rows import FeedStatus
from shared.telemetry.logs import log_event

PASS_S = 0.1
RETRY_S = 1.0
STATUS_EVERY_S = 1.0
PRUNE_EVERY_S = 600.0
FETCH_S = 0.5
"""So long one pass may fetch history, each call besides bounded by its own deadline."""
POLLED_S = 3
"""Rounds of polling after which their absence counts."""
FEED_STOP_S = 2.0
DATA_DUE_REAL_S, DATA_DUE_MARKET_S = 5.0, 30.0
"""In an open market the stream is never silent for longer than both of these."""

log = logging.getLogger("data-daemon")


@dataclass(slots=True)
class _Memory:
    """What the loop remembers between passes."""

    identity: MarketIdentity | None = None
    feed: AlpacaStreamFeed | None = None
    feed_since_s: float = 0.0
    reading: ClockReading | None = None
    """None while market time is unknown."""
    last_now: datetime | None = None
    """The last market time that was known."""
    open_since: datetime | None = None
    live_since: datetime | None = None
    connection: int = 0
    filled_at: int | None = None
    retry_at_s: float = float("-inf")
    status_at_s: float = float("-inf")
    prune_at_s: float = float("-inf")
    poll_at_s: float = float("-inf")
    polled_until_s: float = float("-inf")
    """Until when the newest round of polling counts."""
    trouble: str | None = None
    store_trouble: str | None = None


class FreeRunningLoop:
    """Follows a market that runs by itself: the real one, or the simulated one at a speed."""

    def __init__(self, parts: Parts, sink: StoreSink, reporter: Reporter) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._sink = sink
        self._reporter = reporter
        self._rest = AlpacaRest(parts.rest, parts.calendar, parts.store, sink)
        self._memory = _Memory()
        self._flow = parts.open_flow(self._market_view, sink)

    def run(self, stop: threading.Event) -> None:
        """Turn until stopped. Raises ConfigFault for keys that stay refused."""
        try:
            while not stop.is_set():
                self._pass()
                self._clock.wait(stop, PASS_S)
        finally:
            if self._memory.feed is not None:
                self._memory.feed.stop(FEED_STOP_S)
            if self._flow is not None:
                self._flow.stop(FEED_STOP_S)
            self._write(())

    def _pass(self) -> None:
        memory = self._memory
        if self._clock.monotonic_s() >= memory.retry_at_s:
            memory.trouble = None
            try:
                self._gather()
            except SystemFault as fault:
                memory.trouble = self._reporter.met(fault)
                memory.retry_at_s = self._clock.monotonic_s() + RETRY_S
        market = self._market_facts()
        verdicts = judge_feeds(self._feed_facts(), market, self._absent(), self._sink.drift())
        if self._flow is not None:
            facts, now_s = self._flow.facts, self._clock.monotonic_s()
            verdicts.append(judge_flow(facts, market.reading, now_s))
        self._write(verdicts)
        trouble = memory.trouble or memory.store_trouble
        self._reporter.turn(*judge_health(verdicts, market, trouble))

    def _gather(self) -> None:
        """Learn the time and the market, and fetch what is missing. Raises SystemFault."""
        memory = self._memory
        memory.reading = None
        reading = self._parts.market_clock.reading()
        memory.reading = reading
        connection = memory.feed.connection if memory.feed is not None else 0
        is_other = clock_went_back(memory.last_now, reading.now)
        memory.last_now = reading.now
        if is_other:
            memory.filled_at = None  # a clock that was wrong may have made all of it look old
        if memory.identity is None or is_other or connection != memory.connection:
            self._meet_market(reading)
        memory.open_since = seen_open_since(memory.open_since, reading)
        self._follow_connection(reading)
        begun_s = self._clock.monotonic_s()
        while memory.filled_at is not None and not self._rest.fetch_some(reading):
            if self._clock.monotonic_s() - begun_s > FETCH_S:
                break  # the rest in the next pass, after a beat
        self._poll(reading)
        self._reporter.served()

    def _meet_market(self, reading: ClockReading) -> None:
        """Find out which market this is; another one than the store's begins with nothing."""
        memory, parts = self._memory, self._parts
        identity = parts.read_identity()
        if identity != memory.identity:
            if memory.feed is not None:
                memory.feed.stop(FEED_STOP_S)
            memory.feed = None
            memory.connection = 0
            memory.filled_at = None
            memory.open_since = None
            memory.live_since = None
        prepare_store(parts, identity, reading.now, self._sink)
        if self._flow is not None:
            is_new = identity != memory.identity
            self._flow.begin(cursors_of(parts.store.newest_flow), is_new_market=is_new)
            self._flow.start()
        if memory.feed is None:
            memory.feed = parts.open_feed(self._data_due_within_s)
            memory.feed.start(identity.symbols, self._sink)
            memory.feed_since_s = self._clock.monotonic_s()
        memory.identity = identity

    def _follow_connection(self, reading: ClockReading) -> None:
        memory = self._memory
        if memory.feed is None or memory.identity is None:
            return
        connection = memory.feed.connection
        if connection != memory.connection:
            memory.connection = connection
            if memory.feed.failed_tries == 0:
                # After a mute or broken one only data itself shows that this one lives.
                memory.live_since = reading.now
        waited_s = self._clock.monotonic_s() - memory.feed_since_s
        reason = backfill_reason(BackfillFacts(memory.filled_at, connection, waited_s))
        if reason is None and memory.filled_at is not None and self._sink.lost_bars():
            reason = "bars were lost for want of room"
        if reason is not None:
            self._plan_fetch(memory.identity, reading.now, reason)
            memory.filled_at = connection

    def _plan_fetch(self, identity: MarketIdentity, now: datetime, reason: str) -> None:
        """Plan what must be fetched: the gap since the newest bar, else all of the history."""
        is_first = self._memory.filled_at is None
        since = None if is_first else gap_since(self._sink.last_at(BARS), now)
        what = "all" if since is None else f"since {utc_text(since)}"
        words = f"fetching bars of {len(identity.symbols)} symbols ({what}): {reason}"
        log_event(log, "backfill", words)
        if since is None:
            self._rest.begin(identity.symbols)
        else:
            self._rest.refill(since)

    def _poll(self, reading: ClockReading) -> None:
        """Ask over REST for what the stream does not bring, within the budget. Refused keys, too,
        are found here, since a stream may refuse for other reasons. Raises SystemFault.
        """
        memory, now_s = self._memory, self._clock.monotonic_s()
        if memory.feed is None or memory.identity is None or memory.filled_at is None:
            return
        needs_help = memory.feed.needs_help(self._parts.speed, is_open=reading.is_open)
        if now_s < memory.poll_at_s or not needs_help:
            return
        pause_s = poll_pause_s(
            len(memory.identity.symbols), self._parts.reads_per_minute, is_open=reading.is_open
        )
        memory.poll_at_s = now_s + pause_s
        since = gap_since(self._sink.last_at(BARS), reading.now)
        self._rest.poll(since or reading.now - GAP_MARGIN, reading.now)
        memory.polled_until_s = now_s + POLLED_S * pause_s

    def _data_due_within_s(self) -> float | None:
        """Seconds of real time within which the stream must say something; None: may be silent."""
        reading = self._memory.reading
        if reading is None or not reading.is_open:
            return None
        return max(DATA_DUE_REAL_S, DATA_DUE_MARKET_S / self._parts.speed)

    def _market_facts(self) -> MarketFacts:
        memory = self._memory
        tries = memory.feed.failed_tries if memory.feed is not None else 0
        return MarketFacts(
            memory.reading, memory.open_since, memory.live_since, self._parts.speed, tries
        )

    def _feed_facts(self) -> list[FeedFacts]:
        if self._memory.feed is not None:
            self._memory.feed.report()
        is_polled = self._clock.monotonic_s() < self._memory.polled_until_s
        return [
            FeedFacts(feed, *self._sink.link_of(feed), self._sink.last_at(feed), is_polled)
            for feed in (QUOTES, BARS)
        ]

    def _absent(self) -> tuple[str, ...]:
        identity = self._memory.identity
        return absent_symbols(identity, self._rest.absent, self._sink) if identity else ()

    def _market_view(self) -> MarketView | None:
        """Return the market for the flow's thread; None while its time is unknown."""
        identity, reading = self._memory.identity, self._memory.reading
        if identity is None or reading is None:
            return None
        scope = FlowScope(frozenset(identity.symbols), reading.now, self._parts.speed)
        return MarketView(scope, reading.is_open)

    def _admission(self) -> Admission | None:
        identity, reading = self._memory.identity, self._memory.reading
        if identity is None or reading is None:
            return None
        return Admission(frozenset(identity.symbols), reading.now, self._parts.speed, reading)

    def _write(self, verdicts: list[Verdict] | tuple[Verdict, ...]) -> None:
        """Commit what came; what the disk refuses is kept for the next pass."""
        memory, now_s = self._memory, self._clock.monotonic_s()
        batch = self._sink.take(self._admission()) if memory.reading else Batch((), ())
        is_due = now_s - memory.status_at_s >= STATUS_EVERY_S
        feeds = [status_of(verdict) for verdict in verdicts] if is_due else []
        try:
            if self._flow is not None:
                self._flow.deliver(self._parts.store)
            if not (batch.candles or batch.quotes or feeds):
                return
            self._parts.store.write(batch.candles, batch.quotes, feeds)
            if is_due:
                memory.status_at_s = now_s
                self._parts.store.verify()
            if memory.reading and now_s - memory.prune_at_s >= PRUNE_EVERY_S:
                memory.prune_at_s = now_s
                self._parts.store.prune(memory.reading.now)
            memory.store_trouble = None
        except TransientFault as fault:
            self._sink.give_back(batch)
            memory.store_trouble = self._reporter.met(fault)


def prepare_store(parts: Parts, identity: MarketIdentity, now: datetime, sink: StoreSink) -> None:
    """Make the store this market's: empty it for another one, drop what lies in the future."""
    if parts.store.source() != identity.source:
        log_event(log, "new_market", f"the store begins anew for {identity.source}")
        parts.store.begin_source(identity.source)
        sink.forget()
    elif gone := parts.store.forget_after(now):
        log_event(log, "future_dropped", f"{gone} candles later than market time were dropped")


def status_of(verdict: Verdict) -> FeedStatus:
    """Return a verdict as the row that readers of the store see."""
    return FeedStatus(verdict.feed, verdict.state, verdict.reason, verdict.last_at, "market")
