"""What of its row a process was started with: compared when the table is read again.

Kept with the record of the process, so that a change of the table which was made, but not applied,
before the supervisor died is still seen as one by the next supervisor.
"""

from __future__ import annotations

import hashlib

from services.supervisor.table import ServiceSpec

MARK_CHARACTERS = 16


def mark_of(spec: ServiceSpec) -> str:
    """Return a short mark of all that the process itself sees; rules for judging it are no part.

    A digest: the environment may hold what must not lie about in a second file.
    """
    beat = spec.beat
    environment = sorted(spec.environment.items())
    seen = (spec.command, environment, beat.notify, beat.beat_s, beat.watchdog_s)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:MARK_CHARACTERS]
