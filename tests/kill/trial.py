"""One blow and what must be true after it: whole again, nobody double, nobody touched beside."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from services.supervisor.table import TRADING_BOT
from tests.kill.blows import GUARDIAN, SUPERVISOR, Blow
from tests.kill.census import Census
from tests.kill.guarded import Guarded, seconds_since_boot

LOOK_EVERY_S = 0.1
SETTLED_WITHIN_S = 180.0
WHOLE_WITHIN_S = {
    "hang of a service": 60.0,
    "hang of the supervisor": 60.0,
    "tree": 60.0,
}
WHOLE_WITHIN_ELSE_S = 45.0
"""Generous: a crowded machine with two cores must not fail what heals."""
START_WITHIN_S = 90.0
DOUBLE_LOOKS_MAX = 2
"""A process that is just being spawned still carries its parent's environment for a moment."""
BIRTH_LOOKS_MAX = 40
"""A second supervisor leaves as soon as it finds the lock taken: it must be born first."""


class Broken(AssertionError):
    """The tree did not become what it must be; the message tells what was seen."""


@dataclass(frozen=True)
class Wanted:
    """What a whole tree must be besides whole: written after this, by others than these."""

    since_s: float
    within_s: float
    former: Mapping[str, int | None] = field(default_factory=dict)
    settled: bool = False
    """Also no order may be of unknown outcome, which takes its two minutes by rule."""


@dataclass
class Look:
    """The system at one moment."""

    system: Guarded
    census: Census = field(init=False)
    health: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        """Look once: first who lives, then what is said of them."""
        self.census = self.system.census()
        self.health = dict(self.system.health())

    @property
    def services(self) -> dict[str, dict[str, object]]:
        """The services as health.json shows them."""
        found = self.health.get("services")
        return found if isinstance(found, dict) else {}

    def missing(self, wanted: Wanted) -> list[str]:
        """Return what is not whole yet, in words."""
        lacks = [role for role in self.system.roles if self.census.one(role) is None]
        said = [f"not exactly one {role}: {self.census.pids.get(role, ())}" for role in lacks]
        alike = [role for role, pid in wanted.former.items() if self.census.one(role) == pid]
        said += [f"{role} is still pid {wanted.former[role]}" for role in alike]
        said += [f"{role} {pids} beside" for role, pids in self._others()]
        if float(str(self.health.get("boottime_s", 0))) <= wanted.since_s:
            return [*said, "health.json is older than the blow"]
        if self.health["overall"] != "OK" and (wanted.settled or not self._settles):
            said.append(f"{self.health['overall']}: {self.health['reason']}")
        if self._has_open_incident(GUARDIAN):
            said.append("the supervisor knows of no guardian")
        supervisor = self.health["supervisor"]
        writer = supervisor.get("pid") if isinstance(supervisor, dict) else None
        if writer != self.census.one(SUPERVISOR):
            said.append(f"health.json is written by {writer}")
        return said + [text for name in self.system.services for text in self._of(name)]

    @property
    def _settles(self) -> bool:
        """Whether the bot only waits for the fate of an order that it was sending when it died."""
        return self.health["trading_state_cause"] == "unknown_outcome" and all(
            found.get("status") == "OK" or name == TRADING_BOT
            for name, found in self.services.items()
        )

    def _has_open_incident(self, name: str) -> bool:
        told = self.health.get("incidents")
        return isinstance(told, list) and any(
            one["service"] == name and one["recovered_after_s"] is None for one in told
        )

    def _others(self) -> list[tuple[str, tuple[int, ...]]]:
        return list(self.census.others(self.system.roles).items())

    def _of(self, name: str) -> list[str]:
        found = self.services.get(name, {})
        said = []
        well = ("OK", "DEGRADED") if name == TRADING_BOT and self._settles else ("OK",)
        if found.get("phase") != "running" or found.get("status") not in well:
            said.append(f"{name} is {found.get('phase')}, {found.get('status')}")
        if found.get("pid") != self.census.one(name):
            said.append(f"{name} is pid {found.get('pid')} in health.json")
        return said


def until_whole(system: Guarded, wanted: Wanted) -> Look:
    """Wait until everything is as it must be; raises Broken, also for a double on the way."""
    never = threading.Event()
    deadline_s = seconds_since_boot() + wanted.within_s
    doubled: dict[str, int] = {}
    while True:
        look = Look(system)
        seen = [f"{role} {pids}" for role, pids in look.census.doubles().items()]
        doubled = {double: doubled.get(double, 0) + 1 for double in seen}
        if any(looks > _looks_max(double) for double, looks in doubled.items()):
            raise Broken(f"two at the same time: {look.census.doubles()}")
        missing = look.missing(wanted)
        if not missing:
            return look
        if seconds_since_boot() > deadline_s:
            raise Broken(f"not whole within {wanted.within_s:g} s: {'; '.join(missing)}")
        never.wait(LOOK_EVERY_S)


def _looks_max(double: str) -> int:
    return BIRTH_LOOKS_MAX if double.startswith(f"{SUPERVISOR} ") else DOUBLE_LOOKS_MAX


def strike(before: Look, blow: Blow) -> None:
    """Let the blow fall."""
    never = threading.Event()
    for number, role in enumerate(blow.targets):
        if number and blow.lag_s:
            never.wait(blow.lag_s)
        pid = before.census.one(role)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, blow.number)


def try_blow(system: Guarded, before: Look, blow: Blow) -> tuple[Look, float]:
    """Strike, wait until whole, compare; return the look after it and the seconds to heal.

    Raises Broken with what was seen.
    """
    threading.Event().wait(blow.pause_s)
    lines_before = len(system.incident_lines())
    since_s = seconds_since_boot()
    strike(before, blow)
    struck_s = since_s + blow.lag_s * (len(blow.targets) - 1)
    within_s = WHOLE_WITHIN_S.get(blow.kind, WHOLE_WITHIN_ELSE_S)
    former = {role: before.census.one(role) for role in blow.targets}
    after = until_whole(system, Wanted(struck_s, within_s, former))
    healed_s = seconds_since_boot() - since_s
    told = {line["service"] for line in system.incident_lines()[lines_before:]}
    _compare(before, after, blow, told)
    return after, healed_s


def _compare(before: Look, after: Look, blow: Blow, told: set[str]) -> None:
    faults = [f"no incident tells of {role}" for role in blow.targets if role not in told]
    for role in before.system.roles:
        former, present = before.census.one(role), after.census.one(role)
        if role not in blow.targets and former != present:
            faults.append(f"{role} was not touched, but is pid {present} instead of {former}")
    if int(str(after.health["seq"])) <= int(str(before.health["seq"])):
        faults.append(f"seq went from {before.health['seq']} to {after.health['seq']}")
    if faults:
        raise Broken("; ".join(faults))
