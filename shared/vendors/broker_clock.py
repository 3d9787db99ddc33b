"""Market time by the broker's clock, carried forward between two looks at it.

Between looks the machine's monotonic clock carries the time on, multiplied by the speed of the
simulated market. A look is repeated regularly and whenever the session opens or closes; when
the broker cannot be asked, the time is soon called unknown, because a simulated market stands
still while its exchange is down.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.clock import Clock
from shared.errors import SystemFault, TransientFault
from shared.models.broker import ClockReading
from shared.ports import Turn

TURN_MARKET_S = 5.0
TURN_FLOOR_S = 0.25
"""Clock B: five seconds of market time, but never more often than this in real time."""


@dataclass(frozen=True, slots=True)
class ClockPace:
    """How fast market time runs and how often the broker is asked, in real seconds."""

    speed: float
    look_every_s: float
    trusted_for_s: float
    """Without a successful look for so long, the time counts as unknown."""


REAL_PACE = ClockPace(speed=1.0, look_every_s=15.0, trusted_for_s=60.0)


def simulated_pace(speed: float) -> ClockPace:
    """Return the pace of a simulated market, whose time stops when the exchange does."""
    return ClockPace(speed=speed, look_every_s=2.0, trusted_for_s=5.0)


class BrokerMarketClock:
    """shared.ports.MarketClock over the broker's GET /v2/clock."""

    def __init__(self, look: Callable[[], ClockReading], pace: ClockPace, clock: Clock) -> None:
        self._look = look
        self._pace = pace
        self._clock = clock
        self._lock = threading.Lock()
        self._base: ClockReading | None = None
        self._base_at_s = 0.0
        self._tried_at_s = float("-inf")
        self._turn_at_s = float("-inf")
        self.last_fault: SystemFault | None = None
        """Why the last look failed; None when it succeeded."""

    def reading(self) -> ClockReading:
        """Return market time now; raises SystemFault when it cannot be known."""
        with self._lock:
            return self._carried_or_looked()

    def next_turn(self, stop: threading.Event, timeout_s: float) -> Turn | None:
        """Wait until clock B strikes; None on stop, on timeout, or while the time is unknown
        (`last_fault` says why). Never raises.
        """
        period_s = max(TURN_FLOOR_S, TURN_MARKET_S / self._pace.speed)
        wait_s = max(0.0, self._turn_at_s + period_s - self._clock.monotonic_s())
        if self._clock.wait(stop, min(wait_s, timeout_s)) or wait_s > timeout_s:
            return None
        self._turn_at_s = self._clock.monotonic_s()
        try:
            return Turn(self.reading(), None)
        except SystemFault:
            return None

    def _carried_or_looked(self) -> ClockReading:
        now_s = self._clock.monotonic_s()
        age_s = now_s - self._base_at_s
        carried, is_past_turning = self._carried(now_s)
        if carried is not None and not is_past_turning and age_s < self._pace.look_every_s:
            return carried
        # While the broker is silent, or slow to turn its sign, a look now and then is enough.
        if now_s - self._tried_at_s >= TURN_FLOOR_S:
            self._tried_at_s = now_s
            try:
                return self._looked()
            except SystemFault as fault:
                self.last_fault = fault
                # A silent broker took its time: what was young when the look began may be old.
                now_s = self._clock.monotonic_s()
                age_s = now_s - self._base_at_s
                carried, _ = self._carried(now_s)
        if carried is not None and age_s < self._pace.trusted_for_s:
            return carried
        raise self.last_fault or TransientFault("the broker's clock has not been read yet")

    def _looked(self) -> ClockReading:
        before_s = self._clock.monotonic_s()
        reading = self._look()
        # The broker wrote its time somewhere between question and answer; the middle is fair.
        self._base_at_s = (before_s + self._clock.monotonic_s()) / 2
        self._base = reading
        self.last_fault = None
        return reading

    def _carried(self, now_s: float) -> tuple[ClockReading | None, bool]:
        """Return the last look carried to now, and whether a session began or ended since: then
        time is held just before that moment until the broker has said what follows.
        """
        base = self._base
        if base is None:
            return None, False
        moment = base.now + timedelta(seconds=(now_s - self._base_at_s) * self._pace.speed)
        turning_point = base.next_close if base.is_open else base.next_open
        if moment < turning_point:
            return replace(base, now=moment), False
        return replace(base, now=max(base.now, turning_point - timedelta(microseconds=1))), True
