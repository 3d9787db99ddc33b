"""What data-daemon says of itself: beats to the supervisor, and when to give up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping

from shared.clock import Clock
from shared.errors import ConfigFault, SchemaFault, SystemFault
from shared.persistence.market_transaction import StoreDamaged
from shared.telemetry.logs import log_event
from shared.telemetry.notify import Beat, Notifier

CONFIRM_AFTER_S = 1.0
"""A refusal is believed when it is still there after this: gateways stumble, too."""

log = logging.getLogger("data-daemon")


class Reporter:
    """Beats at most once per `beat_s`, logs changes of health, and judges faults. `doors` gives
    what the doors measure: breakers, budgets, how well failures could be judged.
    """

    def __init__(
        self,
        notifier: Notifier,
        clock: Clock,
        beat_s: float,
        counts: Counter[str],
        doors: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._notifier = notifier
        self._clock = clock
        self._beat_s = beat_s
        self._counts = counts
        self._doors = doors
        self._progress = 0
        self._beaten_at_s = float("-inf")
        self._health = ""
        self._refused_since_s: float | None = None
        self._has_served = False

    def served(self) -> None:
        """The exchange answered as it should."""
        self._refused_since_s = None
        self._has_served = True

    def met(self, fault: SystemFault) -> str:
        """Return the words for a fault that will be retried.

        Raises it when waiting is no help: keys that stay refused; before anything was ever
        served, a broken contract; a damaged store, which a fresh process sets aside.
        """
        if isinstance(fault, StoreDamaged):
            raise fault
        is_final = isinstance(fault, ConfigFault) or (
            isinstance(fault, SchemaFault) and not self._has_served
        )
        if not is_final:
            return str(fault)
        now_s = self._clock.monotonic_s()
        if self._refused_since_s is None:
            self._refused_since_s = now_s
        elif now_s - self._refused_since_s >= CONFIRM_AFTER_S:
            raise fault
        return str(fault)

    def turn(self, health: str, reason: str) -> None:
        """Count a finished turn of the loop, and beat when it is time or the health changed."""
        self._progress += 1
        now_s = self._clock.monotonic_s()
        if health != self._health:
            level = logging.INFO if health == "OK" else logging.WARNING
            words = f"{health}: {reason}" if reason else health
            log_event(log, "health", words, level=level, health=health)
            self._health = health
        elif now_s - self._beaten_at_s < self._beat_s:
            return
        self._beaten_at_s = now_s
        metrics = {name: float(self._counts[name]) for name in ("candles", "quotes", "dropped")}
        metrics |= self._doors()
        self._notifier.beat(Beat(self._progress, health, reason, metrics=metrics))
