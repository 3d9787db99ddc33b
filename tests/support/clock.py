"""A clock that moves only when a test says so."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at a fixed moment; `advance` moves all three readings together."""

    def __init__(self, now: datetime = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)) -> None:
        self._start = now
        self._elapsed_s = 0.0
        self.boot = "00000000-0000-0000-0000-000000000001"

    def advance(self, seconds: float) -> None:
        self._elapsed_s += seconds

    def monotonic_s(self) -> float:
        return 1_000.0 + self._elapsed_s

    def boottime_s(self) -> float:
        return 2_000.0 + self._elapsed_s

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def boot_id(self) -> str:
        return self.boot

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if not event.is_set():
            self.advance(max(0.0, timeout_s))
        return event.is_set()
