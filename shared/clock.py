"""The only place that knows the time. Everything else is handed a Clock.

Three readings, never mixed:
- `monotonic_s` rules watchdogs, timeouts, backoff and approvals inside one process;
- `boottime_s` together with `boot_id` rules ages that cross processes (files, commands);
- `utc_now` is for people and for stamps that a broker understands.
Market time (the broker's clock) is another thing: see MarketClock in shared/ports.py.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Real time, injected."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps; only differences mean something."""

    def boottime_s(self) -> float:
        """Seconds since boot, sleep included; comparable between processes of one boot."""

    def utc_now(self) -> datetime:
        """Wall time, timezone-aware UTC."""

    def boot_id(self) -> str:
        """Identity of the running boot; ages are only valid within one."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait for the event at most `timeout_s` seconds; True when it was set."""


@lru_cache(maxsize=1)
def _kernel_boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class SystemClock:
    """The machine's own clocks."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def boottime_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def utc_now(self) -> datetime:
        return datetime.now(UTC)

    def boot_id(self) -> str:
        return _kernel_boot_id()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(max(0.0, timeout_s))


def utc_text(moment: datetime) -> str:
    """Write a moment as ISO 8601 UTC with milliseconds and `Z`, as all our files do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{moment.microsecond // 1000:03d}Z"
    )


def parse_utc(text: str) -> datetime:
    """Read an ISO 8601 stamp (up to nine fraction digits, `Z` or an offset) as UTC.

    Raises ValueError when the text is no timezone-aware stamp.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time stamp {text!r} has no timezone; write it with Z or an offset")
    return moment.astimezone(UTC)


def thread_cpu_s() -> float:
    """Seconds of processor time that this thread has used; only differences mean something."""
    return time.thread_time()
