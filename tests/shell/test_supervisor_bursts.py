"""Many deaths in one moment: each is told, none costs the others a look at the whole table."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from services.supervisor.adoption import RecordFolder
from services.supervisor.context import Context, Roster
from services.supervisor.health_file import HealthFile, Identity
from services.supervisor.incidents import IncidentBook, Step
from services.supervisor.launch import Launch
from services.supervisor.processes import Process
from services.supervisor.sockets import SocketFolder
from services.supervisor.table import Defaults, parse_table
from services.supervisor.tally import TallyBook
from shared.health.hysteresis import HOLD_S
from shared.models.health import Phase
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

SERVICES = 50


class Timers:
    """A loop that only remembers what is to be done, and after how many seconds."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[..., object]]] = []

    def call_later(self, delay_s: float, callback: Callable[..., object], *_: object) -> None:
        """Remember."""
        self.later.append((delay_s, callback))

    def call_soon(self, callback: Callable[..., object], *_: object) -> None:
        """Remember."""
        self.later.append((0.0, callback))


class House:
    """The health file of a supervisor whose loop stands still."""

    def __init__(self, base: Path) -> None:
        (base / "state" / "run").mkdir(parents=True)
        (base / "logs").mkdir()
        launch = Launch(str(base / "state"), str(base / "logs"), "sim", "", 5, 600.0)
        logger = logging.getLogger("test")
        self.clock, self.timers = ManualClock(), Timers()
        self.health_path, self.incidents_path = launch.state.health, launch.logs.incidents
        self.context = Context(
            launch=launch,
            clock=self.clock,
            logger=logger,
            loop=cast(asyncio.AbstractEventLoop, self.timers),
            incidents=IncidentBook(launch.logs.incidents, self.clock, logger),
            tally=TallyBook(launch.state.restart_tally, self.clock, logger),
            records=RecordFolder(launch.state.run),
            sockets=SocketFolder(launch.state.run),
            environment={},
        )
        rows = (
            f'[service.s{number}]\ncommand = ["true"]\nnotify = false\n'
            for number in range(SERVICES)
        )
        self.roster = Roster(parse_table("\n".join(rows), "sim", Defaults(5, 600.0)))
        self.health = HealthFile(self.context, self.roster, Identity(1, "", 1), 0)

    def set_phase(self, phase: Phase) -> None:
        """Let all services be in that phase."""
        for member in self.roster:
            member.phase = phase
            member.process = Process(os.getpid(), 0, 1) if phase is Phase.RUNNING else None

    def incident_lines(self) -> list[dict[str, Any]]:
        """Return incidents.jsonl."""
        if not self.incidents_path.exists():
            return []
        return [json.loads(line) for line in self.incidents_path.read_text("utf-8").splitlines()]


def test_recovery_when_all_services_recover_together_then_the_table_is_reviewed_once(
    tmp_path: Path,
) -> None:
    """One timer each would make the moment of the recovery grow with the square of the table."""
    house = House(tmp_path)
    house.set_phase(Phase.RUNNING)
    house.health.publish()
    house.set_phase(Phase.BACKOFF)
    house.clock.advance(1.0)
    house.health.publish()
    house.set_phase(Phase.RUNNING)
    house.clock.advance(1.0)
    house.timers.later.clear()
    house.health.publish()

    reviews = [delay_s for delay_s, _ in house.timers.later if delay_s == HOLD_S]
    assert len(reviews) == 1
    house.clock.advance(HOLD_S)
    house.health.review()
    assert all(member.status == "OK" for member in house.roster)
    recovered = [line["service"] for line in house.incident_lines() if line["event"] == "RECOVER"]
    assert sorted(recovered) == sorted(member.name for member in house.roster)


def test_steps_when_left_for_later_then_they_are_on_disk_before_health_is(tmp_path: Path) -> None:
    """Whoever reads of a new process in health.json finds its death in incidents.jsonl."""
    house = House(tmp_path)
    seen: list[bool] = []
    for number in range(3):
        house.context.later.append(
            lambda name=f"s{number}": house.context.incidents.step(Step.DETECT, name, "died")  # type: ignore[misc]
        )
    house.context.later.append(lambda: seen.append(house.health_path.exists()))

    house.health.publish()

    assert seen == [False]
    assert house.health_path.exists()
    assert [line["service"] for line in house.incident_lines()] == ["s0", "s1", "s2"]
    assert house.context.later == []


def test_news_when_somebody_died_then_the_rest_of_the_burst_is_answered_first(
    tmp_path: Path,
) -> None:
    """The write waits a moment after a death; after a service's own word it does not."""
    house = House(tmp_path)
    house.health.changed()
    spoken_s = house.timers.later[-1][0]
    house.health.publish()
    house.clock.advance(1.0)
    house.health.died(next(iter(house.roster)))
    house.health.changed()

    assert spoken_s == 0.0
    assert 0.0 < house.timers.later[-1][0] <= 0.005
