"""One refreshed picture of everything, and the hub that hands it to page, API and streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from services.dashboard.documents import Reading
from services.dashboard.views import PageView, page_view
from shared.clock import Clock
from shared.health.judge import Judgement, judge_document

SECTIONS = (
    "bar",
    "verdict",
    "account",
    "positions",
    "services",
    "curve",
    "limits",
    "incidents",
    "protection",
    "feeds",
    "breakers",
    "budgets",
    "orders",
    "trades",
    "denials",
    "strategies",
    "drills",
)
"""The parts of the page that change by themselves; each is templates/sections/NAME.html."""


@dataclass(frozen=True)
class Snapshot:
    """One reading, judged."""

    number: int
    """Rises by one with each refresh."""
    reading: Reading
    judgement: Judgement
    configured_mode: str
    fragments: Mapping[str, str] = field(default_factory=dict)
    """Section to its HTML; empty when nobody listens to the stream."""
    told: dict[int, tuple[Mapping[str, str], str]] = field(default_factory=dict)
    """What streams were told that had seen those sections before."""

    @cached_property
    def view(self) -> PageView:
        """The page's values. Most answers need none: the curve alone costs more than they do."""
        return page_view(self.reading, self.judgement, self.configured_mode)

    def news_since(self, seen: Mapping[str, str]) -> str:
        """Return the sections that differ from those seen before, as JSON; empty when none does.

        Made once for all streams that have seen the same: two hundred cost what one does.
        """
        before, news = self.told.get(id(seen), (None, ""))
        if before is not seen:
            changed = {
                name: text for name, text in self.fragments.items() if seen.get(name) != text
            }
            news = json.dumps(changed) if changed else ""
            self.told[id(seen)] = (seen, news)
        return news


class SnapshotMaker:
    """Turns readings into snapshots. Blocking; lives in the reader's thread."""

    def __init__(
        self,
        read: Callable[[], Reading],
        render_section: Callable[[str, PageView], str],
        configured_mode: str,
    ) -> None:
        self._read = read
        self._render_section = render_section
        self._mode = configured_mode
        self._number = 0

    def make(self, *, with_fragments: bool) -> Snapshot:
        """Read and judge everything anew; view it when somebody listens."""
        reading = self._read()
        judgement = judge_document(
            reading.health, boot_id=reading.boot_id, boottime_s=reading.boottime_s
        )
        self._number += 1
        fragments: dict[str, str] = {}
        snapshot = Snapshot(self._number, reading, judgement, self._mode, fragments)
        if with_fragments:
            view = snapshot.view
            fragments.update((name, self._render_section(name, view)) for name in SECTIONS)
        return snapshot


class Hub:
    """Holds the newest snapshot and wakes the streams; lives in the event loop's thread.

    A slow stream never holds anything up: it just finds a newer snapshot when it comes back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: Snapshot | None = None
        self._changed = asyncio.Event()
        self.listeners = 0
        self.is_closed = False

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot as it was made; None before the first."""
        return self._latest

    def publish(self, snapshot: Snapshot) -> None:
        """Take a newer snapshot and wake every stream."""
        self._latest = snapshot
        self._wake()

    def close(self) -> None:
        """End every stream."""
        self.is_closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def after(self, number: int) -> Snapshot | None:
        """Wait for a snapshot newer than that number; None when the hub has closed."""
        while not self.is_closed:
            if self._latest is not None and self._latest.number > number:
                return self._latest
            await self._changed.wait()
        return None

    def now(self) -> Snapshot | None:
        """Return the newest snapshot, its ages and verdict judged at this very moment.

        A refresh that hangs therefore turns every answer red by itself.
        """
        latest = self._latest
        if latest is None:
            return None
        reading = replace(
            latest.reading, at=self._clock.utc_now(), boottime_s=self._clock.boottime_s()
        )
        judgement = judge_document(
            reading.health, boot_id=reading.boot_id, boottime_s=reading.boottime_s
        )
        return replace(latest, reading=reading, judgement=judgement)
