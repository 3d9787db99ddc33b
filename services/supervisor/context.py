"""What all parts of the supervisor share: clock, folders, books, and the roster of services."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.supervisor.adoption import RecordFolder
from services.supervisor.incidents import IncidentBook
from services.supervisor.launch import Launch
from services.supervisor.member import Member
from services.supervisor.plan import NeedFacts, start_order, stop_order
from services.supervisor.sockets import SocketFolder
from services.supervisor.table import ServiceSpec
from services.supervisor.tally import TallyBook
from shared.clock import Clock, utc_text
from shared.models.health import Phase


@dataclass(slots=True)
class Context:
    """Handed to every part instead of globals."""

    launch: Launch
    clock: Clock
    logger: logging.Logger
    loop: asyncio.AbstractEventLoop
    incidents: IncidentBook
    tally: TallyBook
    records: RecordFolder
    sockets: SocketFolder
    environment: Mapping[str, str]
    """What children inherit."""
    changed: Callable[[], None] = lambda: None
    """Called after anything that health.json shows."""
    died: Callable[[Member], None] = lambda _: None
    """Called once a death has been answered: it flips even when the next write finds all well."""
    chance: Callable[[], float] = field(default=random.random)
    """Spreads restarts in time; no secret depends on it."""
    owns_folder: Callable[[], bool] = lambda: True
    """Whether the state folder, with our lock in it, is still there."""
    guardian: tuple[int, int] | None = None
    """Pid and start ticks of the guardian watched last; None before one was seen alive."""
    stopping: bool = False
    """The whole system is on its way down: nothing is started any more."""
    later: list[Callable[[], None]] = field(default_factory=list)
    """Lines that people read afterwards: written before the next health.json, not before a
    restart, which is urgent."""

    def tell(self) -> None:
        """Write what was left for later."""
        while self.later:
            self.later.pop(0)()

    def now_s(self) -> float:
        """Seconds on the monotonic clock."""
        return self.clock.monotonic_s()

    def now_text(self) -> str:
        """The wall clock, for people."""
        return utc_text(self.clock.utc_now())


_GONE = NeedFacts(Phase.STOPPED, ready=False, will_return=False)


class Roster:
    """All members in the table's order."""

    def __init__(self, specs: Sequence[ServiceSpec]) -> None:
        self._members = {spec.name: Member(spec) for spec in specs}

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def get(self, name: str) -> Member | None:
        """Return a member by its name."""
        return self._members.get(name)

    def add(self, spec: ServiceSpec) -> Member:
        """Take in a new row of the table."""
        member = self._members[spec.name] = Member(spec)
        return member

    def remove(self, name: str) -> None:
        """Forget a member that is down."""
        del self._members[name]

    def needs_of(self, member: Member) -> dict[str, NeedFacts]:
        """Return the state of what a member needs; who was taken out counts as stopped."""
        return {
            name: self._members[name].need_facts() if name in self._members else _GONE
            for name in member.spec.needs
        }

    def in_start_order(self) -> tuple[Member, ...]:
        """Return the members so that needs come first."""
        return tuple(self._members[name] for name in start_order(self._needs()))

    def in_stop_order(self) -> tuple[Member, ...]:
        """Return the members so that dependants come first."""
        return tuple(self._members[name] for name in stop_order(self._needs()))

    def _needs(self) -> dict[str, tuple[str, ...]]:
        return {member.name: member.spec.needs for member in self}
