"""One turn of the supervisor's loop: what falls into the same moment, and a turn that fails."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.supervisor.adoption import ProcessRecord
from services.supervisor.context import Context, Roster
from services.supervisor.launch import LAUNCH_VARIABLE, Launch
from services.supervisor.member import Member
from services.supervisor.reaper import Reaper
from services.supervisor.starter import Starter
from services.supervisor.supervisor import open_context
from services.supervisor.table import Defaults, parse_table
from shared.clock import SystemClock
from shared.models.health import Phase
from tests.support.supervised import Supervised, end_everything, settings_below
from tests.support.system import ROOT, clean_environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ONE_CHANCE = '[service.web]\ncommand = ["sleep", "600"]\nnotify = false\nmax_failures = 1\n'


class Turns:
    """Starter and reaper of one service, on a loop that turns when the test says so."""

    def __init__(self, base: Path) -> None:
        for name in ("state/run", "logs"):
            (base / name).mkdir(parents=True)
        launch = Launch(str(base / "state"), str(base / "logs"), "sim", "", 5, 600.0)
        self.loop = asyncio.new_event_loop()
        logger = logging.getLogger("test")
        self.context: Context = open_context(launch, SystemClock(), logger, self.loop)
        roster = Roster(parse_table(ONE_CHANCE, "sim", Defaults(5, 600.0)))
        self.starter = Starter(self.context, roster)
        self.reaper = Reaper(self.context, roster, self.starter)
        self.web: Member = next(iter(roster))

    def turn(self) -> None:
        """Let the loop do what is due."""
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    def close(self) -> None:
        """End what was started."""
        if self.web.process is not None:
            self.loop.remove_reader(self.web.process.pidfd)
            os.kill(self.web.process.pid, signal.SIGKILL)
            os.waitpid(self.web.process.pid, 0)
            self.web.process.close()
        self.loop.close()


@pytest.fixture
def turns(tmp_path: Path) -> Iterator[Turns]:
    """A service that is parked after its first death."""
    one = Turns(tmp_path)
    yield one
    one.close()


def test_death_when_somebody_started_the_service_in_the_same_turn_then_it_is_left_running(
    turns: Turns,
) -> None:
    """It counts, but one that runs is neither parked nor started over itself."""
    turns.reaper.died_unseen(turns.web, 1, "5:5", 1.0)
    turns.starter.try_start(turns.web)
    started = turns.web.process

    turns.turn()

    assert started is not None
    assert turns.web.process is started
    assert (turns.web.phase, turns.web.park) == (Phase.RUNNING, None)
    book = turns.context.tally.of("web")
    assert (len(book.deaths), book.parked) == (1, None)


def test_record_when_its_death_is_not_told_yet_then_it_waits_for_that(turns: Turns) -> None:
    """Killed before it told, a supervisor leaves the record, by which the next one tells."""
    facts = ("web", "c.web.1", turns.context.clock.boot_id(), "", 0.0)
    turns.context.records.write(ProcessRecord(*facts, pid=5, start_ticks=5))
    lines = turns.context.launch.logs.incidents

    turns.reaper.died_unseen(turns.web, 1, "5:5", 1.0)
    turns.turn()

    assert turns.web.phase is Phase.PARKED
    assert not lines.exists()
    assert turns.context.records.read("web") is not None
    turns.context.tell()
    turns.turn()
    assert "HALT" in lines.read_text("utf-8")
    assert turns.context.records.read("web") is None


FAILING = """
import pathlib, sys
import services.supervisor.__main__ as process
from shared.clock import SystemClock
class FailingClock(SystemClock):
    def monotonic_s(self):
        if pathlib.Path(sys.argv[1]).exists():
            raise RuntimeError("no time")
        return super().monotonic_s()
sys.exit(process.main(FailingClock()))
"""


def test_rounds_when_one_fails_then_there_is_a_next_one(tmp_path: Path) -> None:
    """A fault that nobody thought of costs a second of health, not all of it from then on."""
    settings, fault = settings_below(tmp_path), tmp_path / "fault"
    table = tmp_path / "services.toml"
    table.write_text('[service.web]\ncommand = ["sleep", "600"]\nnotify = false\n', "utf-8")
    folders = (settings["STATE_DIR"], settings["LOG_DIR"])
    launch = Launch(*folders, "sim", str(table), max_failures=5, window_s=600.0)
    launch.state.run.mkdir(parents=True)
    launch.logs.root.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", FAILING, str(fault)],
        cwd=ROOT,
        env=clean_environment({**settings, LAUNCH_VARIABLE: launch.to_text()}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    system = Supervised(tmp_path, process, settings)
    try:
        system.wait_for("web", phase="running")
        first = system.health()["seq"]
        wait_until(lambda: system.health()["seq"] > first + 1, 10, "the first rounds")
        fault.touch()
        log = system.logs / "supervisor.jsonl"
        wait_until(lambda: "no time" in log.read_text("utf-8"), 10, "a round that fails")
        fault.unlink()
        seq = system.health()["seq"]

        wait_until(lambda: system.health()["seq"] > seq + 1, 10, "rounds")

        assert system.stop() == 0
    finally:
        end_everything(system)
