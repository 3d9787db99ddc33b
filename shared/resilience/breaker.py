"""A circuit breaker: after repeated failures calls of its lane fail at once for a while.

Reads, entries and safety have one each (lanes.py). That of safety only counts and tells: an exit
or a stop goes out even while everything fails (the money rule: what reduces risk is never blocked
by a failing check). The state is reported through a callback, so that this layer needs no log and
no health.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pybreaker

from shared.clock import Clock

FAILURES_MAX = 5
PAUSE_S = 2.0
_NEVER_BY_WALL_CLOCK_S = 10**8
"""pybreaker would end the pause by the wall clock, which may jump; we end it ourselves."""

OnChange = Callable[[str, str, str], None]
"""(name, old state, new state), states being closed, open and half-open."""


class _CallFailed(Exception):
    """Stands for a failed call inside pybreaker's count."""


class _Reporter(pybreaker.CircuitBreakerListener):
    def __init__(self, name: str, on_change: OnChange) -> None:
        self._name = name
        self._on_change = on_change

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,  # noqa: ARG002 - the library's signature
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self._on_change(self._name, old_state.name if old_state else "closed", new_state.name)


def _replay(failure: _CallFailed | None) -> None:
    if failure is not None:
        raise failure


class CallBreaker:
    """Counts outcomes after the call, so that no lock is held while the network is waited for."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        on_change: OnChange | None = None,
        failures_max: int = FAILURES_MAX,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.name = name
        self._clock = clock
        self._pause_s = pause_s
        self._opened_at_s = 0.0
        listeners = [_Reporter(name, on_change)] if on_change is not None else []
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failures_max, reset_timeout=_NEVER_BY_WALL_CLOCK_S, listeners=listeners
        )

    @property
    def state(self) -> str:
        """`closed` (calls pass), `open` (they fail at once) or `half-open` (one is tried)."""
        return str(self._breaker.current_state)

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return int(self._breaker.fail_counter)

    @property
    def left_s(self) -> float:
        """Seconds of the pause that are left; 0 when none runs."""
        if self.state != pybreaker.STATE_OPEN:
            return 0.0
        return max(0.0, self._opened_at_s + self._pause_s - self._clock.monotonic_s())

    def wait_s(self) -> float:
        """Seconds until the next call may be tried; 0 when it may be tried now."""
        left_s = self.left_s
        if left_s == 0 and self.state == pybreaker.STATE_OPEN:
            self._breaker.half_open()
        return left_s

    def succeeded(self) -> None:
        """Count an answered call; any answer proves that the other side lives."""
        if self.state == pybreaker.STATE_OPEN:
            self._breaker.half_open()
        self._count(None)

    def failed(self) -> None:
        """Count a call that found nobody, broke off, or met a server error."""
        was_open = self.state == pybreaker.STATE_OPEN
        self._count(_CallFailed())
        if not was_open and self.state == pybreaker.STATE_OPEN:
            self._opened_at_s = self._clock.monotonic_s()

    def _count(self, failure: _CallFailed | None) -> None:
        with suppress(_CallFailed, pybreaker.CircuitBreakerError):
            self._breaker.call(_replay, failure)
