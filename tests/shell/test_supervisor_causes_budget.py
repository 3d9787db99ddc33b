"""N in M, whatever dies: the real reaper and the real tally file, in a time that a test turns.

The other rows of the table are listed in test_supervisor_causes.py.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.supervisor.context import Context, Roster
from services.supervisor.launch import Launch
from services.supervisor.member import Member
from services.supervisor.reaper import Reaper
from services.supervisor.starter import Starter
from services.supervisor.supervisor import open_context
from services.supervisor.table import Defaults, parse_table
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

N, M_S = 5, 600.0
QUICK_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Thousands of durable writes are waited for: where there is a disk of memory, on that."""
TABLE = '[service.web]\ncommand = ["web"]\nbackoff_cap_s = 60.0'


class Fate(Enum):
    """Where in a death's course the supervisor dies too, by SIGKILL."""

    LIVES = "it lives"
    BEFORE_COUNTING = "before the tally is written"
    BEFORE_ACTING = "after the tally is written, before the restart"
    AFTER_ACTING = "after the restart, before anything else is told"


class Killed(BaseException):
    """The supervisor ends here; nothing of it runs any more."""


@dataclass
class Loop:
    """What the reaper needs of an event loop; time passes only here."""

    clock: ManualClock
    queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(
        default_factory=list
    )
    count: int = 0

    def call_soon(self, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        """Run it next."""
        return self.call_later(0.0, call, *arguments)

    def call_later(
        self, delay_s: float, call: Callable[..., None], *arguments: Any
    ) -> asyncio.TimerHandle:
        """Run it when its time has come."""
        self.count += 1
        due_s = self.clock.monotonic_s() + delay_s
        heapq.heappush(self.queue, (due_s, self.count, call, arguments))
        return cast("asyncio.TimerHandle", self)

    def run(self) -> None:
        """Let time pass until nothing is due any more."""
        while self.queue:
            due_s, _, call, arguments = heapq.heappop(self.queue)
            self.clock.advance(max(0.0, due_s - self.clock.monotonic_s()))
            call(*arguments)


@dataclass
class Stage:
    """Starts a service that is only a number; dies at the moment that was chosen."""

    clock: ManualClock
    restarts: list[float] = field(default_factory=list)
    fate: Fate = Fate.LIVES
    runs: bool = True

    def try_start(self, member: Member) -> None:
        """Note the restart."""
        if self.fate is Fate.BEFORE_ACTING:
            raise Killed
        self.restarts.append(self.clock.monotonic_s())
        self.runs = True
        if self.fate is Fate.AFTER_ACTING:
            raise Killed

    def poke(self) -> None:
        """Nobody waits for this service."""


class History:
    """Lives and deaths of one service, and of the supervisors that looked after it."""

    def __init__(self, base: Path) -> None:
        self.clock = ManualClock()
        self.stage = Stage(self.clock)
        self._launch = Launch(str(base), str(base), "sim", "", max_failures=N, window_s=M_S)
        self._launch.state.run.mkdir()
        self._number = 0
        self._rise(chance=0.5)

    def _rise(self, chance: float) -> None:
        """Begin a supervisor: all that it knows is what the one before it wrote."""
        loop = Loop(self.clock)
        logger = logging.getLogger("history")
        self._context: Context = open_context(
            self._launch, self.clock, logger, cast("asyncio.AbstractEventLoop", loop)
        )
        self._loop = loop
        self._context.chance = lambda: chance
        roster = Roster(parse_table(TABLE, "sim", Defaults(N, M_S)))
        self._reaper = Reaper(self._context, roster, cast("Starter", self.stage))
        (self._member,) = roster

    @property
    def is_parked(self) -> bool:
        """Whether the book says that it is held down."""
        return self._context.tally.of("web").parked is not None

    def die(self, uptime_s: float, fate: Fate, chance: float) -> None:
        """Let the service die after such a life, and the supervisor with it if fate says so."""
        self.clock.advance(uptime_s)
        self._number += 1
        self.stage.runs, self.stage.fate = False, fate
        self._context.chance = lambda: chance
        try:
            self._answer(uptime_s)
        except Killed:
            self.stage.fate = Fate.LIVES
            self._rise(chance)
            if not self.stage.runs and not self.is_parked:
                self._answer(uptime_s)

    def _answer(self, uptime_s: float) -> None:
        if self.stage.fate is Fate.BEFORE_COUNTING:
            raise Killed
        self._reaper.died_unseen(self._member, 1, f"{self._number}:1", uptime_s)
        self._loop.run()


@settings(max_examples=60, deadline=None)
@given(
    lives=st.lists(
        st.tuples(
            st.one_of(st.floats(0, 5), st.floats(0, 300)),
            st.sampled_from(Fate),
            st.floats(0, 1, exclude_max=True),
        ),
        max_size=12,
    )
)
def test_restarts_when_any_deaths_and_any_crashes_of_ours_then_never_more_than_n_in_m(
    lives: list[tuple[float, Fate, float]],
) -> None:
    """Five in ten minutes: the tally is on disk before the restart, and the heir reads it."""
    with tempfile.TemporaryDirectory(dir=QUICK_DISK) as base:
        history = History(Path(base))
        for uptime_s, fate, chance in lives:
            if history.is_parked:
                break
            history.die(uptime_s, fate, chance)
            assert history.stage.runs is not history.is_parked

        restarts = history.stage.restarts
        for last in restarts:
            within = [at_s for at_s in restarts if last - M_S + 1e-6 < at_s <= last]
            assert len(within) <= N


def test_restarts_when_a_loop_meets_crashes_of_ours_then_it_is_parked_after_n_deaths() -> None:
    """A crash in the midst of each cure gives no budget back: four restarts, then the park."""
    with tempfile.TemporaryDirectory(dir=QUICK_DISK) as base:
        history = History(Path(base))
        for fate in (*Fate, Fate.BEFORE_ACTING):
            assert not history.is_parked
            history.die(1.0, fate, 0.5)

        assert history.is_parked
        assert len(history.stage.restarts) == N - 1
