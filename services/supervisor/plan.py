"""Who starts when, who stops when, who is killed for silence: pure decisions over facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.health.evidence import LATE_DEGRADED, LATE_FAILED, BeatRule, Evidence
from shared.models.health import Phase


@dataclass(frozen=True, slots=True)
class NeedFacts:
    """What a dependant must know of a service that it needs."""

    phase: Phase
    ready: bool
    will_return: bool
    """Down, but not for long: it is about to be started again."""


class Launch(StrEnum):
    """May a service that is wanted be started now?"""

    NOW = "now"
    WAIT = "wait"
    BLOCKED = "blocked"


_DOWN = frozenset({Phase.PARKED, Phase.STOPPED, Phase.STOPPING})


@dataclass(frozen=True, slots=True)
class LaunchAnswer:
    """The answer, and the reason that people read while it waits."""

    launch: Launch
    reason: str


def launch_answer(needs: Mapping[str, NeedFacts]) -> LaunchAnswer:
    """Decide from the state of all needs. A parked or stopped need blocks, others are awaited."""
    for name, facts in needs.items():
        if facts.phase in _DOWN and not facts.will_return:
            return LaunchAnswer(Launch.BLOCKED, f"blocked: needs {name}, which is {facts.phase}")
    waiting = [name for name, facts in needs.items() if not facts.ready]
    if waiting:
        return LaunchAnswer(Launch.WAIT, f"waits until {', '.join(waiting)} is ready")
    return LaunchAnswer(Launch.NOW, "starting")


def dependency_circle(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return one circle of names, first repeated at the end, or nothing when there is none."""
    done: set[str] = set()
    for start in needs:
        path: list[str] = []
        circle = _walk(start, needs, path, done)
        if circle:
            return circle
    return ()


def _walk(
    name: str, needs: Mapping[str, Sequence[str]], path: list[str], done: set[str]
) -> tuple[str, ...]:
    if name in path:
        return (*path[path.index(name) :], name)
    if name in done:
        return ()
    path.append(name)
    for need in needs.get(name, ()):
        circle = _walk(need, needs, path, done)
        if circle:
            return circle
    path.pop()
    done.add(name)
    return ()


def start_order(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the names so that every need stands before its dependants, else in table order."""
    ordered: dict[str, None] = {}

    def place(name: str) -> None:
        if name in ordered or name not in needs:
            return
        for need in needs[name]:
            place(need)
        ordered[name] = None

    for name in needs:
        place(name)
    return tuple(ordered)


def stop_order(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the reverse of the start order."""
    return tuple(reversed(start_order(needs)))


@dataclass(frozen=True, slots=True)
class WatchFacts:
    """What the watchdog looks at; ages in seconds."""

    phase: Phase
    ready: bool
    silent_for_s: float
    """Since the last beat, or since the start when there was none."""
    running_for_s: float
    extended: bool
    held_s: float
    """Of that silence: how long it waited for the disk or for a processor."""
    rss_bytes: int | None


class Watch(StrEnum):
    """What the watchdog does with a running process."""

    KEEP = "keep"
    ABORT = "abort"
    """SIGABRT for the stacks, then SIGKILL of the group; counts as a death."""
    RENEW = "renew"
    """A planned restart: stop and start again; counts as a death too."""


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    """The decision and its reason."""

    watch: Watch
    reason: str


HELD_S_MAX = 240.0
"""A stalled disk or a crowded machine excuses so much of a silence; a wait without end is a hang,
for a signal ends some of those, and whatever else it is, nothing is done there any more."""
_KEEP = WatchAnswer(Watch.KEEP, "")


def watch_answer(facts: WatchFacts, rule: BeatRule, memory_max_bytes: int | None) -> WatchAnswer:
    """Decide whether a process is hung or too big. Time that it asked for is its own, and up to
    HELD_S_MAX of waiting for the disk or for a processor is nobody's; kept for that, it says so.
    """
    if facts.phase not in (Phase.STARTING, Phase.RUNNING):
        return _KEEP
    if memory_max_bytes is not None and (facts.rss_bytes or 0) > memory_max_bytes:
        return WatchAnswer(Watch.RENEW, f"memory above its ceiling of {memory_max_bytes} bytes")
    if not rule.notify or facts.extended:
        return _KEEP
    if facts.ready:
        over_s, told = facts.silent_for_s - rule.watchdog_s, f"no beat for {rule.watchdog_s:g} s"
    else:
        over_s = facts.running_for_s - rule.ready_s - rule.watchdog_s
        told = f"not ready within {rule.ready_s:g} s"
    if over_s <= 0:
        return _KEEP
    if over_s <= min(facts.held_s, HELD_S_MAX):
        return WatchAnswer(Watch.KEEP, f"{told}, but it waits for the disk or for a processor")
    return WatchAnswer(Watch.ABORT, told)


def next_limit_s(evidence: Evidence, rule: BeatRule) -> float:
    """Return in how many seconds silence, if it goes on, next changes what is said or done; inf
    when it changes nothing any more.
    """
    if not rule.notify or evidence.phase not in (Phase.STARTING, Phase.RUNNING):
        return math.inf
    if not evidence.ready:
        limits = (rule.ready_s, rule.ready_s + rule.watchdog_s)
        return _next(limits, evidence.running_for_s)
    beat_s, progress_s = evidence.beat_age_s or 0.0, evidence.progress_age_s or 0.0
    late, failed = LATE_DEGRADED * rule.beat_s, LATE_FAILED * rule.beat_s
    return min(
        _next((late, failed, rule.watchdog_s), beat_s),
        _next((failed, rule.watchdog_s), progress_s),
    )


def _next(limits_s: Sequence[float], age_s: float) -> float:
    return min((limit_s - age_s for limit_s in limits_s if limit_s >= age_s), default=math.inf)
