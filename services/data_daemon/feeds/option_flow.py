"""Option flow, asked for in rounds: in a thread of its own, or once per lock-step turn.

A vendor that is away costs no price and no bar: what was known stays, and the feed says that it
is stale. Rounds keep within the token's minute and day.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.data_daemon.flow_plan import (
    FlowFacts,
    FlowScope,
    admitted_flow,
    advanced,
    retry_pause_s,
    tide_is_due,
)
from shared.clock import Clock
from shared.contracts.drift import SchemaDrift
from shared.errors import ConfigFault, SystemFault
from shared.models.flow import Cursors, FlowBatch
from shared.persistence.market_writer import MarketStoreWriter
from shared.ports import FeedSink
from shared.telemetry.logs import log_event
from shared.vendors.unusual_whales import UnusualWhales
from shared.vendors.unusual_whales_budget import day_left_s, pause_s

CALLS_PER_ROUND = 3
"""At most; most rounds leave the tide out."""
TIDE_EVERY = timedelta(minutes=5)
CLOSED_PAUSE_S = 60.0
BROKEN_PAUSE_S = 60.0
WAITING_MAX = 20_000
"""Rows that wait for a store that refuses; until they are taken nothing more is asked."""
LOOK_S = 0.5

log = logging.getLogger("data-daemon")


@dataclass(frozen=True, slots=True)
class MarketView:
    """The market as a round needs it."""

    scope: FlowScope
    is_open: bool
    tide_every: timedelta = TIDE_EVERY
    """Market time between two questions for the tide, which moves slowly and costs much."""
    prints_each_round: bool = True
    """Whether prints are asked for more often than the tide."""


class OptionFlow:
    """Rounds of questions to Unusual Whales. `view` says what the market is now, None while its
    time is unknown; then nothing is asked.
    """

    def __init__(
        self,
        whales: UnusualWhales,
        clock: Clock,
        view: Callable[[], MarketView | None],
        sink: FeedSink,
    ) -> None:
        self._whales = whales
        self._clock = clock
        self._view = view
        self._sink = sink
        self._lock = threading.Lock()
        self._waiting = FlowBatch()
        self._cursors = Cursors()
        self._generation = 0
        self._tide_at: datetime | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.facts = FlowFacts()

    def begin(self, cursors: Cursors, *, is_new_market: bool) -> None:
        """Go on from what the store knows; of another market nothing is kept."""
        with self._lock:
            self._cursors = cursors
            if is_new_market:
                self._waiting = FlowBatch()
                self._generation += 1
                self._tide_at = None
                self.facts = FlowFacts()

    def start(self) -> None:
        """Begin asking in a thread of its own; once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="option-flow", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End within the timeout."""
        self._stop.set()
        self._whales.close()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def deliver(self, store: MarketStoreWriter) -> None:
        """Write what came since the last call, from the thread that owns the store. What the disk
        refuses is kept; raises as the store does.
        """
        with self._lock:
            batch, self._waiting = self._waiting, FlowBatch()
        if not batch:
            return
        try:
            store.put_flow(batch)
        except SystemFault:
            with self._lock:
                self._waiting = batch.joined(self._waiting)
            raise

    def round(self) -> float:
        """Ask once for everything that is new; never raises. Returns the pause until the next."""
        view = self._view()
        with self._lock:
            cursors, generation = self._cursors, self._generation
            is_full = len(self._waiting.alerts) + len(self._waiting.prints) > WAITING_MAX
        if view is None or is_full:
            return LOOK_S
        try:
            with_tide = tide_is_due(self._tide_at, view.scope.now, view.tide_every)
            batch = self._whales.everything(
                cursors, with_prints=with_tide or view.prints_each_round, with_tide=with_tide
            )
        except SystemFault as fault:
            return self._failed(fault)
        return self._served(view, batch, generation)

    def _served(self, view: MarketView, batch: FlowBatch, generation: int) -> float:
        entering, refused = admitted_flow(batch, view.scope)
        for words in refused:
            self._sink.dropped("flow", "moment in the future", words)
        with self._lock:
            if generation == self._generation:
                self._waiting = self._waiting.joined(entering)
                self._cursors = advanced(self._cursors, batch, view.scope)
                self._tide_at = view.scope.now if batch.tide else self._tide_at
                newest = self._cursors.alerts
                self.facts = FlowFacts(0, "", self._clock.monotonic_s(), newest)
        if not view.is_open:
            return CLOSED_PAUSE_S
        ends_in_s = day_left_s(self._clock.utc_now())
        return pause_s(self._whales.budget, CALLS_PER_ROUND, ends_in_s)

    def _failed(self, fault: SystemFault) -> float:
        with self._lock:
            facts = self.facts
            failed = facts.failed_rounds + 1
            self.facts = replace(
                facts,
                failed_rounds=failed,
                reason=str(fault),
                is_refused=isinstance(fault, ConfigFault),
            )
        if failed == 1:
            log_event(
                log,
                "flow_round_failed",
                str(fault),
                level=logging.WARNING,
                failure_class=str(fault.failure_class),
            )
        asked_s = self._whales.asked_to_wait_s
        return retry_pause_s(failed, asked_s, is_refused=isinstance(fault, ConfigFault))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                pause = self.round()
            except Exception:
                # Nobody restarts this thread: a defect of ours costs a round, no more.
                log.exception("a round of option flow broke", extra={"event": "flow_broken"})
                pause = BROKEN_PAUSE_S
            self._clock.wait(self._stop, pause)


def note_drop(sink: FeedSink) -> Callable[[str, SchemaDrift], None]:
    """Return what counts and logs the rows of a feed that break their contract."""

    def drop(feed: str, drift: SchemaDrift) -> None:
        field = drift.path.partition("].")[2] or drift.path
        sink.dropped(feed, f"{field} is not {drift.promise}", f"{drift.path}: {drift.found}")

    return drop


def cursors_of(newest: Callable[[str], datetime | None]) -> Cursors:
    """Return from where to go on, by what the store holds."""
    return Cursors(alerts=newest("flow"), prints=newest("prints"))
