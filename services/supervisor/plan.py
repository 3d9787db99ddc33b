"""Who starts when, who stops when, who is killed for silence: pure decisions over facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.health.evidence import BeatRule
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


_KEEP = WatchAnswer(Watch.KEEP, "")


def watch_answer(facts: WatchFacts, rule: BeatRule, memory_max_bytes: int | None) -> WatchAnswer:
    """Decide whether a process is hung or too big. Time that it asked for is its own."""
    if facts.phase not in (Phase.STARTING, Phase.RUNNING):
        return _KEEP
    if memory_max_bytes is not None and (facts.rss_bytes or 0) > memory_max_bytes:
        return WatchAnswer(Watch.RENEW, f"memory above its ceiling of {memory_max_bytes} bytes")
    if not rule.notify or facts.extended:
        return _KEEP
    if facts.ready and facts.silent_for_s > rule.watchdog_s:
        return WatchAnswer(Watch.ABORT, f"no beat for {rule.watchdog_s:g} s")
    if not facts.ready and facts.running_for_s > rule.ready_s + rule.watchdog_s:
        return WatchAnswer(Watch.ABORT, f"not ready within {rule.ready_s:g} s")
    return _KEEP
