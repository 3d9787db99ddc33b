"""The saboteur: it breaks the system that asked for it, once, and no other one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.arming import arm
from chaos.catalogue import CATALOGUE
from chaos.saboteur import READY_S, Saboteur
from services.supervisor.cli import build_parser
from services.supervisor.own_files import GUARDIAN, write_pid_file
from services.supervisor.processes import Process, children_of_ours, open_process, start_ticks
from shared.config.settings import Settings
from tests.support.clock import ManualClock
from tests.support.documents import health_bytes
from tests.support.settings import make_settings

pytestmark = pytest.mark.integration

LOGGER = logging.getLogger("chaos")


class LivingHealth(ManualClock):
    """Fresh health.json at every moment: a system that is always OK, of this CHAOS_MODE."""

    def __init__(self, path: Path, chaos_mode: str) -> None:
        super().__init__()
        self._path, self._chaos_mode = path, chaos_mode
        self._written_s = float("-inf")
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        if self.boottime_s() - self._written_s < 2.0:
            return
        self._written_s = self.boottime_s()
        stamp = {"boot_id": self.boot_id(), "boottime_s": self.boottime_s()}
        self._path.write_bytes(health_bytes(**stamp, chaos_mode=self._chaos_mode))


@pytest.fixture
def guardian() -> Iterator[Process]:
    """A living guardian: this process."""
    pid = os.getpid()
    process = open_process(pid, start_ticks(pid) or 0)
    assert process is not None
    yield process
    process.close()


def ready(folder: Path, chaos_mode: str) -> Settings:
    """Return the settings of a run with that CHAOS_MODE, its folders made."""
    settings = make_settings(folder, CHAOS_MODE=chaos_mode, CHAOS_AFTER_S="3")
    settings.state.run.mkdir(parents=True, mode=0o700)
    return settings


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was told, in order."""
    return [str(record.__dict__["event"]) for record in caplog.records]


def test_saboteur_when_the_system_did_not_ask_for_it_then_it_breaks_nothing(
    tmp_path: Path, guardian: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """An OK system of another CHAOS_MODE is somebody else's."""
    settings = ready(tmp_path, "dashboard_kill")
    clock = LivingHealth(settings.state.health, "off")
    began_s = clock.monotonic_s()

    code = Saboteur(settings, clock, LOGGER, guardian).run([CATALOGUE["dashboard_kill"]])

    assert (code, events(caplog)) == (1, ["chaos_failed"])
    assert clock.monotonic_s() - began_s >= READY_S


def test_saboteur_when_no_victim_lives_then_it_says_so_after_its_time(
    tmp_path: Path, guardian: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """Armed for the system that asked; what could not be struck is told and no success."""
    settings = ready(tmp_path, "dashboard_kill")
    clock = LivingHealth(settings.state.health, "dashboard_kill")

    code = Saboteur(settings, clock, LOGGER, guardian).run([CATALOGUE["dashboard_kill"]])

    assert (code, events(caplog)) == (1, ["chaos_armed", "chaos_failed"])


def test_saboteur_when_its_guardian_comes_back_then_the_next_one_does_nothing(
    tmp_path: Path, guardian: Process, caplog: pytest.LogCaptureFixture
) -> None:
    """The first goes on with every fault; a guardian that is started much later is a new run."""
    name = "guardian_kill,dashboard_kill"
    rows = [CATALOGUE[one] for one in name.split(",")]
    settings = ready(tmp_path, name)
    clock = LivingHealth(settings.state.health, name)
    for expected in (1, 0, 1):
        assert Saboteur(settings, clock, LOGGER, guardian).run(rows) == expected
    clock.advance(3_600.0)
    assert Saboteur(settings, clock, LOGGER, guardian).run(rows) == 1

    assert events(caplog).count("chaos_armed") == 3


@pytest.mark.parametrize(
    ("chaos_mode", "guarded", "armed"),
    [("dashboard_kill", False, True), ("dashboard_kill", True, False), ("OFF", False, False)],
)
def test_arm_when_a_guardian_lives_or_nothing_is_named_then_no_saboteur_is_sent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chaos_mode: str,
    guarded: bool,
    armed: bool,
) -> None:
    """A second start in the same folder is refused; before that it must not break the first."""
    settings = ready(tmp_path, "dashboard_kill")
    if guarded:
        write_pid_file(settings.state.run, GUARDIAN, os.getpid())
    said = {"CHAOS_MODE": chaos_mode, "SHT_ENV_FILE": "", "TRADING_MODE": "sim"}
    for name, value in (said | {"LOG_DIR": str(settings.log_dir)}).items():
        monkeypatch.setenv(name, value)
    before = set(children_of_ours())

    arm(build_parser().parse_args(["run", "--state-dir", str(settings.state_dir)]))

    born = set(children_of_ours()) - before
    for pid in born:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert bool(born) == armed
