"""One service's status from the evidence it gave: READY, beats on time, progress, its word."""

from __future__ import annotations

from dataclasses import dataclass

from shared.models.health import Phase, Status

LATE_DEGRADED = 1.5
LATE_FAILED = 3.0
"""Multiples of the beat interval."""


@dataclass(frozen=True, slots=True)
class BeatRule:
    """What a service promised: how soon it is ready, how often it beats, in seconds."""

    notify: bool
    ready_s: float
    beat_s: float
    watchdog_s: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a service; ages in seconds, None where it never happened."""

    phase: Phase
    phase_reason: str
    ready: bool = False
    running_for_s: float = 0.0
    beat_age_s: float | None = None
    progress_age_s: float | None = None
    """Since progress last rose; None for a service that counts none."""
    extended: bool = False
    """It asked for more time, and that time is not over."""
    own_status: Status | None = None
    own_reason: str = ""
    blocked_for_good: bool = False
    """It waits for a service that is parked or stopped."""
    will_return: bool = False
    """It is down only for a moment: a restart was asked for, or a duty holds it."""


def judge_service(evidence: Evidence, rule: BeatRule) -> tuple[Status, str]:
    """Return the status that the evidence supports, and why in a few words."""
    match evidence.phase:
        case Phase.PARKED:
            return Status.FAILED, evidence.phase_reason
        case Phase.STOPPED | Phase.STOPPING:
            status = Status.DEGRADED if evidence.will_return else Status.FAILED
            return status, evidence.phase_reason
        case Phase.BACKOFF:
            return Status.DEGRADED, evidence.phase_reason
        case Phase.STARTING:
            return _judge_starting(evidence, rule)
        case Phase.RUNNING:
            return _judge_running(evidence, rule)


def _judge_starting(evidence: Evidence, rule: BeatRule) -> tuple[Status, str]:
    if evidence.blocked_for_good:
        return Status.FAILED, evidence.phase_reason
    if evidence.running_for_s > rule.ready_s and not evidence.extended:
        return Status.FAILED, f"not ready within {rule.ready_s:g} s"
    return Status.DEGRADED, evidence.phase_reason


def _judge_running(evidence: Evidence, rule: BeatRule) -> tuple[Status, str]:
    if not rule.notify:
        return Status.OK, "running"
    if not evidence.ready:
        return Status.DEGRADED, "has not said READY"
    if evidence.beat_age_s is None and not evidence.extended:
        return Status.DEGRADED, "no beat yet"
    late = _lateness(evidence, rule)
    if late is not None and not evidence.extended:
        return late
    if late is not None and late[0] is Status.FAILED and evidence.own_status is not Status.FAILED:
        # More time keeps it alive; it makes nobody well of whom nothing is heard.
        return Status.DEGRADED, f"{late[1]}; it asked for more time"
    if evidence.own_status is None:
        return Status.OK, "running"
    return evidence.own_status, evidence.own_reason or "running"


def silent_for_s(evidence: Evidence, rule: BeatRule) -> float:
    """Return how old the last good sign is where its absence is the fault, else 0."""
    if evidence.phase is Phase.STARTING:
        return evidence.running_for_s if evidence.running_for_s > rule.ready_s else 0.0
    late = evidence.phase is Phase.RUNNING and rule.notify and not evidence.extended
    if not late or _lateness(evidence, rule) is None:
        return 0.0
    beat_age_s = evidence.beat_age_s or 0.0
    is_silent = beat_age_s > LATE_DEGRADED * rule.beat_s
    return beat_age_s if is_silent else evidence.progress_age_s or 0.0


def _lateness(evidence: Evidence, rule: BeatRule) -> tuple[Status, str] | None:
    beat_age_s = evidence.beat_age_s or 0.0
    if beat_age_s > LATE_FAILED * rule.beat_s:
        return Status.FAILED, "no beat for more than three intervals"
    progress_age_s = evidence.progress_age_s or 0.0
    if progress_age_s > rule.watchdog_s:
        return Status.FAILED, "beats without any progress"
    if beat_age_s > LATE_DEGRADED * rule.beat_s:
        return Status.DEGRADED, "beat is late"
    if progress_age_s > LATE_FAILED * rule.beat_s:
        return Status.DEGRADED, "progress stands still"
    return None
