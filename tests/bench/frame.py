"""The frame of `make bench`: a budget is a figure beside its reference, measured in one run.

Absolute times say little on a shared machine, so a bound is a ratio to the reference wherever a
reference exists; the few absolute bounds are for scale.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One budget: what was measured, beside what, and the bound it must keep."""

    name: str
    unit: str
    measured: float
    bound: float
    reference_name: str = ""
    reference: float | None = None
    """None: the bound is absolute, in `unit`; else it is a ratio."""
    is_absolute: bool = False
    """The reference is only shown: the bound is in `unit` all the same."""

    @property
    def is_ratio(self) -> bool:
        """Whether the bound is a multiple of the reference."""
        return bool(self.reference) and not self.is_absolute

    @property
    def judged(self) -> float:
        """The number that the bound judges."""
        if self.reference is None or not self.is_ratio:
            return self.measured
        return self.measured / self.reference

    @property
    def is_kept(self) -> bool:
        """Whether the budget is met."""
        return self.judged <= self.bound

    def as_document(self) -> dict[str, object]:
        """Return the row for the JSON report."""
        return asdict(self) | {"judged": self.judged, "kept": self.is_kept}

    def as_text(self) -> str:
        """Return the row for the table."""
        verdict = "kept" if self.is_kept else "BROKEN"
        beside = (
            f"{self.reference_name} {self.reference:.3f} {self.unit}"
            if self.reference
            else self.reference_name or "-"
        )
        sign = "x" if self.is_ratio else " " + self.unit
        return (
            f"{self.name:44} {self.measured:10.3f} {self.unit:4} {beside:44} "
            f"{self.judged:8.2f}{sign} <= {self.bound:g}{sign}  {verdict}"
        )


def time_each(action: Callable[[], object], count: int, warmup: int = 3) -> list[float]:
    """Return the seconds of each of `count` calls, after some that do not count."""
    for _ in range(warmup):
        action()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return seconds


def median(seconds: list[float]) -> float:
    """Return the middle one."""
    return statistics.median(seconds)


def percentile(seconds: list[float], rank: float) -> float:
    """Return the value below which `rank` (0 to 1) of them lie."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * rank))]


def interleaved(
    first: Callable[[], object], second: Callable[[], object], count: int
) -> tuple[list[float], list[float]]:
    """Time two actions in turn, so that a drifting machine drifts for both."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(count):
        ours.extend(time_each(first, 1, warmup=0))
        theirs.extend(time_each(second, 1, warmup=0))
    return ours, theirs
