"""Where feeds deliver: a buffer in memory that the loop empties into market.db in batches."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from services.data_daemon.plan import (
    BAR_LENGTH,
    BARS,
    DRIFTS_MIN,
    PRICE_DOORS,
    QUOTES,
    Admission,
    BrokenItem,
    is_drifting,
)
from shared.clock import Clock
from shared.models.market import Candle, Quote
from shared.telemetry.logs import log_event

CANDLES_MAX = 200_000
"""While the store cannot be written; what is lost beyond is fetched again."""
SAMPLES_PER_REASON = 10
REASONS_MAX = 200
"""Kinds of refusals that are counted apart; a flood of new ones counts as one."""

log = logging.getLogger("data-daemon")


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since the last batch: every candle, and the newest quote of each symbol."""

    candles: tuple[Candle, ...]
    quotes: tuple[Quote, ...]


class StoreSink:
    """shared.ports.FeedSink, safe to be called from the feeds' threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._candles: list[tuple[str, Candle]] = []
        self._quotes: dict[str, tuple[str, Quote]] = {}
        self._last_at: dict[str, datetime] = {}
        self._status: dict[str, tuple[str, str]] = {}
        self._has_lost_bars = False
        self._told: dict[str, tuple[str, ...]] = {}
        self._broken: list[BrokenItem] = []
        self._broke = ""
        self.counts: Counter[str] = Counter()
        """Items taken and dropped, by `candles`, `quotes` and `dropped <reason>`."""

    def candle(self, feed: str, candle: Candle) -> None:
        """Take one finished bar."""
        with self._lock:
            self.counts["candles"] += 1
            if len(self._candles) < CANDLES_MAX:
                self._candles.append((feed, candle))
            else:
                self._has_lost_bars = True

    def quote(self, feed: str, quote: Quote) -> None:
        """Take one quote; an older one than known changes nothing."""
        with self._lock:
            self.counts["quotes"] += 1
            known = self._quotes.get(quote.symbol)
            if known is None or quote.at >= known[1].at:
                self._quotes[quote.symbol] = feed, quote

    def dropped(self, feed: str, reason: str, raw: str) -> None:
        """Take note of what broke its contract before it was an item."""
        if feed in PRICE_DOORS:
            with self._lock:
                broken = BrokenItem(self._clock.monotonic_s(), self._items)
                self._broken = [*self._broken, broken][-DRIFTS_MIN:]
                self._broke = f"{feed}: {reason}"
        self._drop(feed, reason, raw)

    def drift(self) -> str:
        """Return what breaks its contract again and again, empty for nothing."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            return self._broke if is_drifting(self._broken, now_s, self._items) else ""

    @property
    def _items(self) -> int:
        return sum(self.counts[each] for each in ("candles", "quotes", "dropped"))

    def _drop(self, feed: str, reason: str, raw: str) -> None:
        """Count it; the first ten of each reason are logged in full."""
        with self._lock:
            self.counts["dropped"] += 1
            key = f"dropped {reason}"
            if key not in self.counts and len(self.counts) >= REASONS_MAX:
                key = "dropped for other reasons"
            self.counts[key] += 1
            is_sample = self.counts[key] <= SAMPLES_PER_REASON
        if is_sample:
            log_event(
                log,
                "item_dropped",
                f"{feed}: {reason}",
                level=logging.WARNING,
                feed=feed,
                raw=raw,
                failure_class="SCHEMA",
            )

    def status(self, feed: str, state: str, reason: str) -> None:
        """Note how the connection of a feed is."""
        with self._lock:
            self._status[feed] = (state, reason)

    def link_of(self, feed: str) -> tuple[str, str]:
        """Return the connection's state and reason as last noted."""
        with self._lock:
            return self._status.get(feed, ("connecting", "not started"))

    def last_at(self, feed: str) -> datetime | None:
        """Return the market time up to which a feed has brought data."""
        with self._lock:
            return self._last_at.get(feed)

    def take(self, admission: Admission | None = None) -> Batch:
        """Return what came and may enter, and begin a new batch; what may not is dropped."""
        with self._lock:
            candles, self._candles = self._candles, []
            quotes, self._quotes = self._quotes, {}
        entering = [c for feed, c in candles if self._enters(feed, c, admission)]
        newest = [q for feed, q in quotes.values() if self._enters(feed, q, admission)]
        with self._lock:
            for candle in entering:
                self._note(BARS, candle.start + BAR_LENGTH)
            for quote in newest:
                self._note(QUOTES, quote.at)
        return Batch(tuple(entering), tuple(newest))

    def _enters(self, feed: str, item: Candle | Quote, admission: Admission | None) -> bool:
        if admission is not None and not admission.is_wanted(item):
            self.counts["outside the session"] += 1
            return False
        reason = admission.refusal(item) if admission is not None else None
        if reason is not None:
            self._drop(feed, reason, repr(item))
        return reason is None

    def is_news(self, subject: str, words: tuple[str, ...]) -> bool:
        """Return whether that differs from what was told of the subject before; nothing at first
        is no news.
        """
        with self._lock:
            before = self._told.get(subject, ())
            self._told[subject] = words
        return words != before

    def lost_bars(self) -> bool:
        """Return whether bars were lost for want of room since the last call."""
        with self._lock:
            lost, self._has_lost_bars = self._has_lost_bars, False
        return lost

    def give_back(self, batch: Batch) -> None:
        """Put a batch back that could not be written; newer items win."""
        with self._lock:
            candles = [*((BARS, candle) for candle in batch.candles), *self._candles]
            self._has_lost_bars |= len(candles) > CANDLES_MAX
            self._candles = candles[-CANDLES_MAX:]
            older = {quote.symbol: (QUOTES, quote) for quote in batch.quotes}
            self._quotes = older | self._quotes

    def forget(self) -> None:
        """Drop everything: it belongs to another market."""
        with self._lock:
            self._candles = []
            self._quotes = {}
            self._last_at = {}

    def _note(self, feed: str, at: datetime) -> None:
        known = self._last_at.get(feed)
        if known is None or at > known:
            self._last_at[feed] = at
