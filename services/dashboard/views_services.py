"""Pure: the supervised processes, their flips of health, and who supervises them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.dashboard import formats
from services.dashboard.tolerant import (
    Row,
    count_of,
    flag_of,
    mapping_of,
    moment_of,
    number_of,
    rows_of,
    text_of,
)
from services.dashboard.wording import readable
from shared.health.judge import Judgement, Standing

TONES = {"OK": "ok", "DEGRADED": "warn", "FAILED": "bad"}
"""Colour and shape of a status word; an unknown word is as bad as FAILED."""

INCIDENTS_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One supervised process."""

    name: str
    critical: bool
    status: str
    tone: str
    phase: str
    since: str
    lasts: str
    reason: str
    pid: str
    restarts: str
    failures: str
    beat_age: str
    progress: str
    memory: str
    cpu: str
    last_exit: str
    parked: bool


@dataclass(frozen=True, slots=True)
class SupervisorView:
    """Who wrote health.json."""

    pid: str
    generation: str
    version: str
    started: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One flip of a service's health."""

    at: str
    service: str
    change: str
    tone: str
    failure_class: str
    reason: str
    recovered: str


def service_rows(health: Row, judgement: Judgement, now: datetime) -> tuple[ServiceRow, ...]:
    """Return the services table; with a stale document every status reads UNKNOWN."""
    stale = judgement.standing is not Standing.FRESH
    services = mapping_of(health, "services")
    rows: list[ServiceRow] = []
    for name in services:
        entry = mapping_of(services, name)
        status = "UNKNOWN" if stale else text_of(entry, "status", "UNKNOWN")
        phase = text_of(entry, "phase", formats.NOTHING)
        rows.append(
            ServiceRow(
                name=str(name),
                critical=flag_of(entry, "critical") is True,
                status=status,
                tone=TONES.get(status, "bad"),
                phase=f"was {phase}" if stale else phase,
                since=formats.clock_text(moment_of(entry, "since"), now),
                lasts=_lasts(moment_of(entry, "since"), now),
                reason=readable(text_of(entry, "reason"), now),
                pid=text_of(entry, "pid", formats.NOTHING),
                restarts=formats.count(count_of(entry, "restarts")),
                failures=_failures(entry),
                beat_age=formats.duration(beat_age_s(entry, health, judgement.age_s)),
                progress=text_of(entry, "progress", formats.NOTHING),
                memory=formats.size(number_of(entry, "rss_bytes")),
                cpu=_cpu(entry),
                last_exit=_last_exit(entry),
                parked=text_of(entry, "phase") == "parked",
            )
        )
    return tuple(rows)


def beat_age_s(entry: Row, health: Row, document_age_s: float | None) -> float | None:
    """Return the seconds since the service's last beat: its age when the document was written,
    and the document's own age on top.
    """
    beat, written = moment_of(entry, "last_beat_at"), moment_of(health, "written_at")
    if beat is None or written is None or document_age_s is None:
        return None
    return max(timedelta(0), written - beat).total_seconds() + document_age_s


def _failures(entry: Row) -> str:
    """`2/5 in 10 min`: deaths in the sliding window against N and M."""
    window_s = number_of(entry, "window_s")
    deaths, most = (
        formats.count(count_of(entry, key)) for key in ("failures_in_window", "max_failures")
    )
    return f"{deaths}/{most} in {formats.duration(None if window_s is None else float(window_s))}"


def _lasts(since: datetime | None, now: datetime) -> str:
    return formats.NOTHING if since is None else formats.duration((now - since).total_seconds())


def supervisor_view(health: Row, now: datetime) -> SupervisorView:
    """Return who supervises, as far as it says so."""
    entry = mapping_of(health, "supervisor")
    return SupervisorView(
        pid=text_of(entry, "pid", formats.NOTHING),
        generation=text_of(entry, "generation", formats.NOTHING),
        version=text_of(entry, "version", formats.NOTHING),
        started=formats.since_text(moment_of(entry, "started_at"), now),
    )


def _cpu(entry: Row) -> str:
    number = number_of(entry, "cpu_percent")
    return formats.NOTHING if number is None else f"{number:.1f} %"


def _last_exit(entry: Row) -> str:
    last = mapping_of(entry, "last_exit")
    if not last:
        return formats.NOTHING
    how = text_of(last, "code")
    signal = text_of(last, "signal")
    how = f"signal {signal}" if signal else f"code {how}" if how else "end unknown"
    return f"{text_of(last, 'class', 'unclassified')} ({how})"


def incident_rows(health: Row, now: datetime) -> tuple[IncidentRow, ...]:
    """Return the incidents, newest first."""
    newest_first = list(reversed(rows_of(health, "incidents")))[:INCIDENTS_SHOWN_MAX]
    rows: list[IncidentRow] = []
    for incident in newest_first:
        recovered_s = number_of(incident, "recovered_after_s")
        target = text_of(incident, "to", "UNKNOWN")
        rows.append(
            IncidentRow(
                at=formats.clock_text(moment_of(incident, "at"), now),
                service=text_of(incident, "service", formats.NOTHING),
                change=f"{text_of(incident, 'from', '?')} → {target}",
                tone=TONES.get(target, "bad"),
                failure_class=text_of(incident, "class", formats.NOTHING),
                reason=readable(text_of(incident, "reason"), now),
                recovered="open"
                if recovered_s is None
                else f"after {formats.duration(float(recovered_s))}",
            )
        )
    return tuple(rows)
