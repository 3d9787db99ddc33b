"""Runs the compatibility check in this process, against any exchange."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import Clock, SystemClock
from shared.config.endpoints import Endpoints
from shared.vendors.compatibility import check, show_drift
from shared.vendors.compatibility_questions import AREAS
from tests.support.settings import make_settings


class DaysLater(SystemClock):
    """The machine's clock, whose date is so many days on."""

    def __init__(self, days: int) -> None:
        self._days = days

    def utc_now(self) -> datetime:
        """Return the moment, days later."""
        return super().utc_now() + timedelta(days=self._days)


class Checks:
    """Asks the exchange behind the endpoints, as often as a test likes, with one record."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], **more: str) -> None:
        self._settings = make_settings(folder, SYMBOLS="SPY", **more)
        self._capsys = capsys

    def ask(
        self, endpoints: Endpoints, *areas: str, clock: Clock | None = None
    ) -> tuple[int, list[str]]:
        """Return the exit code and the lines of a check of the areas, all by default."""
        code = check(self._settings, endpoints, areas or tuple(AREAS), clock or SystemClock())
        return code, self._capsys.readouterr().out.splitlines()

    def drift(self, *areas: str) -> tuple[int, list[str]]:
        """Return what differs between the two newest recorded days."""
        code = show_drift(self._settings, areas, ())
        return code, self._capsys.readouterr().out.splitlines()
