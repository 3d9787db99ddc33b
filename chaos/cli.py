"""`python deploy_supervisor.py drill [NAME...] [--all] [--list]`: run drills and judge them."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos.acts import Dose
from chaos.catalogue import CATALOGUE, CONTROL, GUARDIAN
from chaos.judge import Verdict
from chaos.random_mode import drawn, repeat_command, shortest_failing
from chaos.receiver import AlertReceiver
from chaos.report import (
    Document,
    drill_document,
    earlier_of,
    junit_of,
    line_of,
    report_of,
    trend_of,
)
from chaos.report_page import page_of
from chaos.resources import Reading, count_files, growth, growth_of_files, read
from chaos.row import Row
from chaos.runner import Drills, Outcome
from chaos.summary import TIMES, summary_lines
from chaos.throwaway import ThrowAway, sweep
from services.supervisor.folders import log_folder, state_folder
from services.supervisor.locks import LockHeld, ProcessLock
from services.supervisor.terminal import say
from shared.clock import Clock, SystemClock, utc_text

PASSED, FAILED, USAGE = 0, 1, 2
NO_FAULT = "off"
ROWS = {CONTROL.name: CONTROL, **CATALOGUE}
HISTORY, HISTORY_LINES_MAX = "history.jsonl", 5_000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy_supervisor.py drill",
        description="Break a throw-away copy of the system on purpose and judge how it heals.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="drills to run, in this order")
    parser.add_argument("--all", action="store_true", help="every drill, and control first")
    parser.add_argument("--list", action="store_true", help="show the catalogue")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--repeat", type=int, default=1, help="run each so often")
    parser.add_argument("--random", type=float, metavar="S", help="draw drills for so long")
    parser.add_argument("--fresh", action="store_true", help="begin with empty folders, no copy")
    for option in ("--state-dir", "--log-dir"):
        parser.add_argument(option, metavar="DIR", help="real folder, which is only copied")
    parser.add_argument("--env-file", metavar="FILE", help="settings file instead of .env")
    return parser


def drill(words: Sequence[str]) -> int:
    """Carry out the command; 0 when all passed, 1 when not, 2 for wrong arguments."""
    arguments = _parser().parse_args(words)
    if arguments.list:
        say(catalogue_table())
        return PASSED
    names = list(ROWS) if arguments.all else arguments.names
    unknown = [name for name in names if name not in ROWS]
    if unknown or not (names or arguments.random):
        told = f"no such drill: {', '.join(unknown)}" if unknown else "say which drill, or --all"
        say(f"{told}; drill --list shows them", sys.stderr)
        return USAGE
    reports = log_folder(arguments) / "drills"
    reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = ProcessLock(reports / ".lock")
    try:
        lock.take("a run of drills")
    except LockHeld as held:
        say(f"Another run of drills goes on: {held.holder}.", sys.stderr)
        return FAILED
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows = [ROWS[name] for name in names for _ in range(max(1, arguments.repeat))]
    try:
        run = Run(arguments, reports, SystemClock())
        return run.drawn(arguments.random) if arguments.random else run.all(rows)
    finally:
        lock.release()


def catalogue_table() -> str:
    """Return the catalogue as a table for people."""
    head = f"{'DRILL':<17} {'WHERE':<8} {'CLASS':<13} {'DETECT':>7} {'ANSWER':>7} {'RECOVER':>8}"
    lines = [
        f"{row.name:<17} {row.place:<8} {row.failure_class:<13} {row.bounds.detect_s:>5g} s "
        f"{row.bounds.respond_s:>5g} s {row.bounds.recover_s:>6g} s  {row.breaks}"
        for row in ROWS.values()
    ]
    return "\n".join([f"{head}  BREAKS", *lines])


class Run:
    """One command's drills, on one system as long as that one heals."""

    def __init__(self, arguments: argparse.Namespace, reports: Path, clock: Clock) -> None:
        self._arguments, self._reports, self._clock = arguments, reports, clock
        self._system: ThrowAway | None = None
        self._drills: Drills | None = None
        self._receiver = AlertReceiver(clock)
        self._usage: list[Reading] = []
        self._files: list[list[int]] = []
        """How many there were after each drill, for each system."""
        self._is_red = False
        """Whether a drill of the last run did not pass."""
        self._names = ",".join(CATALOGUE)
        """What CHAOS_MODE tells health.json, and so the page."""

    def all(self, rows: Iterable[Row], *, ends_at_failure: bool = False) -> int:
        """Run them one after the other, write the reports, return the exit code."""
        if isinstance(rows, Sequence):
            names = dict.fromkeys(one.name for one in rows if one is not CONTROL)
            self._names = ",".join(names) or NO_FAULT
        left = sweep(self._reports)
        if left is not None:
            say(f"Swept what an earlier run of drills had left: {left}")
        began = self._clock.utc_now()
        history = _history(self._reports / HISTORY)
        outcomes: list[Outcome] = []
        self._usage, self._files = [], []
        interrupted = False
        try:
            for number, row in enumerate(rows, 1):
                say(f"[{number}] {row.name}: {row.breaks}")
                outcomes.append(self._one(row, self._arguments.seed + number - 1))
                self._show(drill_document(outcomes[-1]), history)
                if ends_at_failure and outcomes[-1].judged.verdict is not Verdict.PASSED:
                    break
        except KeyboardInterrupt:
            interrupted = True
            say("Interrupted: everything is undone, what was not run is not passed.", sys.stderr)
        finally:
            self._end()
        self._is_red = any(one.judged.verdict is not Verdict.PASSED for one in outcomes)
        report = self._write(outcomes, began, history)
        return FAILED if interrupted else int(report["exit_code"])

    def drawn(self, for_s: float) -> int:
        """Draw drills for so long; a failure is told with the shortest sequence that repeats it."""
        seed, until_s = self._arguments.seed, self._clock.monotonic_s() + for_s
        rows: list[Row] = []

        def until_over() -> Iterator[Row]:
            for row in drawn(seed):
                if self._clock.monotonic_s() >= until_s:
                    return
                rows.append(row)
                yield row

        if self.all(until_over(), ends_at_failure=True) == PASSED:
            return PASSED
        names = [row.name for row in rows]
        say(f"Repeat it: {repeat_command(names, seed)}")
        if not self._is_red:
            return FAILED  # something grew: only the whole run can show that again
        found, found_seed = shortest_failing(names, seed, self._fails_again)
        say(f"Shortest that failed: {repeat_command(found, found_seed)}")
        return FAILED

    def _fails_again(self, names: Sequence[str], seed: int) -> bool:
        self._arguments.seed = seed
        return self.all([ROWS[name] for name in names]) != PASSED

    def _one(self, row: Row, seed: int) -> Outcome:
        if self._drills is None:
            self._start(self._names)
        if self._drills is None or self._system is None:
            raise AssertionError("a system was started")
        outcome = self._drills.run(row, Dose(row.bounds.lease_s, seed))
        self._usage.extend(read(self._drills.pids()))
        self._files[-1].append(count_files(self._system.state.root, self._system.logs.root))
        if outcome.judged.verdict is not Verdict.PASSED:
            self._keep_logs(row.name)
        is_well = row is CONTROL or outcome.moments.recovered_s is not None
        if not is_well or row.injection.victim == GUARDIAN:
            self._end()  # the next one must not answer for what this one left
        return outcome

    def _start(self, names: str) -> None:
        self._system = ThrowAway(self._reports, names, {"ALERT_URLS": self._receiver.url})
        self._files.append([])
        if not self._arguments.fresh:
            self._system.copy(state_folder(self._arguments), log_folder(self._arguments))
        for folder in (self._system.state.root, self._system.logs.root):
            folder.mkdir(mode=0o700, exist_ok=True)
        self._system.start()
        self._drills = Drills(self._system, self._receiver, self._clock, say)

    def _end(self) -> None:
        if self._drills is not None:
            self._drills.close()
        if self._system is not None:
            self._system.end()
        self._system = self._drills = None

    def _keep_logs(self, name: str) -> None:
        if self._system is not None:
            _copy_logs(self._system.logs.root, self._reports / f"last_failed_{name}")

    def _show(self, found: Document, history: Sequence[Document]) -> None:
        say(f"  {line_of(found)}")
        say(f"    {trend_of(found, earlier_of(found, history))}")
        for ground in found["grounds"]:
            say(f"    - {ground}")

    def _write(
        self, outcomes: Sequence[Outcome], began: datetime, history: Sequence[Document]
    ) -> Document:
        times = (utc_text(began), utc_text(self._clock.utc_now()))
        report = report_of(outcomes, times, self._arguments.seed)
        grown = (growth_of_files(counts) for counts in self._files)
        report["growth"] = [*growth(self._usage), *(told for one in grown for told in one)]
        for told in report["growth"]:
            say(f"  - {told}")
        if report["growth"]:
            report |= {"verdict": str(Verdict.FAILED), "exit_code": FAILED}
        for one in report["drills"]:
            one["earlier"] = earlier_of(one, history)
            one["trend"] = trend_of(one, one["earlier"])
        folder = self._reports / began.strftime("%Y%m%dT%H%M%SZ")
        folder.mkdir(mode=0o700, exist_ok=True)
        written: tuple[tuple[str, Callable[[Document], str]], ...] = (
            ("report.json", lambda told: json.dumps(told, indent=2) + "\n"),
            ("report.html", page_of),
            ("junit.xml", junit_of),
        )
        for name, text_of in written:
            (folder / name).write_text(text_of(report), "utf-8")
        with (self._reports / HISTORY).open("a", encoding="utf-8") as file:
            for one in report["drills"]:
                kept = ("name", "verdict", *TIMES, "seed")
                line = {"ts": times[1], **{key: one[key] for key in kept}}
                file.write(json.dumps(line) + "\n")
        if len(report["summary"]) < len(outcomes):
            say("\n".join(["Median / worst of what happened:", *summary_lines(report["summary"])]))
        passed = sum(one["verdict"] == "PASSED" for one in report["drills"])
        say(f"{passed} of {len(outcomes)} passed. Report: {folder / 'report.html'}")
        return report


def _copy_logs(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    with suppress(OSError):
        shutil.copytree(source, target)


def _history(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with suppress(OSError):
        for line in path.read_text("utf-8").splitlines()[-HISTORY_LINES_MAX:]:
            with suppress(ValueError):
                found.append(json.loads(line))
    return found
