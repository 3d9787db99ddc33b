"""Health: the words of health.json (CONTRACTS.md section 5) as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA_VERSION = 1
VALID_S = 5.0
"""Seconds for which a written health.json may be believed."""


class Status(StrEnum):
    """How a service, or the whole, is."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"


class Phase(StrEnum):
    """Where a service stands in its life."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    PARKED = "parked"
    STOPPING = "stopping"
    STOPPED = "stopped"


class HealthCode(StrEnum):
    """The verdict in one word; the FAILED_ ones name who must act."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    FAILED = "FAILED"
    FAILED_CONFIG = "FAILED_CONFIG"
    FAILED_API_SCHEMA = "FAILED_API_SCHEMA"
    FAILED_RISK = "FAILED_RISK"
    STOPPED = "STOPPED"


class ExitClass(StrEnum):
    """What a death was: the four families, a crash of no family, or an end we asked for."""

    TRANSIENT = "TRANSIENT"
    SCHEMA = "SCHEMA"
    RISK = "RISK"
    CONFIG = "CONFIG"
    UNCLASSIFIED = "UNCLASSIFIED"
    ASKED = "ASKED"


@dataclass(frozen=True, slots=True)
class LastExit:
    """How a process ended. Code and signal are both None when nobody could observe it."""

    code: int | None
    signal: int | None
    exit_class: ExitClass
    at: str
    uptime_s: float

    def as_document(self) -> dict[str, object]:
        """Return the exit under the names of health.json."""
        return {
            "code": self.code,
            "signal": self.signal,
            "class": str(self.exit_class),
            "at": self.at,
            "uptime_s": round(self.uptime_s, 3),
        }


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One service as health.json shows it; times are UTC texts for people."""

    status: Status
    critical: bool
    phase: Phase
    since: str
    reason: str
    pid: int | None = None
    started_at: str | None = None
    restarts: int = 0
    adopted: bool = False
    failures_in_window: int = 0
    max_failures: int = 0
    window_s: float = 0.0
    last_beat_at: str | None = None
    progress: int | None = None
    last_exit: LastExit | None = None
    cpu_percent: float | None = None
    rss_bytes: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def as_document(self) -> dict[str, object]:
        """Return the service under the names of health.json."""
        return {
            "status": str(self.status),
            "critical": self.critical,
            "phase": str(self.phase),
            "since": self.since,
            "reason": self.reason,
            "pid": self.pid,
            "started_at": self.started_at,
            "restarts": self.restarts,
            "adopted": self.adopted,
            "failures_in_window": self.failures_in_window,
            "max_failures": self.max_failures,
            "window_s": self.window_s,
            "last_beat_at": self.last_beat_at,
            "progress": self.progress,
            "last_exit": None if self.last_exit is None else self.last_exit.as_document(),
            "cpu_percent": self.cpu_percent,
            "rss_bytes": self.rss_bytes,
            "metrics": dict(self.metrics),
        }


@dataclass(frozen=True, slots=True)
class Incident:
    """One change for the worse of a service, and how long it lasted once it is over."""

    at: str
    service: str
    from_status: str
    to_status: str
    failure_class: str
    reason: str
    recovered_after_s: float | None = None
    detected_after_s: float | None = None
    """From the last good sign to the change; 0 where the kernel or the service said it at once."""

    def as_document(self) -> dict[str, object]:
        """Return the incident under the names of health.json."""
        return {
            "at": self.at,
            "service": self.service,
            "from": self.from_status,
            "to": self.to_status,
            "class": self.failure_class,
            "reason": self.reason,
            "recovered_after_s": self.recovered_after_s,
            "detected_after_s": self.detected_after_s,
        }


@dataclass(frozen=True, slots=True)
class TradingWord:
    """What the bot says of trading: may it, and what decides that."""

    state: str
    cause: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole system in one verdict."""

    overall: Status
    code: HealthCode
    reason: str
    next_action: str
