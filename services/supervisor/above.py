"""What we say to systemd above us, when it started us: READY, WATCHDOG, STATUS, STOPPING.

Said by the supervisor's own loop after a finished turn, so that a hung one is silent; without
systemd nobody listens and nothing is said (sd_notify of systemd; docs/SERVER.md).
"""

from __future__ import annotations

import os

from services.supervisor.context import Context
from services.supervisor.health_file import HealthFile
from shared.telemetry.notify import Notifier

STOP_STEP_US = 30_000_000
"""Asked for again every second while services end one after the other."""


class Above:
    """Tells systemd once a second how the whole is."""

    def __init__(self, context: Context, health: HealthFile) -> None:
        self._context = context
        self._health = health
        self._notifier = Notifier.from_environment()
        self._has_watchdog = bool(os.environ.get("WATCHDOG_USEC"))

    def look(self) -> None:
        """Say what is due after a finished turn."""
        verdict = self._health.verdict
        words = {"READY": "1", "STATUS": f"{verdict.overall}: {verdict.reason}"}
        if self._context.stopping:
            words = {"STOPPING": "1", "STATUS": "Stopping the services one after the other."}
        if self._has_watchdog:
            words["WATCHDOG"] = "1"
        if self._context.stopping:
            words["EXTEND_TIMEOUT_USEC"] = str(STOP_STEP_US)
        # Each time anew: a guardian that took us over was started by somebody who waits for READY.
        self._notifier.send(words)
