"""`python -m tests.crash`: plays histories and says what they found."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing import get_context

from tests.crash.drawing import history_of
from tests.crash.lives import Asked, Outcome, Stage

HASH_SEED = "0"
"""Sets iterate in one order then: without it a history would depend on the process."""
SAY_EVERY_S = 10.0
SHOWN_MAX = 5


def main(options: Sequence[str]) -> int:
    """Play what is asked for; 0 when nothing was violated, else 1."""
    asked = _parsed(options)
    if asked.seed is not None:
        return _one(asked.seed, asked.mutant)
    seeds = range(asked.seed_from, asked.seed_from + asked.histories)
    began_s = time.monotonic()
    tally: Counter[str] = Counter()
    failed: list[Outcome] = []
    worst_s, done, said_s = 0.0, 0, began_s
    # A broken bot is found out by one history, in one process.
    for outcome in _played(seeds, 1 if asked.mutant else asked.jobs, asked.mutant):
        done += 1
        tally.update(outcome.tally)
        worst_s = max(worst_s, outcome.worst_naked_s)
        if outcome.violations:
            failed.append(outcome)
            _say_failure(outcome)
            if asked.mutant:
                break
        if time.monotonic() - said_s >= SAY_EVERY_S:
            said_s = time.monotonic()
            rate = done / (said_s - began_s)
            _write(f"{done} of {len(seeds)} histories, {len(failed)} failed, {rate:.1f} per s")
    _summarise(tally, worst_s, done, time.monotonic() - began_s)
    _write(f"{done} histories, {len(failed)} with violations")
    if failed:
        _write("seeds: " + " ".join(str(one.seed) for one in failed))
    if done < len(seeds):
        _write(f"only {done} of {len(seeds)} histories were played: a worker failed")
    return 1 if failed or done < len(seeds) else 0


def _parsed(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--histories", type=int, default=5_000, help="how many (5000)")
    parser.add_argument("--seed-from", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seed", type=int, help="one history, with its transcript")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (2)")
    parser.add_argument("--mutant", default="", help="a broken bot of mutants.py: must fail")
    return parser.parse_args(options)


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


def _played(seeds: range, jobs: int, mutant: str) -> Iterator[Outcome]:
    if jobs <= 1:
        yield from _share(seeds, mutant)
        return
    context = get_context("fork")
    queue = context.SimpleQueue()
    shares = [seeds[place::jobs] for place in range(jobs)]
    workers = [
        context.Process(target=_worker, args=(share, mutant, queue), daemon=False)
        for share in shares
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


def _worker(seeds: range, mutant: str, queue: object) -> None:
    put = queue.put  # type: ignore[attr-defined]  # a queue of the fork context
    try:
        for outcome in _share(seeds, mutant):
            put(outcome)
    finally:
        put(None)


def _share(seeds: range, mutant: str) -> Iterator[Outcome]:
    stage = Stage()
    try:
        for seed in seeds:
            yield stage.play(history_of(seed), Asked(mutant=mutant))
    finally:
        stage.close()


def _say_failure(outcome: Outcome) -> None:
    _write(f"FAILED seed {outcome.seed}; repeat it: python -m tests.crash --seed {outcome.seed}")
    for words in outcome.violations[:SHOWN_MAX]:
        _write(f"  {words}")


def _summarise(tally: Counter[str], worst_s: float, done: int, took_s: float) -> None:
    _write("")
    for name in sorted(tally):
        _write(f"{name:<36}{tally[name]:>10}")
    _write(f"{'worst unprotected, market seconds':<36}{worst_s:>10.2f}")
    _write(f"{'seconds for each history':<36}{took_s / max(1, done):>10.3f}")


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        arguments = [sys.executable, "-m", "tests.crash", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONHASHSEED": HASH_SEED})
    sys.exit(main(sys.argv[1:]))
