"""Operators' commands while the supervisor lives and the broker does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from tests.support.system import deploy, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration]

SOON_S = 12.0
"""Far below the 45 s of a door's patience, and enough for a loaded machine."""


def test_emergency_stop_when_the_exchange_is_stopped_then_75_soon_and_the_stop_is_there(
    tmp_path: Path,
) -> None:
    """The bot claims it, says at once that the broker cannot be asked, and keeps its pid."""
    settings = {"TRADING_MODE": "sim"}
    health = tmp_path / "state" / "health.json"
    with running_system(tmp_path, settings=settings):
        wait_until(lambda: health.exists() and read_json(health)["overall"] == "OK", 60, "OK")
        bot = read_json(health)["services"]["trading-bot"]["pid"]
        ControlClient(StatePaths(tmp_path / "state")).stop("exchange-sim")

        began_s = time.monotonic()
        done = deploy(tmp_path, "emergency-stop", "--reason", "a test", settings=settings)

        assert time.monotonic() - began_s < SOON_S
        assert done.code == os.EX_TEMPFAIL
        assert "The emergency stop is in place" in done.err
        assert "cannot be reached" in done.err
        assert (tmp_path / "state" / "emergency_stop").exists()
        assert read_json(health)["services"]["trading-bot"]["pid"] == bot
