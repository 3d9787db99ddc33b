"""The owner's manual commands, `CHAOS_MODE=... python deploy_supervisor.py`, by health.json."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.supervised import is_alive
from tests.support.system import log_lines, read_json, running_system
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

START_S, SHOWN_S, HEALED_S = 90, 30, 120
SERVICES = ("exchange-sim", "data-daemon", "trading-bot", "dashboard", "heartbeat")


class ByHand:
    """A running system with a fault in it, as health.json shows it."""

    def __init__(self, base: Path) -> None:
        self._path = base / "state" / "health.json"
        self.logs = base / "logs"

    def health(self) -> dict[str, Any]:
        """Return health.json, empty while there is none."""
        with suppress(FileNotFoundError):
            return read_json(self._path)
        return {}

    def wait(self, timeout_s: float, **wanted: object) -> dict[str, Any]:
        """Wait until health.json says all of it; return it."""
        seen: list[dict[str, Any]] = []

        def says() -> bool:
            seen[:] = [self.health()]
            return all(seen[0].get(key) == value for key, value in wanted.items())

        wait_until(says, timeout_s, f"{wanted}")
        return seen[0]

    def pids(self) -> dict[str, int | None]:
        """Return the pid of every service."""
        return {name: one["pid"] for name, one in self.health()["services"].items()}

    def is_over(self) -> bool:
        """Whether the log says that the fault acted and ended."""
        with suppress(FileNotFoundError):
            events = log_lines(self.logs / "chaos.jsonl")
            return any(one["event"] == "chaos_ended" and "it acted" in one["msg"] for one in events)
        return False


@contextmanager
def broken(base: Path, name: str, *, lasts_s: int = 8) -> Iterator[ByHand]:
    """Run as the owner types it; wait until it is OK before the fault."""
    settings = {"CHAOS_MODE": name, "CHAOS_AFTER_S": "3", "CHAOS_DURATION_S": str(lasts_s)}
    with running_system(base, settings=settings):
        system = ByHand(base)
        assert system.wait(START_S, overall="OK")["chaos_mode"] == name
        yield system


def test_alpaca_down_when_typed_then_degraded_and_ok_again_with_the_same_bot(
    tmp_path: Path,
) -> None:
    """TRANSIENT: no process is replaced, and no hand is needed."""
    with broken(tmp_path, "alpaca_down") as system:
        before = system.pids()
        system.wait(SHOWN_S, overall="DEGRADED", trading_state="REDUCING")
        system.wait(HEALED_S, overall="OK", trading_state="ACTIVE")

        assert system.pids() == before
        wait_until(system.is_over, SHOWN_S)


def test_invalid_creds_when_typed_then_the_bot_is_parked_and_the_rest_shows_it(
    tmp_path: Path,
) -> None:
    """CONFIG: parked at once, no restart, dashboard and heartbeat alive."""
    with broken(tmp_path, "invalid_creds") as system:
        before = system.pids()
        services = system.wait(SHOWN_S, code="FAILED_CONFIG")["services"]
        wait_until(system.is_over, SHOWN_S)

        after = system.wait(SHOWN_S, code="FAILED_CONFIG")["services"]
        assert (services["trading-bot"]["phase"], after["trading-bot"]["restarts"]) == ("parked", 0)
        for name in ("dashboard", "heartbeat"):
            assert after[name]["pid"] == before[name]
            assert is_alive(after[name]["pid"])


def test_supervisor_crash_when_typed_then_it_is_back_and_adopts(tmp_path: Path) -> None:
    """The same services under another supervisor."""
    with broken(tmp_path, "supervisor_crash") as system:
        before, first = system.pids(), system.health()["supervisor"]["pid"]
        wait_until(system.is_over, SHOWN_S)
        wait_until(lambda: system.health()["supervisor"]["pid"] != first, SHOWN_S)
        after = system.wait(HEALED_S, overall="OK")

        assert system.pids() == before
        assert all(after["services"][name]["adopted"] for name in SERVICES)


def test_state_corrupt_when_typed_then_it_is_quarantined_and_the_bot_trades_again(
    tmp_path: Path,
) -> None:
    """The damaged file is kept aside; backup, journal and broker heal it."""
    with broken(tmp_path, "state_corrupt") as system:
        before = system.pids()["trading-bot"]
        wait_until(system.is_over, SHOWN_S)
        folder = tmp_path / "state"
        wait_until(lambda: list(folder.glob("trading_state.json.corrupt.*")), SHOWN_S)
        system.wait(HEALED_S, overall="OK", trading_state="ACTIVE")

        assert system.pids()["trading-bot"] != before
