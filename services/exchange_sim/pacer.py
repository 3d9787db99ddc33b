"""Turns real time into market time for a free-running exchange."""

from __future__ import annotations

from services.exchange_sim.exchange import STRETCH_S_MAX, Exchange
from shared.clock import Clock

REAL_SPEED = 1.0
CATCH_UP_S = 0.01
"""A request moves market time on when it is older than this."""


class Pacer:
    """Keeps the exchange's market time at real time times speed."""

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._last_s = clock.monotonic_s()

    def pulse(self) -> None:
        """Move on to now and carry out what was accepted."""
        self._exchange.advance(self._elapsed_s())

    def catch_up(self) -> None:
        """Move on to now before a request is answered, so that it sees fresh time."""
        if self._clock.monotonic_s() - self._last_s >= CATCH_UP_S:
            self._exchange.advance(self._elapsed_s(), carry_out=False)

    def _elapsed_s(self) -> float:
        now_s = self._clock.monotonic_s()
        elapsed_s = now_s - self._last_s
        if self._exchange.pace.speed == REAL_SPEED:
            # A market in real time keeps to the clock: what one advance cannot cover, because
            # the machine was busy, is made up for by the next ones.
            elapsed_s = min(elapsed_s, STRETCH_S_MAX)
            self._last_s += elapsed_s
        else:
            self._last_s = now_s
        return elapsed_s
