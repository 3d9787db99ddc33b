"""Supervision beside supervisord and circus: restarts, many services, memory, idling, flips."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.bench.frame import Row, median, percentile
from tests.bench.supervision_flips import flips
from tests.bench.supervision_rigs import (
    OURS,
    Contender,
    RawChild,
    Rig,
    others,
    running,
)

FEW, MANY, VERY_MANY = 5, 200, 1000
SETTLE_S = 6.0
"""A child must have been up for more than 5 s for its restart to be at once."""
IDLE_S = 10.0
ROUNDS = 3
APART_S = 0.3
"""Between two kills, so that none is measured in the shadow of the one before."""
SAMPLES = 3
"""Restarts of a reference that takes seconds for each."""


@dataclass(frozen=True, slots=True)
class Few:
    """A supervisor over a handful of children."""

    restart_s: float
    memory_mib: float
    idle_percent: float = 0.0


@dataclass(frozen=True, slots=True)
class Many:
    """A supervisor over very many children."""

    started_s: float
    all_restarted_s: float
    start_processor_s: float
    memory_mib: float
    idle_percent: float


def restarts(rig: Rig, names: list[str]) -> list[float]:
    """Kill the named children one after the other; return the seconds of each restart."""
    seconds = []
    for name in names:
        time.sleep(APART_S)
        seconds.append(rig.restarted(name))
    return seconds


def our_few() -> tuple[Few, float]:
    """Measure our supervisor of five, and in turn with its restarts the barest one, in seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as beside,
        running(OURS, Path(folder), FEW) as rig,
        closing(RawChild(Path(beside))) as raw,
    ):
        time.sleep(SETTLE_S)
        memory_mib, idle_percent = rig.memory_mib(), rig.idle_percent(IDLE_S)
        ours: list[float] = []
        barest: list[float] = []
        for turn in range(ROUNDS):
            time.sleep(SETTLE_S if turn else 0.0)
            for name in list(rig.children):
                ours += restarts(rig, [name])
                barest.append(raw.restarted())
        return Few(median(ours), memory_mib, idle_percent), median(barest)


def their_few(contender: Contender) -> Few:
    """Measure a reference over five; one round, since each restart takes it seconds."""
    with tempfile.TemporaryDirectory() as folder, running(contender, Path(folder), FEW) as rig:
        time.sleep(SETTLE_S)
        memory_mib = rig.memory_mib()
        return Few(median(restarts(rig, list(rig.children)[:SAMPLES])), memory_mib)


def over_many(contender: Contender, count: int, idle_s: float) -> Many:
    """Measure a supervisor of very many, and the death of all of them at once."""
    with tempfile.TemporaryDirectory() as folder, running(contender, Path(folder), count) as rig:
        time.sleep(SETTLE_S)
        memory_mib, idle_percent = rig.memory_mib(), rig.idle_percent(idle_s)
        all_s = rig.all_restarted()
        return Many(rig.started_s, all_s, rig.start_processor_s, memory_mib, idle_percent)


def few_rows() -> Iterator[Row]:
    """Five services."""
    ours, barest_s = our_few()
    name, beside = "SIGKILL of a child -> new child, median", "raw kill, wait, posix_spawn"
    yield Row(name, "ms", ours.restart_s * 1e3, 5.0, beside, barest_s * 1e3, is_absolute=True)
    yield Row("supervisor's memory, 5 services", "MiB", ours.memory_mib, 36.0)
    yield Row("supervisor's idle CPU, 5 services", "%", ours.idle_percent, 0.2)
    for contender in others():
        theirs = their_few(contender)
        restart = (ours.restart_s * 1e3, 0.05, contender, theirs.restart_s * 1e3)
        yield _beside("restart", "ms", *restart)
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
        theirs = over_many(contender, MANY, idle_s=0.1)
        started = (ours.started_s * 1e3, 1.0, contender, theirs.started_s * 1e3)
        yield _beside("200 started", "ms", *started)
        back = (ours.all_restarted_s * 1e3, 0.5, contender, theirs.all_restarted_s * 1e3)
        yield _beside("200 killed", "ms", *back)
    yield from growth_rows(ours)


def growth_rows(small: Many) -> Iterator[Row]:
    """A thousand services, beside two hundred and, for one restart, beside five in turn."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as beside,
        running(OURS, Path(folder), VERY_MANY) as rig,
        running(OURS, Path(beside), FEW) as few,
    ):
        time.sleep(SETTLE_S)
        memory_mib, idle_percent = rig.memory_mib(), rig.idle_percent(IDLE_S)
        among_many: list[float] = []
        among_few: list[float] = []
        for _ in range(ROUNDS):
            for name in few.children:
                among_few += restarts(few, [name])
                among_many += restarts(rig, [f"idle-{len(among_many)}"])
            time.sleep(SETTLE_S)
        processor_s = rig.start_processor_s
    linear = VERY_MANY / MANY * 1.5
    name, before = "growth: start of 1,000, processor time", f"{MANY} services"
    yield Row(name, "ms", processor_s * 1e3, linear, before, small.start_processor_s * 1e3)
    name, now_ms = "growth: restart of one among 1,000", median(among_many) * 1e3
    yield Row(name, "ms", now_ms, 2.0, f"one among {FEW}", median(among_few) * 1e3)
    name = "growth: idle CPU, health included, 1,000"
    yield Row(name, "%", idle_percent, linear, before, small.idle_percent)
    yield Row("growth: memory, 1,000", "MiB", memory_mib, 2.0, before, small.memory_mib)


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
