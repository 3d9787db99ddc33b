"""Pure: a judgement and what was already said become the alerts to send now.

One message when something begins, one when it gets worse, a few reminders while it lasts, one
when it is over with how long it took. What flickers is not announced, what is over must stay
over for a moment, and while the supervisor is silent nothing is concluded about its services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.heartbeat.findings import (
    NOTHING,
    RANK,
    Facts,
    Finding,
    Severity,
    findings,
    is_unknown,
)
from shared.health.judge import Judgement

CLOSE_AFTER_S = 5.0
"""An end is believed when nothing was seen for so long."""
REMINDERS_MAX = 5
REMIND_AFTER_S = 600.0
"""Until the first reminder; each further one waits twice as long as the one before."""


OPEN_AFTER_S = {Severity.INFO: 10.0, Severity.WARN: 10.0, Severity.PAGE: 2.0}
"""How long a fault must last before it is announced: a quick restart wakes nobody."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault under watch: perhaps not yet announced, perhaps announced and not yet over."""

    subject: str
    cause: str
    severity: Severity
    detail: str
    """As last said, like the cause; what changes from second to second is not followed."""
    began_s: float
    """Seconds since boot."""
    began_at: str
    """UTC, for people."""
    announced: bool = False
    reminders: int = 0
    said_s: float = 0.0
    """When something was last said of it, seconds since boot."""
    quiet_s: float | None = None
    """Since when it is no longer seen; None while it is."""


class Kind(StrEnum):
    """What an alert says."""

    OPEN = "open"
    WORSE = "worse"
    REMINDER = "reminder"
    RECOVERED = "recovered"
    NOTICE = "notice"
    """Something that happened once and needs no end."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell a person."""

    kind: Kind
    subject: str
    severity: Severity
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: seconds since boot for durations, UTC text for people."""

    boottime_s: float
    at: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to remember, and what to say."""

    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()


def make_plan(
    judgement: Judgement,
    troubles: Mapping[str, Trouble],
    now: Moment,
    facts: Facts = NOTHING,
) -> Plan:
    """Return the alerts that judgement and facts ask for, and the troubles to remember."""
    known = {name for name, trouble in troubles.items() if trouble.announced}
    facts = replace(facts, open_subjects=frozenset(known))
    found = {finding.subject: finding for finding in findings(judgement, facts)}
    after: dict[str, Trouble] = {}
    alerts: list[Alert] = []
    for subject in (*found, *(name for name in troubles if name not in found)):
        finding, trouble = found.get(subject), troubles.get(subject)
        if finding is not None:
            step = _seen(finding, trouble, judgement, now)
        elif trouble is not None and is_unknown(subject, judgement, facts):
            # Nobody says how it is: neither over nor lasting.
            step = (trouble, None)
        elif trouble is not None:
            step = _unseen(trouble, judgement, now)
        else:
            continue
        if step[0] is not None:
            after[subject] = step[0]
        if step[1] is not None:
            alerts.append(step[1])
    return Plan(after, tuple(alerts))


_Step = tuple[Trouble | None, Alert | None]


def _seen(finding: Finding, trouble: Trouble | None, judgement: Judgement, now: Moment) -> _Step:
    if trouble is None:
        trouble = Trouble(
            finding.subject,
            finding.cause,
            finding.severity,
            finding.detail,
            began_s=now.boottime_s,
            began_at=now.at,
        )
    worse = RANK[finding.severity] > RANK[trouble.severity]
    other_page = finding.severity is Severity.PAGE and finding.cause != trouble.cause
    current = replace(
        trouble,
        severity=max(finding.severity, trouble.severity, key=RANK.__getitem__),
        quiet_s=None,
    )
    lasted_s = now.boottime_s - current.began_s
    if not current.announced:
        patience_s = finding.open_after_s
        if lasted_s < (OPEN_AFTER_S[current.severity] if patience_s is None else patience_s):
            return current, None
        return _said(current, finding, now), _alert(Kind.OPEN, current, finding, judgement)
    if worse or other_page:
        return _said(current, finding, now), _alert(Kind.WORSE, current, finding, judgement)
    wait_s = REMIND_AFTER_S * 2.0**current.reminders
    if current.reminders < REMINDERS_MAX and now.boottime_s - current.said_s >= wait_s:
        reminded = replace(_said(current, finding, now), reminders=current.reminders + 1)
        return reminded, _alert(Kind.REMINDER, reminded, finding, judgement, lasted_s)
    return current, None


def _said(trouble: Trouble, finding: Finding, now: Moment) -> Trouble:
    return replace(
        trouble,
        announced=True,
        said_s=now.boottime_s,
        cause=finding.cause,
        detail=finding.detail.rstrip("."),
    )


def _unseen(trouble: Trouble, judgement: Judgement, now: Moment) -> _Step:
    if not trouble.announced:
        return None, None
    quiet_s = now.boottime_s if trouble.quiet_s is None else trouble.quiet_s
    if now.boottime_s - quiet_s < CLOSE_AFTER_S:
        return replace(trouble, quiet_s=quiet_s), None
    lasted = lasting(quiet_s - trouble.began_s)
    mode = mode_of(judgement)
    return None, Alert(
        Kind.RECOVERED,
        trouble.subject,
        trouble.severity,
        f"[{mode}] RECOVERED {trouble.subject} after {lasted}",
        f"It was {trouble.cause}: {trouble.detail}. It began {trouble.began_at}.",
    )


def _alert(
    kind: Kind,
    trouble: Trouble,
    finding: Finding,
    judgement: Judgement,
    lasted_s: float | None = None,
) -> Alert:
    word = {Kind.WORSE: "WORSE ", Kind.REMINDER: "STILL "}.get(kind, "")
    title = f"[{mode_of(judgement)}] {word}{finding.cause} {finding.subject}"
    if lasted_s is not None:
        title += f" for {lasting(lasted_s)}"
        if trouble.reminders == REMINDERS_MAX:
            title += " (last reminder)"
    body = f"{finding.detail.rstrip('.')}. It began {trouble.began_at}."
    if finding.next_action:
        body += f" {finding.next_action}"
    return Alert(kind, finding.subject, finding.severity, title, body)


def mode_of(judgement: Judgement) -> str:
    """Return the mode in capitals as the document says it, or a question mark."""
    document = judgement.document or {}
    return str(document.get("mode") or "?").upper()


def lasting(seconds: float) -> str:
    """A duration in words: `12 s`, `3 min`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
