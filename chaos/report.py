"""The report of a run of drills: one document, and what it becomes for machines. Pure.

Schema of report.json, version 2: `schema_version, started_at, ended_at, seed, verdict, exit_code,
growth, summary, drills`; `growth` says what grew over the run, `summary` is that of summary.py.
Each drill: `name, place, breaks, radius, class, verdict, grounds, acted, proof, detail, seed,
detect_s, respond_s, alert_s, recover_s, fault_s, bounds, invariants, alerts, page_answers,
timeline, earlier, trend`. Seconds count from the injection, those of `recover_s` from the end of
the fault; null: it did not happen. `invariants` holds for every invariant what broke it, `alerts`
(`at_s, kind, title`) what reached the receiver, `page_answers` how often the dashboard was heard,
`timeline` holds `at_s, overall, code, trading, reason`, `earlier` the `recover_s` of earlier runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from statistics import median
from typing import Any

from chaos.judge import Verdict
from chaos.runner import Outcome
from chaos.summary import TIMES, summary_of

SCHEMA_VERSION = 2
REASON_CHARACTERS_MAX = 300
EARLIER_MAX = 30
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold, however it is written; a broken system's reasons may."""
Document = dict[str, Any]


def report_of(outcomes: Sequence[Outcome], times: tuple[str, str], seed: int) -> Document:
    """Return report.json."""
    passed = bool(outcomes) and all(one.judged.verdict is Verdict.PASSED for one in outcomes)
    drills = [drill_document(one) for one in outcomes]
    return {
        "schema_version": SCHEMA_VERSION,
        "started_at": times[0],
        "ended_at": times[1],
        "seed": seed,
        "verdict": str(Verdict.PASSED if passed else Verdict.FAILED),
        "exit_code": 0 if passed else 1,
        "summary": summary_of(drills),
        "drills": drills,
    }


def _since(at_s: float | None, since_s: float | None) -> float | None:
    return None if at_s is None or since_s is None else round(max(0.0, at_s - since_s), 3)


def drill_document(outcome: Outcome) -> Document:
    """Return one drill of report.json."""
    row, moments, judged = outcome.row, outcome.moments, outcome.judged
    told_s = min((one.at_s for one in outcome.alerts if not one.is_end), default=None)
    return {
        "name": row.name,
        "place": str(row.place),
        "breaks": row.breaks,
        "radius": list(row.radius),
        "class": row.failure_class,
        "verdict": str(judged.verdict),
        "grounds": list(judged.grounds),
        "acted": outcome.acted,
        "proof": row.proof,
        "detail": outcome.detail,
        "seed": outcome.seed,
        "detect_s": _since(moments.detected_s, moments.injected_s),
        "respond_s": _since(moments.responded_s, moments.injected_s),
        "alert_s": _since(told_s, moments.injected_s),
        "recover_s": _since(moments.recovered_s, moments.over_s),
        "fault_s": _since(moments.over_s, moments.injected_s),
        "bounds": asdict(row.bounds),
        "invariants": {str(name): list(found) for name, found in judged.invariants.items()},
        "alerts": [
            {"at_s": _since(one.at_s, moments.injected_s), "kind": one.kind, "title": one.title}
            for one in outcome.alerts
        ],
        "page_answers": outcome.page_answers,
        "timeline": [
            {
                "at_s": round(sample.at_s - moments.injected_s, 3),
                "overall": sample.overall,
                "code": sample.code,
                "trading": sample.trading,
                "reason": sample.reason[:REASON_CHARACTERS_MAX],
            }
            for sample in outcome.samples
        ],
    }


def line_of(drill: Document) -> str:
    """Return a drill as one line for a terminal."""
    told = {name: _seconds(drill[name]) for name in TIMES}
    return (
        f"{drill['verdict']:<12} {drill['name']:<17} detected {told['detect_s']:>7}  "
        f"answered {told['respond_s']:>7}  alert {told['alert_s']:>7}  "
        f"recovered {told['recover_s']:>7}"
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def earlier_of(drill: Document, history: Sequence[Document]) -> list[float]:
    """Return the seconds to recover of the earlier runs of a drill that passed, from old to new."""
    return [
        float(one["recover_s"])
        for one in history
        if one.get("name") == drill["name"]
        and one.get("verdict") == Verdict.PASSED
        and one.get("recover_s") is not None
    ][-EARLIER_MAX:]


def trend_of(drill: Document, earlier: Sequence[float]) -> str:
    """Return how this recovery compares with the median of the earlier ones that passed."""
    if not earlier or drill["recover_s"] is None:
        return "no earlier run to compare with"
    return f"recovered in {drill['recover_s']:.1f} s, median of {len(earlier)} earlier: " + (
        f"{median(earlier):.1f} s"
    )


def junit_of(report: Document) -> str:
    """Return the report as JUnit XML."""
    cases = []
    for drill in report["drills"]:
        seconds = (drill["fault_s"] or 0.0) + (drill["recover_s"] or 0.0)
        told = escape(_NO_XML.sub("?", "; ".join(drill["grounds"])))
        tag = {Verdict.PASSED: "", Verdict.NOT_RUN: "skipped"}.get(drill["verdict"], "failure")
        inner = f'<{tag} message="{escape(drill["verdict"])}">{told}</{tag}>' if tag else ""
        cases.append(
            f'<testcase classname="drill" name="{drill["name"]}" time="{seconds:.3f}">'
            f"{inner}</testcase>"
        )
    count = len(cases)
    skipped = sum(one["verdict"] == Verdict.NOT_RUN for one in report["drills"])
    passed = sum(one["verdict"] == Verdict.PASSED for one in report["drills"])
    head = f'tests="{count}" failures="{count - passed - skipped}" skipped="{skipped}"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuite name="chaos drills" {head}>\n' + "\n".join(cases) + "\n</testsuite>\n"
    )
