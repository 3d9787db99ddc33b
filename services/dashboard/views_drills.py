"""Pure: what is broken on purpose now, and how the drills of the past went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.dashboard import formats
from services.dashboard.documents import Document
from services.dashboard.tolerant import Row, moment_of, number_of, text_of

OFF = "off"
_TONES = {"PASSED": "ok", "FAILED": "bad", "ABORTED": "bad"}
_STAGES = {
    "chaos_armed": "A fault is armed",
    "chaos_began": "A fault is on",
    "chaos_ended": "The fault is over",
    "chaos_failed": "The fault could not be made",
    "chaos_unproven": "Nobody can say whether the fault acted",
}


@dataclass(frozen=True, slots=True)
class ChaosView:
    """Faults made on purpose: which, and the last word of who makes them."""

    names: str
    stage: str
    at: str
    told: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class DrillRow:
    """The newest run of one drill, and how many of its runs passed."""

    name: str
    verdict: str
    tone: str
    at: str
    detected: str
    answered: str
    alerted: str
    recovered: str
    record: str


def chaos_view(health: Row, lines: Sequence[Document], now: datetime) -> ChaosView | None:
    """Return the banner of CHAOS_MODE; None when it is off."""
    mode = text_of(health, "chaos_mode", OFF)
    if mode == OFF:
        return None
    told = [line for line in lines if text_of(line, "event") in _STAGES]
    last: Row = told[-1] if told else {}
    moment = moment_of(last, "ts")
    began = sum(text_of(line, "event") == "chaos_began" for line in told)
    ended = sum(text_of(line, "event") == "chaos_ended" for line in told)
    return ChaosView(
        names=mode.replace(",", ", "),
        stage=_STAGES.get(text_of(last, "event"), "The saboteur has said nothing yet"),
        at=formats.since_text(moment, now),
        told=text_of(last, "msg").removeprefix("CHAOS "),
        is_over=text_of(last, "event") == "chaos_ended" and began <= ended,
    )


def drill_rows(history: Sequence[Document], now: datetime) -> tuple[DrillRow, ...]:
    """Return one scorecard for each drill, those that did not pass first."""
    runs: dict[str, list[Document]] = {}
    for run in history:
        if name := text_of(run, "name"):
            runs.setdefault(name, []).append(run)
    rows = [_drill_row(name, of_it, now) for name, of_it in sorted(runs.items())]
    return tuple(sorted(rows, key=lambda row: row.tone == "ok"))


def _drill_row(name: str, runs: Sequence[Document], now: datetime) -> DrillRow:
    newest = runs[-1]
    verdict = text_of(newest, "verdict", "UNKNOWN")
    passed = sum(text_of(run, "verdict") == "PASSED" for run in runs)
    return DrillRow(
        name=name,
        verdict=verdict,
        tone=_TONES.get(verdict, "warn"),
        at=formats.clock_text(moment_of(newest, "ts"), now),
        detected=_seconds(newest, "detect_s"),
        answered=_seconds(newest, "respond_s"),
        alerted=_seconds(newest, "alert_s"),
        recovered=_seconds(newest, "recover_s"),
        record=f"{passed} of {len(runs)}",
    )


def _seconds(run: Document, key: str) -> str:
    number = number_of(run, key)
    return formats.NOTHING if number is None else f"{number:.1f} s"
