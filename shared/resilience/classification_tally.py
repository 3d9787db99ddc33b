"""How good the judging by words is, measured while we run, for the metrics of the services.

Each failure that a row of the table knows is judged by its words alone as well; how often both
say the same class is the accuracy of the words, which matter only where no row knows better.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from shared.resilience.classification import Verdict
from shared.resilience.classification_words import judge_words


class WordTally:
    """Counts verdicts; safe to be called from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._judged = 0
        self._agreed = 0
        self._by_words = 0
        self._unknown = 0

    def note(self, verdict: Verdict) -> None:
        """Count one failed call."""
        said = verdict.message
        # The status that a reply's message begins with would give the answer away.
        words = judge_words(said.partition(": ")[2] if said.startswith("HTTP ") else said)
        with self._lock:
            if verdict.code == "unclassified":
                self._unknown += 1
            elif verdict.is_by_words:
                self._by_words += 1
            else:
                self._judged += 1
                self._agreed += words.failure_class is verdict.failure_class

    def metrics(self) -> Mapping[str, float]:
        """Return the counts, and the accuracy in percent once there is something to judge it by."""
        with self._lock:
            counts = {
                "failures_judged": float(self._judged),
                "failures_by_words": float(self._by_words),
                "failures_unclassified": float(self._unknown),
            }
            if self._judged:
                counts["words_accuracy_pct"] = round(100.0 * self._agreed / self._judged, 2)
        return counts


TALLY = WordTally()
"""Of this process: every door and every stream counts here."""
