"""Times to detect and to recover over repeats, beside the run without a fault. Pure.

`summary` of report.json: for every drill of the run `runs, passed` and for each of `detect_s,
respond_s, alert_s, recover_s` its `median` and `worst` over the runs in which it happened, null
when it never did. `control` is one of them: what it did not pass is a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

PASSED = "PASSED"
TIMES = ("detect_s", "respond_s", "alert_s", "recover_s")


def summary_of(drills: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the summary of documents of drills."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for drill in drills:
        by_name.setdefault(str(drill["name"]), []).append(drill)
    return {
        name: {
            "runs": len(runs),
            "passed": sum(one["verdict"] == PASSED for one in runs),
            **{time: _spread([one[time] for one in runs]) for time in TIMES},
        }
        for name, runs in by_name.items()
    }


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    return {"median": round(median(known), 3), "worst": max(known)} if known else None


def summary_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the summary as lines for a terminal: median and worst, in seconds."""
    for name, row in summary.items():
        told = "  ".join(f"{time[:-2]} {_told(row[time])}" for time in TIMES)
        yield f"{name:<17} {row['passed']} of {row['runs']} passed  {told}"


def _told(spread: Mapping[str, float] | None) -> str:
    words = "-" if spread is None else f"{spread['median']:.1f} / {spread['worst']:.1f} s"
    return f"{words:>15}"
