"""Gathers what is seen beside health.json: the bot's numbers, the stop file, the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.heartbeat.page_probe import PageProbe
from services.heartbeat.subjects import Facts
from shared.clock import Clock
from shared.config.endpoints import read_dashboard_url
from shared.config.paths import StatePaths
from shared.errors import SystemFault
from shared.health.judge import CLOCK_SLACK_S
from shared.persistence.atomic_file import Missing, read_document
from shared.persistence.document import parse_object
from shared.persistence.emergency_stop import EmergencyStopFile

STATUS_BYTES_MAX = 8_000_000
STATUS_FRESH_S = 10.0
"""The bot writes at most once a second; what is older says nothing of now."""
_WHOLE = ("limits", "positions", "causes")


class Sources:
    """Reads files at each call; the page is asked by a thread of its own once started."""

    def __init__(self, state: StatePaths, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._stop = EmergencyStopFile(state.emergency_stop)
        self._probe = PageProbe(self._page_address)

    def start(self) -> None:
        """Begin to ask the page."""
        self._probe.start()

    def read(self) -> Facts:
        """Return what is known at this moment; what cannot be read is not known."""
        page = self._probe.answer(self._clock.boottime_s())
        return Facts(self.bot_status(), self.stop(), page)

    def stop(self) -> str | None:
        """Return who set an emergency stop and why, None without one."""
        note = self._stop.read()
        return None if note is None else f"set by {note.by}: {note.reason}"

    def bot_status(self) -> Mapping[str, Any] | None:
        """Return bot_status.json while it is fresh and whole, else None."""
        try:
            raw = read_document(self._state.bot_status, STATUS_BYTES_MAX)
            document = None if isinstance(raw, Missing) else parse_object(raw)
        except (SystemFault, OSError, ValueError):
            return None
        if document is None or not all(isinstance(document.get(name), list) for name in _WHOLE):
            return None
        written_s = document.get("boottime_s")
        if document.get("boot_id") != self._clock.boot_id() or not isinstance(written_s, float):
            return None
        age_s = self._clock.boottime_s() - written_s
        return document if -CLOCK_SLACK_S <= age_s <= STATUS_FRESH_S else None

    def _page_address(self) -> str | None:
        try:
            return read_dashboard_url(self._state.endpoints)
        except (SystemFault, OSError, ValueError):
            return None
