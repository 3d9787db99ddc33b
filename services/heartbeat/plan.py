"""Pure: a judgement and what was already said become the alerts to send now.

One message when something begins, one when it gets worse, a few reminders while it lasts, one
when it is over with how long it took. What flickers is not announced, what is over must stay
over for a moment, and while the supervisor is silent nothing is concluded about its services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from services.heartbeat.findings import findings, is_unknown
from services.heartbeat.subjects import NOTHING, RANK, Facts, Finding, Severity
from shared.health.judge import Judgement

CLOSE_AFTER_S, CLOSE_AFTER_MAX_S, PATIENCE_GROWTH = 5.0, 1_200.0, 4.0
"""An end is believed when nothing was seen for so long. What came back within an hour after its
end must stay away four times as long each time: a service that comes and goes is soon one alert
that stays open, not two messages a minute.
"""
RETURN_WITHIN_S = 3_600.0
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
    returns: int = 0
    """How often it was over and came back within the hour."""


@dataclass(frozen=True, slots=True)
class End:
    """The last end that was told of a subject, for as long as a return would count."""

    returns: int
    at_s: float
    """Seconds since boot."""


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
    ends: Mapping[str, End] = field(default_factory=dict)


_NO_ENDS: Mapping[str, End] = MappingProxyType({})


def make_plan(
    judgement: Judgement,
    troubles: Mapping[str, Trouble],
    now: Moment,
    facts: Facts = NOTHING,
    ends: Mapping[str, End] = _NO_ENDS,
) -> Plan:
    """Return the alerts that judgement and facts ask for, and what to remember. `troubles` and
    `ends` are those of the plan before.
    """
    known = {name for name, trouble in troubles.items() if trouble.announced}
    facts = replace(facts, open_subjects=frozenset(known))
    found = {finding.subject: finding for finding in findings(judgement, facts)}
    after: dict[str, Trouble] = {}
    alerts: list[Alert] = []
    kept = {name: end for name, end in ends.items() if _counts(end, now)}
    for subject in (*found, *(name for name in troubles if name not in found)):
        finding, trouble = found.get(subject), troubles.get(subject)
        if finding is not None:
            begun = trouble or _begun(finding, kept.get(subject), now)
            step = _seen(finding, begun, judgement, now)
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
            if trouble is not None and step[0] is None:
                kept[subject] = End(trouble.returns, now.boottime_s)
    return Plan(after, tuple(alerts), kept)


def _counts(end: End, now: Moment) -> bool:
    return now.boottime_s - end.at_s < RETURN_WITHIN_S


def _begun(finding: Finding, end: End | None, now: Moment) -> Trouble:
    return Trouble(
        finding.subject,
        finding.cause,
        finding.severity,
        finding.detail,
        began_s=now.boottime_s,
        began_at=now.at,
        returns=0 if end is None else end.returns + 1,
    )


_Step = tuple[Trouble | None, Alert | None]


def _seen(finding: Finding, trouble: Trouble, judgement: Judgement, now: Moment) -> _Step:
    worse = RANK[finding.severity] > RANK[trouble.severity]
    other_page = finding.severity is Severity.PAGE and finding.cause != trouble.cause
    # Until it is announced it is as urgent as it is now: a blip of FAILED wakes nobody.
    worst = max(finding.severity, trouble.severity, key=RANK.__getitem__)
    severity = worst if trouble.announced else finding.severity
    current = replace(trouble, severity=severity, quiet_s=None)
    if not current.announced and trouble.quiet_s is not None:
        # Only the time in which it was there counts, but that all of it: what flickers long
        # enough is announced.
        current = replace(current, began_s=current.began_s + now.boottime_s - trouble.quiet_s)
    lasted_s = now.boottime_s - current.began_s
    if not current.announced:
        patience_s = finding.open_after_s
        if lasted_s < (OPEN_AFTER_S[current.severity] if patience_s is None else patience_s):
            return current, None
        return _said(current, finding, now), _alert(Kind.OPEN, current, finding, judgement)
    if worse or other_page:
        return _said(current, finding, now), _alert(Kind.WORSE, current, finding, judgement)
    wait_s = REMIND_AFTER_S * 2.0**current.reminders
    is_due = finding.reminds and current.reminders < REMINDERS_MAX
    if is_due and now.boottime_s - current.said_s >= wait_s:
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
    quiet_s = now.boottime_s if trouble.quiet_s is None else trouble.quiet_s
    if now.boottime_s - quiet_s < _close_after_s(trouble):
        return replace(trouble, quiet_s=quiet_s), None
    if not trouble.announced:
        return None, None
    lasted = lasting(quiet_s - trouble.began_s)
    mode = mode_of(judgement)
    return None, Alert(
        Kind.RECOVERED,
        trouble.subject,
        trouble.severity,
        f"[{mode}] RECOVERED {trouble.subject} after {lasted}",
        f"It was {trouble.cause}: {trouble.detail}. It began {trouble.began_at}.{_again(trouble)}",
    )


def _close_after_s(trouble: Trouble) -> float:
    if not trouble.announced:
        return CLOSE_AFTER_S
    # The exponent is bounded by what the longest patience needs: a float has an end.
    return min(CLOSE_AFTER_MAX_S, CLOSE_AFTER_S * PATIENCE_GROWTH ** min(trouble.returns, 8))


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
    body = f"{finding.detail.rstrip('.')}. It began {trouble.began_at}.{_again(trouble)}"
    if finding.next_action:
        body += f" {finding.next_action}"
    return Alert(kind, finding.subject, finding.severity, title, body)


def _again(trouble: Trouble) -> str:
    if not trouble.returns:
        return ""
    times = "once" if trouble.returns == 1 else f"{trouble.returns} times"
    return f" It was over and came back {times} within an hour of its end."


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
