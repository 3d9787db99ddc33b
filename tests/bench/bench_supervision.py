"""Supervision beside supervisord and circus: restarts, many services, memory, idling, flips."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.frame import Row, median, percentile
from tests.bench.supervision_flips import flips
from tests.bench.supervision_rigs import OURS, Contender, Rig, others, running

FEW, MANY, VERY_MANY = 5, 200, 1000
SETTLE_S = 6.0
"""A child must have been up for more than 5 s for its restart to be at once."""
IDLE_S = 20.0
ROUNDS = 4
APART_S = 0.3
"""Between two kills, so that none is measured in the shadow of the one before."""


@dataclass(frozen=True, slots=True)
class Few:
    """A supervisor over a handful of children."""

    restart_s: float
    memory_mib: float
    idle_percent: float


@dataclass(frozen=True, slots=True)
class Many:
    """A supervisor over very many children."""

    started_s: float
    memory_mib: float
    idle_percent: float
    restart_s: float
    all_restarted_s: float


def restarts(rig: Rig, names: list[str]) -> list[float]:
    """Kill the named children one after the other; return the seconds of each restart."""
    seconds = []
    for name in names:
        time.sleep(APART_S)
        seconds.append(rig.restarted(name))
    return seconds


def over_few(contender: Contender, rounds: int) -> Few:
    """Measure a supervisor of five."""
    with tempfile.TemporaryDirectory() as folder, running(contender, Path(folder), FEW) as rig:
        time.sleep(SETTLE_S)
        memory_mib, idle_percent = rig.memory_mib(), rig.idle_percent(IDLE_S)
        seconds: list[float] = []
        for _ in range(rounds):
            seconds += restarts(rig, list(rig.children))
            time.sleep(SETTLE_S)
        return Few(median(seconds), memory_mib, idle_percent)


def over_many(contender: Contender, count: int, idle_s: float) -> Many:
    """Measure a supervisor of very many."""
    with tempfile.TemporaryDirectory() as folder, running(contender, Path(folder), count) as rig:
        time.sleep(SETTLE_S)
        memory_mib, idle_percent = rig.memory_mib(), rig.idle_percent(idle_s)
        restart_s = median(restarts(rig, list(rig.children)[:5]))
        time.sleep(SETTLE_S)
        all_s = rig.all_restarted()
        return Many(rig.started_s, memory_mib, idle_percent, restart_s, all_s)


def few_rows() -> Iterator[Row]:
    """Five services."""
    ours = over_few(OURS, ROUNDS)
    yield Row("SIGKILL of a child -> new child, median", "ms", ours.restart_s * 1e3, 5.0)
    yield Row("supervisor's memory, 5 services", "MiB", ours.memory_mib, 36.0)
    yield Row("supervisor's idle CPU, 5 services", "%", ours.idle_percent, 0.2)
    for contender in others():
        theirs = over_few(contender, rounds=1)
        yield _beside(
            "restart", "ms", ours.restart_s * 1e3, 0.05, contender, theirs.restart_s * 1e3
        )
        memory = (ours.memory_mib, 2.0, contender, theirs.memory_mib)
        yield _beside("memory, 5 services", "MiB", *memory)


def _beside(
    what: str, unit: str, ours: float, bound: float, contender: Contender, theirs: float
) -> Row:
    return Row(f"{what}, beside {contender.name}", unit, ours, bound, contender.name, theirs)


def many_rows() -> Iterator[Row]:
    """Two hundred services, and a thousand."""
    ours = over_many(OURS, MANY, IDLE_S)
    yield Row("200 services: all started", "ms", ours.started_s * 1e3, 400.0)
    yield Row("200 services killed: last one back", "ms", ours.all_restarted_s * 1e3, 250.0)
    yield Row("supervisor's memory, 200 services", "MiB", ours.memory_mib, 60.0)
    yield Row("supervisor's idle CPU, 200 services", "%", ours.idle_percent, 1.0)
    for contender in others():
        theirs = over_many(contender, MANY, idle_s=1.0)
        started = (ours.started_s * 1e3, 1.0, contender, theirs.started_s * 1e3)
        yield _beside("200 started", "ms", *started)
        back = (ours.all_restarted_s * 1e3, 0.5, contender, theirs.all_restarted_s * 1e3)
        yield _beside("200 killed", "ms", *back)
    grown = over_many(OURS, VERY_MANY, IDLE_S)
    linear = (VERY_MANY / MANY) * 1.5
    small = "200 services"
    begun = (grown.started_s * 1e3, linear, small, ours.started_s * 1e3)
    yield Row("growth: 1,000 services started", "ms", *begun)
    restart = (grown.restart_s * 1e3, 2.0, small, ours.restart_s * 1e3)
    yield Row("growth: restart of one among 1,000", "ms", *restart)
    idle = (grown.idle_percent, linear, small, ours.idle_percent)
    yield Row("growth: idle CPU, 1,000 services", "%", *idle)
    yield Row(
        "growth: memory, 1,000 services", "MiB", grown.memory_mib, 2.0, small, ours.memory_mib
    )


def rows() -> Iterator[Row]:
    """Measure few, many, and the way of a flip."""
    # The first start of a fresh checkout compiles; that is not what is measured.
    with tempfile.TemporaryDirectory() as folder, running(OURS, Path(folder), 1):
        pass
    yield from few_rows()
    yield from many_rows()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = flips(Path(folder))
    least = "one datagram + one durable replace"
    p99 = percentile(theirs, 0.99) * 1e3
    yield Row(
        "flip -> readable in health.json, p99", "ms", percentile(ours, 0.99) * 1e3, 3.0, least, p99
    )
