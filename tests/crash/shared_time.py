"""One time for exchange, bot and operator: a page of memory that all processes of a worker see.

Only the venue moves it. The bot's waits go to the venue as questions, so that nothing in a
history depends on how fast the machine is.
"""

from __future__ import annotations

import mmap
import struct
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.support.exchange_venue import NOON

BOOT = "00000000-0000-0000-0000-00000000c4a5"
_MONOTONIC_BASE_S, _BOOTTIME_BASE_S = 1_000.0, 2_000.0
_LAYOUT = struct.Struct("<dqqq")
_COUNT = struct.Struct("<q")
LEAST_WAIT_S = 0.001
"""No machine waits for no time at all: who waits for a rounding error would do so for ever."""


class SharedPage:
    """Seconds since the history's beginning, and how the trade stream stands."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _LAYOUT.size + _COUNT.size)
        self.put(0.0, listening=True, gaps=1, news=0)

    def put(self, now_s: float, *, listening: bool, gaps: int, news: int) -> None:
        """Write everything."""
        _LAYOUT.pack_into(self._memory, 0, now_s, int(listening), gaps, news)

    def read(self) -> tuple[float, bool, int, int]:
        """Return the time, whether the stream listens, its gaps, and the events that wait."""
        now_s, listening, gaps, news = _LAYOUT.unpack_from(self._memory, 0)
        return now_s, bool(listening), gaps, news

    def note_refusal(self) -> None:
        """The bot's word that its disk refused a call; it may die before it could say more."""
        count = _COUNT.unpack_from(self._memory, _LAYOUT.size)[0]
        _COUNT.pack_into(self._memory, _LAYOUT.size, count + 1)

    def take_refusals(self) -> int:
        """Return how often it did since the last call."""
        count: int = _COUNT.unpack_from(self._memory, _LAYOUT.size)[0]
        _COUNT.pack_into(self._memory, _LAYOUT.size, 0)
        return count


class SharedClock:
    """shared.clock.Clock over the page; `ask` lets time pass, for those who may wait."""

    def __init__(
        self,
        page: SharedPage,
        begins_at: datetime = NOON,
        ask: Callable[[float], None] | None = None,
    ) -> None:
        self._page = page
        self._begins_at = begins_at
        self._ask = ask

    @property
    def elapsed_s(self) -> float:
        """Seconds since the history's beginning."""
        return self._page.read()[0]

    def monotonic_s(self) -> float:
        return _MONOTONIC_BASE_S + self.elapsed_s

    def boottime_s(self) -> float:
        return _BOOTTIME_BASE_S + self.elapsed_s

    def utc_now(self) -> datetime:
        return self._begins_at + timedelta(seconds=self.elapsed_s)

    def boot_id(self) -> str:
        return BOOT

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if self._ask is None:
            raise RuntimeError("only the bot waits; the venue moves the time itself")
        if not event.is_set():
            self._ask(max(LEAST_WAIT_S, timeout_s))
        return event.is_set()
