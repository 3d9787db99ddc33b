"""One-shot: do the vendors still keep their contracts? `python -m shared.vendors.compatibility`.

Asks everything that the product reads, changes nothing, prints one line per question and ends
with the exit code of the gravest failure: 78 before 76 before 77 before 75, 0 when all is well.
Arguments name areas (default: all). `--drift [DAY [DAY]]` asks nobody: it shows what changed
between two recorded days, and ends with 76 when that concerns a field that we read.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from shared.clock import Clock, SystemClock
from shared.config.endpoints import Endpoints, load_endpoints
from shared.config.settings import Settings, load_settings
from shared.contracts.shapes import Shape, shape_of
from shared.errors import FailureClass, SystemFault
from shared.telemetry.logs import configure_logging
from shared.vendors.compatibility_drift import DriftWatch, drift_of_days, record_of
from shared.vendors.compatibility_questions import AREAS, Asking, Question

GRAVEST_FIRST = (
    FailureClass.CONFIG,
    FailureClass.SCHEMA,
    FailureClass.RISK,
    FailureClass.TRANSIENT,
)
NEXT_STEP = {
    FailureClass.CONFIG: "check the keys, their environment (paper or live) and the addresses",
    FailureClass.SCHEMA: "the interface has changed: do not trade until the contract is mended",
    FailureClass.RISK: "look at the account at the broker",
    FailureClass.TRANSIENT: "passes by itself, or the other side is down: it is tried again",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question; no fault is well."""

    name: str
    fault: SystemFault | None = None
    remark: str = ""
    shape: Shape | None = None

    @property
    def line(self) -> str:
        """One line for people."""
        if self.fault is not None:
            family = self.fault.failure_class
            return f"FAIL  {self.name}: {family}: {self.fault}; {NEXT_STEP[family]}"
        return f"note  {self.name}: {self.remark}" if self.remark else f"ok    {self.name}"


def answer(question: Question) -> Answer:
    """Ask one question."""
    shape = None
    try:
        raw = question.ask()
        if question.read is None:
            return Answer(question.name)
        shape = shape_of(question.name, raw)
        return Answer(question.name, None, question.read(raw), shape)
    except SystemFault as fault:
        return Answer(question.name, fault, "", shape)


def exit_code_of(answers: Sequence[Answer]) -> int:
    """Return the exit code of the gravest fault, 0 when there is none."""
    met = {answer.fault.failure_class: answer.fault for answer in answers if answer.fault}
    return next((met[family].exit_code for family in GRAVEST_FIRST if family in met), 0)


def ask_area(area: str, asking: Asking) -> Iterator[Answer]:
    """Yield every answer of an area, then tell what is new since the last record."""
    shapes: dict[str, Shape] = {}
    for question in AREAS[area](asking):
        found = answer(question)
        if found.shape is not None:
            shapes[found.name] = found.shape
        yield found
    try:
        news = DriftWatch(asking.settings, area, asking.clock).news(shapes)
    except SystemFault as fault:
        news = [f"the record of the replies cannot be kept: {fault}"]
    yield from (Answer("new", None, line) for line in news)


def check(settings: Settings, endpoints: Endpoints, areas: Sequence[str], clock: Clock) -> int:
    """Ask every question of the areas, print every answer, return the exit code."""
    asking = Asking.of(settings, endpoints, clock)
    answers: list[Answer] = []
    for area in areas:
        for found in ask_area(area, asking):
            answers.append(found)
            _say(found.line)
    if "feeds" in areas and endpoints.flow_token is None:
        _say("off   Unusual Whales: UW_API_TOKEN is not set, so there is no option flow")
    return exit_code_of(answers)


def show_drift(settings: Settings, areas: Sequence[str], days: Sequence[date]) -> int:
    """Print what changed between two recorded days; 76 when it concerns a field that we read."""
    first, last = (*days, None, None)[:2]
    concerned = False
    for area in areas:
        found = drift_of_days(record_of(settings, area), *((None, first) if not last else days))
        if found is None:
            _say(f"{area}: no two recorded days to compare")
            continue
        earlier, later, drifts = found
        _say(f"{area}: {earlier} → {later}, {settings.trading_mode}")
        for drift in drifts:
            concerned |= drift.concerns_us
            for line in drift.lines():
                _say(f"  {line}")
        if not drifts:
            _say("  nothing changed")
    return os.EX_PROTOCOL if concerned else os.EX_OK


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.vendors.compatibility")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(AREAS))
    parser.add_argument("--drift", nargs="*", type=date.fromisoformat, metavar="DAY")
    return parser


def main(words: Sequence[str]) -> int:
    """Return the exit code of CONTRACTS.md section 2, 2 for arguments that mean nothing."""
    parser = _parser()
    arguments = parser.parse_args(words)
    areas: list[str] = arguments.areas or list(AREAS)
    unknown = [area for area in areas if area not in AREAS]
    if unknown or len(arguments.drift or ()) > 2:
        parser.error(f"unknown {', '.join(unknown)}" if unknown else "--drift takes two days")
    try:
        settings = load_settings()
        if arguments.drift is not None:
            return show_drift(settings, areas, arguments.drift)
        endpoints = load_endpoints(settings)
        hidden = (*settings.secret_values(), endpoints.key_id, endpoints.secret_key)
        configure_logging("-".join(("compatibility", *arguments.areas)), settings.log_dir, hidden)
        return check(settings, endpoints, areas, SystemClock())
    except SystemFault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
