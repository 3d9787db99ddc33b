"""`make kill-test`: python -m tests.kill --kills 1000 --seed 1

Starts the whole system under supervisord in folders of its own, kills at random as the seed
says, and after each blow waits until the tree is whole again and compares. At the end the books
are compared with the exchange's, as `make run` does. Exit 1, with the command that repeats it,
at the first thing that is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.kill.blows import Blow, blows
from tests.kill.ending import check_books, check_end
from tests.kill.guarded import Guarded, guarded
from tests.kill.trial import START_WITHIN_S, Broken, Wanted, try_blow, until_whole

LINES_OF_LOG = 15


def main(arguments: list[str]) -> int:
    """Run so many kills and print what healing took."""
    asked = _parser().parse_args(arguments)
    # However the run is ended, the system that it started is ended with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    base = Path(tempfile.mkdtemp(prefix="kill-test-"))
    began_s = time.monotonic()
    healed: dict[str, list[float]] = {}
    with guarded(base) as system:
        try:
            _run(system, asked.kills, asked.seed, healed)
        except Broken as broken:
            _say(f"BROKEN: {broken}")
            _say(_evidence(system))
            repeat = f"python -m tests.kill --kills {asked.kills} --seed {asked.seed}"
            _say(f"Again: {repeat}   What was written lies in {base}")
            return 1
        finally:
            _say(_table(healed))
    shutil.rmtree(base)
    _say(f"{asked.kills} kills with seed {asked.seed} in {time.monotonic() - began_s:.0f} s: whole")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _run(system: Guarded, kills: int, seed: int, healed: dict[str, list[float]]) -> None:
    look = until_whole(system, Wanted(0.0, START_WITHIN_S))
    plan = blows(seed, system.services)
    done = 0
    while done < kills:
        blow = next(plan)
        done += 1
        try:
            look, took_s = try_blow(system, look, blow)
        except Broken as broken:
            raise Broken(f"kill {done}, {blow}: {broken}") from broken
        healed.setdefault(_name(blow), []).append(took_s)
        _say(f"{done:5} {took_s:6.2f} s  {blow}")
    _say(check_books(system))
    check_end(system)


def _name(blow: Blow) -> str:
    """The row of the table of times."""
    return blow.targets[0] if blow.kind == "service" else blow.kind


def _table(healed: Mapping[str, list[float]]) -> str:
    lines = [f"{'seconds until whole':24} {'n':>4} {'median':>7} {'p90':>7} {'max':>7}"]
    for name, times in sorted(healed.items()):
        ordered = sorted(times)
        p90 = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
        median = statistics.median(ordered)
        lines.append(f"{name:24} {len(times):4} {median:7.2f} {p90:7.2f} {ordered[-1]:7.2f}")
    return "\n".join(lines)


def _evidence(system: Guarded) -> str:
    """Return who lives, and the last lines of what the supervisor and supervisord wrote."""
    told = [f"living: {dict(system.census().pids)}"]
    for name in ("supervisor.jsonl", "incidents.jsonl", "supervisord.log", "trader.out"):
        path = next((one for one in (system.logs / name, system.base / name) if one.exists()), None)
        if path is not None:
            lines = path.read_text("utf-8", "replace").splitlines()[-LINES_OF_LOG:]
            told += [f"--- {name}", *lines]
    return "\n".join(told)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
