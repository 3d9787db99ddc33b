"""`python deploy_supervisor.py drill [NAME...] [--all] [--list]`: run drills and judge them."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from chaos.acts import Dose
from chaos.archive import Archive
from chaos.catalogue import CATALOGUE, CONTROL, GUARDIAN
from chaos.evidence import Moments
from chaos.judge import Judged, Verdict
from chaos.random_mode import drawn, repeat_command, shortest_failing
from chaos.receiver import AlertReceiver
from chaos.report import Document, drill_document, earlier_of, line_of, report_of, trend_of
from chaos.resources import Reading, count_files, growth, growth_of_files, read
from chaos.row import Row
from chaos.runner import Drills, Outcome
from chaos.summary import summary_lines
from chaos.throwaway import ThrowAway, sweep
from services.supervisor.folders import log_folder, state_folder
from services.supervisor.locks import LockHeld, ProcessLock
from services.supervisor.terminal import printable, say
from shared.clock import Clock, SystemClock, utc_text
from shared.errors import SystemFault

PASSED, FAILED, USAGE = 0, 1, 2
NO_FAULT = "off"
ROWS = {CONTROL.name: CONTROL, **CATALOGUE}
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ODDITIES = (SystemFault, OSError, ValueError, TypeError, LookupError, ArithmeticError)
"""What a broken system may lead its examiner to: that drill is not passed, the next one is run."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy_supervisor.py drill",
        description="Break a throw-away copy of the system on purpose and judge how it heals.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="drills to run, in this order")
    parser.add_argument("--all", action="store_true", help="every drill, and control first")
    parser.add_argument("--list", action="store_true", help="show the catalogue")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--repeat", type=_count, default=1, help="run each so often")
    parser.add_argument("--random", type=_seconds, metavar="S", help="draw drills for so long")
    parser.add_argument("--fresh", action="store_true", help="begin with empty folders, no copy")
    for option in ("--state-dir", "--log-dir"):
        parser.add_argument(option, metavar="DIR", help="real folder, which is only copied")
    parser.add_argument("--env-file", metavar="FILE", help="settings file instead of .env")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def drill(words: Sequence[str]) -> int:
    """Carry out the command; 0 when all passed, 1 when not, 2 for wrong arguments."""
    arguments = _parser().parse_args(words)
    if arguments.list:
        say(catalogue_table())
        return PASSED
    names = list(ROWS) if arguments.all else arguments.names
    unknown = [name for name in names if name not in ROWS]
    if unknown or bool(names) == bool(arguments.random):
        told = f"no such drill: {', '.join(unknown)}" if unknown else "say which drill, or --all"
        say(f"{told} (or --random alone); drill --list shows them", sys.stderr)
        return USAGE
    reports = log_folder(arguments) / "drills"
    lock = ProcessLock(reports / ".lock")
    try:
        reports.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.take("a run of drills")
    except LockHeld as held:
        say(f"Another run of drills goes on: {held.holder}.", sys.stderr)
        return FAILED
    except OSError as fault:
        say(f"No reports can be written: {fault}.", sys.stderr)
        return FAILED
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    rows = [ROWS[name] for name in names for _ in range(arguments.repeat)]
    try:
        run = Run(arguments, reports, SystemClock())
        return run.drawn(arguments.random) if arguments.random else run.all(rows)
    finally:
        lock.release()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Undo to the end, however often somebody asks to be quick."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
        self._archive = Archive(reports)
        self._system: ThrowAway | None = None
        self._drills: Drills | None = None
        self._receiver = AlertReceiver(clock)
        self._usage: list[Reading] = []
        self._files: list[list[int]] = []
        """How many there were after each drill, for each system."""
        self._is_red = self._is_interrupted = False
        """Whether a drill of the last run did not pass, or somebody ended that run."""
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
        history = self._archive.history()
        outcomes: list[Outcome] = []
        self._usage, self._files = [], []
        self._is_interrupted = False
        try:
            for number, row in enumerate(rows, 1):
                say(f"[{number}] {row.name}: {row.breaks}")
                outcomes.append(self._one(row, self._arguments.seed + number - 1))
                self._show(drill_document(outcomes[-1]), history)
                if ends_at_failure and outcomes[-1].judged.verdict is not Verdict.PASSED:
                    break
        except KeyboardInterrupt:
            self._is_interrupted = True
            say("Interrupted: everything is undone, what was not run is not passed.", sys.stderr)
        finally:
            with _undisturbed():
                self._end()
        self._is_red = any(one.judged.verdict is not Verdict.PASSED for one in outcomes)
        return int(self._write(outcomes, began, history)["exit_code"])

    def drawn(self, for_s: float) -> int:
        """Draw drills for so long; a failure is told with the shortest sequence that repeats it."""
        arguments = self._arguments
        seed, until_s = arguments.seed, self._clock.monotonic_s() + for_s
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
        if not self._is_red:
            return FAILED  # interrupted, or something grew: only a whole run can show that again
        say(f"Repeat it: {repeat_command(names, seed, is_fresh=arguments.fresh)}")
        try:
            found, found_seed = shortest_failing(names, seed, self._fails_again)
        except KeyboardInterrupt:
            say("The shortest that fails was not found.", sys.stderr)
            return FAILED
        told = repeat_command(found, found_seed, is_fresh=arguments.fresh)
        say(f"Shortest that failed: {told}")
        return FAILED

    def _fails_again(self, names: Sequence[str], seed: int) -> bool:
        """Whether a drill of it is red again; raises KeyboardInterrupt when somebody ends it."""
        self._arguments.seed = seed
        self.all([ROWS[name] for name in names])
        if self._is_interrupted:
            raise KeyboardInterrupt
        return self._is_red

    def _one(self, row: Row, seed: int) -> Outcome:
        try:
            outcome = self._drilled(row, seed)
        except ODDITIES as fault:
            verdict = Verdict.NOT_RUN if self._drills is None else Verdict.ABORTED
            judged = Judged(verdict, (f"the drill itself broke: {type(fault).__name__}: {fault}",))
            outcome = Outcome(row, judged, Moments(self._clock.monotonic_s()), seed=seed)
        if outcome.judged.verdict is not Verdict.PASSED and self._system is not None:
            self._archive.keep_logs(self._system.logs.root, row.name)
        is_well = row is CONTROL or outcome.moments.recovered_s is not None
        if not is_well or row.injection.victim == GUARDIAN:
            self._end()  # the next one must not answer for what this one left
        return outcome

    def _drilled(self, row: Row, seed: int) -> Outcome:
        if self._drills is None:
            self._start(self._names)
        if self._drills is None or self._system is None:
            raise AssertionError("a system was started")
        outcome = self._drills.run(row, Dose(row.bounds.lease_s, seed))
        self._usage.extend(read(self._drills.pids()))
        self._files[-1].append(count_files(self._system.state.root, self._system.logs.root))
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

    def _show(self, found: Document, history: Sequence[Document]) -> None:
        say(f"  {line_of(found)}")
        say(f"    {trend_of(found, earlier_of(found, history))}")
        for ground in found["grounds"]:
            say(f"    - {printable(ground)}")

    def _write(
        self, outcomes: Sequence[Outcome], began: datetime, history: Sequence[Document]
    ) -> Document:
        times = (utc_text(began), utc_text(self._clock.utc_now()))
        report = report_of(outcomes, times, self._arguments.seed)
        grown = (growth_of_files(counts) for counts in self._files)
        report["growth"] = [*growth(self._usage), *(told for one in grown for told in one)]
        for told in report["growth"]:
            say(f"  - {told}")
        if report["growth"] or self._is_interrupted:
            report |= {"verdict": str(Verdict.FAILED), "exit_code": FAILED}
        for one in report["drills"]:
            one["earlier"] = earlier_of(one, history)
            one["trend"] = trend_of(one, one["earlier"])
        if len(report["summary"]) < len(outcomes):
            say("\n".join(["Median / worst of what happened:", *summary_lines(report["summary"])]))
        passed = sum(one["verdict"] == "PASSED" for one in report["drills"])
        try:
            told = f"Report: {self._archive.write(report, began) / 'report.html'}"
        except (OSError, SystemFault) as fault:
            told = f"No report could be written: {fault}"
            report["exit_code"] = FAILED
        say(f"{passed} of {len(outcomes)} passed. {told}")
        return report
