"""The watchdog's rounds on a clock of our own: a hung service beside a supervisor that stumbles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.supervisor.context import Roster
from services.supervisor.member import Member
from services.supervisor.notify_words import parse_words
from services.supervisor.processes import Process
from services.supervisor.starter import Starter
from services.supervisor.stopper import Stopper
from services.supervisor.table import Defaults, parse_table
from services.supervisor.watch import Watch
from shared.health.evidence import judge_service
from shared.models.health import Phase, Status
from tests.support.clock import ManualClock

pytestmark = pytest.mark.unit

TABLE = '[service.web]\ncommand = ["web"]\nbeat_s = 2.0\nwatchdog_s = 20.0\nready_s = 30.0'
NO_PID = 2**30
"""Above what the kernel gives out: it tells nothing of it, so nothing is excused."""


class House:
    """One service, its watch, and the round that comes when it comes."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ended: list[str] = []
        self.roster = Roster(parse_table(TABLE, "sim", Defaults(5, 600.0)))
        context: Any = SimpleNamespace(
            now_s=self.clock.monotonic_s,
            now_text=lambda: "",
            changed=lambda: None,
            records=SimpleNamespace(read=lambda _: None),
            incidents=SimpleNamespace(step=lambda *_: None),
        )
        starter = SimpleNamespace(listen_again=lambda _: None, poke=lambda: None, heard=None)
        stopper = SimpleNamespace(abort=lambda _, reason: self.ended.append(reason))
        self.watch = Watch(context, self.roster, cast(Starter, starter), cast(Stopper, stopper))
        member = self.member
        member.phase, member.started_s = Phase.STARTING, self.clock.monotonic_s()
        member.process = cast(Process, SimpleNamespace(pid=NO_PID))
        self.say(b"READY=1\nX_HEALTH=OK")

    @property
    def member(self) -> Member:
        (member,) = self.roster
        return member

    def say(self, words: bytes) -> None:
        heard = parse_words(words)
        assert heard is not None
        self.watch.heard(self.member, heard)

    @property
    def status(self) -> Status:
        return judge_service(self.member.evidence(self.clock.monotonic_s()), TABLE_RULE)[0]

    def pass_time(self, rounds: int, late_s: float, *, beats: bool) -> None:
        """Let rounds pass, each so late; what was said meanwhile is heard just before."""
        for _ in range(rounds):
            self.clock.advance(self.watch.wait_s() + late_s)
            if beats:
                self.say(b"WATCHDOG=1\nX_HEALTH=OK")
            self.watch.go_round()


TABLE_RULE = parse_table(TABLE, "sim", Defaults(5, 600.0))[0].beat


@pytest.mark.parametrize("late_s", [0.0, 1.0, 2.0, 4.0])
def test_hung_service_when_each_round_comes_late_then_it_is_shown_and_shot_all_the_same(
    late_s: float,
) -> None:
    """Only the time in which we stood still is excused, not all silence before it."""
    house = House()
    house.pass_time(5, late_s, beats=True)
    assert (house.status, house.ended) == (Status.OK, [])

    house.pass_time(30, late_s, beats=False)

    assert house.status is Status.FAILED
    assert house.ended


@pytest.mark.parametrize("late_s", [2.0, 60.0, 3600.0])
def test_healthy_service_when_we_stood_still_then_it_is_not_accused(late_s: float) -> None:
    """The whole machine may have stood still: who was silent meanwhile is given that time."""
    house = House()
    house.pass_time(3, 0.0, beats=True)

    house.clock.advance(house.watch.wait_s() + late_s)
    house.watch.go_round()
    assert house.status is Status.OK

    house.pass_time(3, 0.0, beats=True)
    assert (house.status, house.ended) == (Status.OK, [])


def test_service_when_it_asked_for_time_and_beat_since_then_a_hang_is_shown_at_once() -> None:
    """A beat ends what was asked for before it: nobody looks well for the rest of that time."""
    house = House()
    house.say(b"EXTEND_TIMEOUT_USEC=15000000")
    house.pass_time(3, 0.0, beats=False)
    assert (house.status, house.member.evidence(house.clock.monotonic_s()).extended) == (
        Status.OK,
        True,
    )

    house.pass_time(1, 0.0, beats=True)
    house.pass_time(4, 0.0, beats=False)

    assert house.status is Status.DEGRADED
