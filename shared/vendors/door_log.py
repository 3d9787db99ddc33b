"""What the doors write into the log: breakers that move, and calls that came to nothing."""

from __future__ import annotations

import logging
import threading

from shared.clock import Clock
from shared.errors import FailureClass
from shared.resilience.door_rules import FailedCall
from shared.telemetry.logs import log_event

AGAIN_AFTER_S = 60.0
"""The same failure is told once in so many real seconds, with the number of its repetitions."""
KEYS_MAX = 200
log = logging.getLogger("door")


def log_breaker(name: str, old: str, new: str) -> None:
    """Tell that a breaker moved."""
    log_event(log, "breaker", f"breaker {name}: {old} → {new}", breaker=name, state=new)


class DoorLog:
    """Tells of failed calls through one door, each kind of failure at once and then rarely.

    Refusals that the broker meant (RISK) are the caller's to tell: he knows what he asked for.
    """

    def __init__(self, door: str, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def failed(self, call: FailedCall) -> None:
        """Tell of one call."""
        verdict = call.verdict
        if verdict.failure_class is FailureClass.RISK:
            return
        repeated = self._repetitions(call.call.partition(" ")[0], verdict.code)
        if repeated is None:
            return
        log_event(
            log,
            "call_failed",
            f"{call.call}: {verdict.code} ({verdict.message})",
            level=logging.WARNING,
            failure_class=str(verdict.failure_class),
            vendor_error=str(verdict.vendor_error),
            door=self._door,
            attempts=call.attempts,
            took_s=round(call.took_s, 3),
            request_id=call.request_id,
            repeated=repeated,
        )

    def _repetitions(self, verb: str, code: str) -> int | None:
        """Return how often this was left untold since it was told; None: leave it untold again."""
        key, now_s = (verb, code), self._clock.monotonic_s()
        with self._lock:
            told_at_s, untold = self._told.get(key, (float("-inf"), 0))
            if now_s - told_at_s < AGAIN_AFTER_S:
                self._told[key] = told_at_s, untold + 1
                return None
            if len(self._told) < KEYS_MAX or key in self._told:
                self._told[key] = now_s, 0
            return untold
