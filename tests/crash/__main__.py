"""`python -m tests.crash`: plays histories and says what they found."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

from tests.crash.drawing import history_of
from tests.crash.grid import POINTS, name_of, seeds_at
from tests.crash.lives import Asked, Outcome, Stage
from tests.crash.table import Table

HASH_SEED = "0"
"""Sets iterate in one order then: without it a history would depend on the process."""
SAY_EVERY_S = 10.0
SHOWN_MAX = 5


@dataclass(slots=True)
class _Score:
    """What the run has found so far."""

    wanted: int
    began_s: float = field(default_factory=time.monotonic)
    table: Table = field(default_factory=Table)
    done: int = 0
    worst_s: float = 0.0
    failed: list[int] = field(default_factory=list)
    _said_s: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome, mutant: str) -> None:
        """Take one history's outcome; say how far the run is, now and then."""
        self.done += 1
        self.table.add(outcome.tally)
        self.worst_s = max(self.worst_s, outcome.worst_naked_s)
        if outcome.violations:
            self.failed.append(outcome.seed)
            _say_failure(outcome, mutant)
        now_s = time.monotonic()
        if now_s - self._said_s < SAY_EVERY_S:
            return
        self._said_s = now_s
        rate = self.done / (now_s - self.began_s)
        left_s = (self.wanted - self.done) / rate
        _write(
            f"{self.done} of {self.wanted} histories, {len(self.failed)} failed, "
            f"{rate:.1f} per s, {left_s:.0f} s to go"
        )

    def sum_up(self) -> int:
        """Say everything at the end; return the exit code."""
        took_s = time.monotonic() - self.began_s
        for line in self.table.lines():
            _write(line)
        _write(f"worst unprotected, market seconds: {self.worst_s:.2f}")
        _write(f"{took_s:.0f} s, {self.done / max(took_s, 0.001):.2f} histories per s")
        _write(f"{self.done} histories, {len(self.failed)} with violations")
        if self.failed:
            _write("seeds: " + " ".join(map(str, sorted(self.failed))))
        if self.done < self.wanted:
            _write(f"only {self.done} of {self.wanted} histories were played: a worker failed")
        return 1 if self.failed or self.done < self.wanted else 0


def main(options: Sequence[str]) -> int:
    """Play what is asked for; 0 when nothing was violated, else 1."""
    asked = _parsed(options)
    if asked.seed is not None:
        return _one(asked.seed, asked.mutant)
    seeds: Sequence[int] = range(asked.seed_from, asked.seed_from + asked.histories)
    if asked.place:
        seeds = tuple(islice(seeds_at(asked.place, asked.seed_from), asked.histories))
    score = _Score(len(seeds))
    # A broken bot is found out by one history, in one process.
    for outcome in _played(seeds, 1 if asked.mutant else asked.jobs, asked.mutant):
        score.add(outcome, asked.mutant)
        if asked.mutant and outcome.violations:
            break
    return score.sum_up()


def _parsed(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--histories", type=int, default=5_000, help="how many (5000)")
    parser.add_argument("--seed-from", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seed", type=int, help="one history, with its transcript")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=cores, help="worker processes (each core's)")
    parser.add_argument("--mutant", default="", help="a broken bot of mutants.py: must fail")
    parser.add_argument(
        "--place",
        default="",
        help="only histories whose first life is to end there: the end of a row 'death: ...' of "
        "the table, or a part of it, such as 'POST exit'",
    )
    asked = parser.parse_args(options)
    if asked.place and not any(asked.place in name_of(point) for point in POINTS):
        places = "\n  ".join(map(name_of, POINTS))
        parser.error(f"no place of death is called {asked.place!r}; there are\n  {places}")
    return asked


def _one(seed: int, mutant: str) -> int:
    stage = Stage()
    try:
        history = history_of(seed)
        outcome = stage.play(history, Asked(transcript=True, mutant=mutant))
    finally:
        stage.close()
    for line in history.lines():
        _write(line)
    _write(outcome.transcript)
    _write(f"worst unprotected: {outcome.worst_naked_s:.2f} s; {dict(outcome.tally)}")
    for words in outcome.violations:
        _write(f"VIOLATION {words}")
    return 1 if outcome.violations else 0


def _played(seeds: Sequence[int], jobs: int, mutant: str) -> Iterator[Outcome]:
    if jobs <= 1:
        yield from _share(seeds, mutant)
        return
    context = get_context("fork")
    queue = context.SimpleQueue()
    shares = [seeds[place::jobs] for place in range(jobs)]
    workers = [
        context.Process(target=_worker, args=(share, mutant, queue, place), daemon=False)
        for place, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    left = len(workers)
    while left:
        found = queue.get()
        if found is None:
            left -= 1
        else:
            yield found
    for worker in workers:
        worker.join()


def _worker(seeds: Sequence[int], mutant: str, queue: object, place: int) -> None:
    put = queue.put  # type: ignore[attr-defined]  # a queue of the fork context
    cores = sorted(os.sched_getaffinity(0))
    # Venue and bot take turns: on one core a turn costs no wake-up of another.
    os.sched_setaffinity(0, {cores[place % len(cores)]})
    try:
        for outcome in _share(seeds, mutant):
            put(outcome)
    finally:
        put(None)


def _share(seeds: Sequence[int], mutant: str) -> Iterator[Outcome]:
    stage = Stage()
    try:
        for seed in seeds:
            yield stage.play(history_of(seed), Asked(mutant=mutant))
    finally:
        stage.close()


def _say_failure(outcome: Outcome, mutant: str) -> None:
    command = f"python -m tests.crash --seed {outcome.seed}"
    command += f" --mutant {mutant}" if mutant else ""
    _write(f"FAILED seed {outcome.seed}; repeat it: {command}")
    for words in outcome.violations[:SHOWN_MAX]:
        _write(f"  {words}")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        arguments = [sys.executable, "-m", "tests.crash", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONHASHSEED": HASH_SEED})
    sys.exit(main(sys.argv[1:]))
