"""The loop for a lock-step replay: each finished minute is fetched, stored, and reported done.

The exchange waits for us; so a minute is repeated until it is stored, however long that takes,
and nothing is ever skipped.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from services.data_daemon.feeds.alpaca_rest import AlpacaRest
from services.data_daemon.feeds.option_flow import MarketView, OptionFlow, cursors_of
from services.data_daemon.flow_plan import FlowScope, judge_flow
from services.data_daemon.identity import MarketIdentity, absent_symbols
from services.data_daemon.loop import prepare_store, status_of
from services.data_daemon.plan import (
    BAR_LENGTH,
    BARS,
    CLOSED,
    LIVE,
    QUOTES,
    Admission,
    Verdict,
    telling_absent,
    telling_drift,
)
from services.data_daemon.reporter import Reporter
from services.data_daemon.sink import StoreSink
from services.data_daemon.wiring import Parts
from shared.errors import SystemFault
from shared.persistence.market_rows import FeedStatus
from shared.ports import Turn

TURN_TIMEOUT_S = 1.0
RETRY_S = 0.5
PRUNE_EVERY_MINUTES = 2_000
FLOW_EVERY_MINUTES = 15
FLOW_PATIENCE_S = 10.0
"""Longer than a restart of the exchange: its death may cost time, but no flow and no decision."""
TIDE_EVERY = timedelta(minutes=30)
"""By market time, so that every run asks at the same minutes; a replay waits for each answer."""


class LockStepLoop:
    """Follows a market that waits after each minute."""

    def __init__(self, parts: Parts, sink: StoreSink, reporter: Reporter) -> None:
        self._parts = parts
        self._sink = sink
        self._reporter = reporter
        self._rest = AlpacaRest(parts.rest, parts.calendar, parts.store, sink)
        self._identity: MarketIdentity | None = None
        self._is_sure = False
        """Whether nothing happened since the market was last identified."""
        self._minutes = 0
        self._next_minute: datetime | None = None
        """The one that most likely follows; other reads are asked for when they are made."""
        parts.alongside.wanted = self._next_reads
        self._turn: Turn | None = None
        self._flow_retry_at_s = float("-inf")
        self._flow = parts.open_flow(self._market_view, sink)

    def run(self, stop: threading.Event) -> None:
        """Turn until stopped. Raises ConfigFault for keys that stay refused."""
        clock = self._parts.market_clock
        while not stop.is_set():
            turn = clock.next_turn(stop, TURN_TIMEOUT_S)
            fault: SystemFault | None = getattr(clock, "last_fault", None)
            if turn is None and fault is not None:
                self._is_sure = False
                self._reporter.turn("DEGRADED", self._reporter.met(fault))
            elif turn is None or turn.minute is None:
                self._idle(turn, stop)
            else:
                self._finish(turn, stop)

    def _idle(self, turn: Turn | None, stop: threading.Event) -> None:
        """Nothing to do: the bot works on its minute, or the replay has ended."""
        has_ended = turn is not None and turn.ended
        self._reporter.turn("OK", "the replay has ended" if has_ended else "")
        if has_ended:
            self._parts.clock.wait(stop, RETRY_S)

    def _finish(self, turn: Turn, stop: threading.Event) -> None:
        """Store the minute; tries until it succeeds or we are stopped."""
        while not stop.is_set():
            try:
                self._store_minute(turn, stop)
            except SystemFault as fault:
                self._is_sure = False
                self._reporter.turn("DEGRADED", self._reporter.met(fault))
                self._parts.clock.wait(stop, RETRY_S)
            else:
                self._reporter.served()
                self._reporter.turn("OK", "")
                return

    def _store_minute(self, turn: Turn, stop: threading.Event) -> None:
        minute = turn.minute
        if minute is None:
            return
        if not self._is_sure:
            self._meet_market(turn)
        now = turn.reading.now
        while not self._rest.fetch_some(turn.reading):
            # A beat per piece: a long history is work, not a hanging process.
            self._reporter.turn("DEGRADED", f"fetching history, {self._rest.missing} left")
        self._rest.fetch_minute(minute)
        symbols = frozenset(self._identity.symbols) if self._identity is not None else frozenset()
        admission = Admission(symbols, now, self._parts.speed, turn.reading)
        batch = self._sink.take(admission)
        state = LIVE if turn.reading.is_open else CLOSED
        identity = self._identity
        absent = absent_symbols(identity, self._rest.absent, self._sink) if identity else ()
        told = [telling_absent(Verdict(feed, state, "", now), absent) for feed in (BARS, QUOTES)]
        drift = self._sink.drift()
        feeds = [status_of(telling_drift(verdict, drift)) for verdict in told]
        feeds += self._flow_of(turn, stop)
        try:
            self._parts.store.write(batch.candles, batch.quotes, feeds, minute)
        except SystemFault:
            self._sink.give_back(batch)
            raise
        self._minutes += 1
        self._next_minute = minute + BAR_LENGTH
        if self._minutes % PRUNE_EVERY_MINUTES == 0:
            self._parts.store.prune(now)

    def _next_reads(self) -> list[str]:
        minute = self._next_minute
        return self._rest.addresses_of_minute(minute) if minute is not None else []

    def _flow_of(self, turn: Turn, stop: threading.Event) -> list[FeedStatus]:
        """Store the flow of the minute, in step with its bars; return how the feed is."""
        if self._flow is None:
            return []
        self._turn = turn
        now_s = self._parts.clock.monotonic_s()
        is_due = turn.minute is not None and turn.minute.minute % FLOW_EVERY_MINUTES == 0
        if is_due and now_s >= self._flow_retry_at_s:
            self._ask_for_flow(self._flow, stop)
        self._flow.deliver(self._parts.store)
        return [status_of(judge_flow(self._flow.facts, turn.reading, now_s))]

    def _ask_for_flow(self, flow: OptionFlow, stop: threading.Event) -> None:
        """Ask until it is served: a round missed would be another decision. But the market never
        waits long for a vendor who is away, and not at all for one who refuses.
        """
        clock = self._parts.clock
        begun_s, pause_s = clock.monotonic_s(), flow.round()
        while flow.facts.failed_rounds and not stop.is_set():
            if flow.facts.is_refused or clock.monotonic_s() - begun_s > FLOW_PATIENCE_S:
                self._flow_retry_at_s = clock.monotonic_s() + pause_s
                return
            self._reporter.turn("DEGRADED", f"flow: {flow.facts.reason}")
            clock.wait(stop, RETRY_S)
            pause_s = flow.round()

    def _market_view(self) -> MarketView | None:
        if self._turn is None or self._identity is None:
            return None
        symbols = frozenset(self._identity.symbols)
        reading = self._turn.reading
        return MarketView(FlowScope(symbols, reading.now, 1.0), reading.is_open, TIDE_EVERY, False)

    def _meet_market(self, turn: Turn) -> None:
        identity = self._parts.read_identity()
        prepare_store(self._parts, identity, turn.reading.now, self._sink)
        if self._flow is not None:
            is_new = identity != self._identity
            self._flow.begin(cursors_of(self._parts.store.newest_flow), is_new_market=is_new)
        if identity != self._identity:
            self._rest.begin(identity.symbols)
        self._identity = identity
        self._is_sure = True
