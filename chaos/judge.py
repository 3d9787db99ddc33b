"""From what was seen to a verdict, by the row alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chaos.course import strayed, unsaid
from chaos.evidence import ACTIVE, OK, PARKED, Books, Moments, Sample, spans
from chaos.invariants import breaches
from chaos.row import Invariant, Row


class Verdict(StrEnum):
    """How a drill ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"
    """The fault is not proven to have acted."""
    ABORTED = "ABORTED"
    """A guardrail broke."""
    NOT_RUN = "NOT RUN"
    """There was no steady state to begin with."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that is judged."""

    before: Sample
    samples: Sequence[Sample]
    moments: Moments
    acted: int
    books: Books
    aborted: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict and its grounds."""

    verdict: Verdict
    grounds: tuple[str, ...]
    invariants: Mapping[Invariant, Sequence[str]] = field(default_factory=dict)


def is_detected(row: Row, before: Sample, sample: Sample) -> bool:
    """Whether health.json shows the fault in its right class, and where it acts."""
    if row.expected.codes:
        hit = any(sample.services.get(name, (OK, ""))[0] != OK for name in row.radius)
        return sample.code in row.expected.codes and (hit or sample.trading != ACTIVE)
    if row.expected.ambiguous:
        return sample.ambiguous > before.ambiguous
    victims = {row.injection.victim} if row.injection.victim else set()
    news = {service for service, _ in sample.incidents - before.incidents}
    return bool(victims & news)


def is_answered(row: Row, before: Sample, samples: Sequence[Sample]) -> bool:
    """Whether the last of the samples shows that the system has done what the row asks of it.

    What is well again without a word about what is broken is no answer.
    """
    wanted, sample = row.expected, samples[-1]
    if wanted.heals_meanwhile and (not _was_healed(samples) or any(unsaid(row, samples))):
        return False
    parked = all(sample.services.get(name, ("", ""))[1] == PARKED for name in wanted.parked)
    renewed = all(
        sample.pids.get(name) not in (None, before.pids.get(name)) for name in wanted.new_process
    )
    aside = not wanted.quarantined or sample.quarantined > before.quarantined
    held = ACTIVE in wanted.trading or sample.trading in wanted.trading
    return parked and renewed and aside and held


def _was_healed(samples: Sequence[Sample]) -> bool:
    ill = next((one.at_s for one in samples if not one.is_steady), None)
    return ill is not None and any(one.is_steady and one.at_s > ill for one in samples)


def judge(row: Row, seen: Seen) -> Judged:
    """Return the verdict: aborted, inconclusive, failed with every ground, or passed."""
    if seen.aborted:
        return Judged(Verdict.ABORTED, (seen.aborted,))
    broken = breaches(row, seen.books, seen.samples, seen.moments)
    grounds = [
        *_late(row, seen.moments),
        *_replaced(row, seen),
        *strayed(row, seen.samples, seen.moments),
        *(f"{name}: {text}" for name, texts in broken.items() for text in texts),
    ]
    if not seen.acted:
        return Judged(Verdict.INCONCLUSIVE, (f"not proven by {row.proof}", *grounds), broken)
    return Judged(Verdict.FAILED if grounds else Verdict.PASSED, tuple(grounds), broken)


def judge_control(row: Row, seen: Seen) -> Judged:
    """Return the verdict of a run without a fault: every alarm in it is a false one."""
    broken = breaches(row, seen.books, seen.samples, seen.moments)
    begun_s = seen.moments.injected_s
    grounds = [
        *(
            f"false alarm: not OK from {begin - begun_s:.1f} s to {end - begun_s:.1f} s"
            for begin, end in spans(seen.samples, lambda one: one.overall != OK)
        ),
        *(f"false alarm: {one.title}" for one in seen.books.alerts if not one.is_end),
        *_replaced(row, seen),
        *(f"{name}: {text}" for name, texts in broken.items() for text in texts),
    ]
    if not seen.acted:
        return Judged(Verdict.INCONCLUSIVE, ("the dashboard never answered", *grounds), broken)
    return Judged(Verdict.FAILED if grounds else Verdict.PASSED, tuple(grounds), broken)


def _late(row: Row, moments: Moments) -> list[str]:
    since_end = moments.over_s if moments.over_s is not None else moments.injected_s
    told = (
        ("detected", moments.detected_s, moments.injected_s, row.bounds.detect_s),
        ("answered", moments.responded_s, moments.injected_s, row.bounds.respond_s),
        ("recovered", moments.recovered_s, since_end, row.bounds.recover_s),
    )
    found = []
    for word, at_s, since_s, allowed_s in told:
        if at_s is None:
            found.append(f"not {word} within {allowed_s:g} s")
        elif at_s - since_s > allowed_s:
            found.append(f"{word} after {at_s - since_s:.1f} s, allowed are {allowed_s:g} s")
    return found


def _replaced(row: Row, seen: Seen) -> list[str]:
    if not seen.samples:
        return ["nothing was seen"]
    last = seen.samples[-1]
    return [
        f"{name} was pid {seen.before.pids.get(name)} and is {last.pids.get(name)}"
        for name in row.expected.same_process
        if last.pids.get(name) != seen.before.pids.get(name)
    ]
