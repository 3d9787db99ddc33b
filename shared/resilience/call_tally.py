"""How many calls a door made, how long they took and how they failed, for the metrics.

Kept as counts that only grow: whoever reads them twice knows the time between, and a reader that
missed a while loses nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from shared.errors import FailureClass

BOUNDS_MS = (100, 500, 2000)
"""Upper ends of the classes of duration; what is slower is counted in the whole alone."""


class CallTally:
    """Of one door; safe to be called from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._seconds = 0.0
        self._within: Counter[int] = Counter()
        self._failed: Counter[FailureClass] = Counter()

    def took(self, seconds: float) -> None:
        """Count one call with all its tries, whatever came of it."""
        with self._lock:
            self._count += 1
            self._seconds += seconds
            self._within.update(bound for bound in BOUNDS_MS if seconds * 1_000 <= bound)

    def failed(self, failure_class: FailureClass) -> None:
        """Count one of them as failed."""
        with self._lock:
            self._failed[failure_class] += 1

    def metrics(self, door: str) -> Mapping[str, float]:
        """Return the counts under names that end in the door's; classes that have occurred."""
        with self._lock:
            counts = {
                f"calls_{door}": float(self._count),
                f"call_seconds_{door}": round(self._seconds, 3),
            }
            for bound in BOUNDS_MS:
                counts[f"calls_within_{bound}ms_{door}"] = float(self._within[bound])
            for failure_class, count in self._failed.items():
                counts[f"calls_failed_{str(failure_class).lower()}_{door}"] = float(count)
        return counts
