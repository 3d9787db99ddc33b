"""Pure: what an alert can be about, how urgent it is, and from what it is told.

Each subject is the key under which a trouble is announced once, and names its section of the
runbook.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.health.codes import RUNBOOK


class Severity(StrEnum):
    """How urgently a person is wanted."""

    INFO = "info"
    WARN = "warn"
    PAGE = "page"


RANK = {Severity.INFO: 0, Severity.WARN: 1, Severity.PAGE: 2}

SYSTEM, TRADING = "system", "trading"
POSITION_SIZE, DAILY_LOSS, DRAWDOWN = "position size", "daily loss", "drawdown"
PROTECTION, DRIFT, STOP = "protection", "contract drift", "emergency stop"
PAGE, LARGE_TRADE, RESTARTS = "dashboard page", "large trade", "restart loop"
EXTERNAL, EXTERNAL_STOP = "external shares", "external protection"
OF_THE_BOT = frozenset({POSITION_SIZE, DAILY_LOSS, DRAWDOWN, PROTECTION, DRIFT})
"""What only the bot's own numbers tell."""


def _anchor(subject: str) -> str:
    return "emergency-stop" if subject == STOP else f"alert-{subject.replace(' ', '-')}"


_NAMED = (*OF_THE_BOT, STOP, PAGE, LARGE_TRADE, RESTARTS, EXTERNAL, EXTERNAL_STOP)
ALERT_ANCHORS = {_anchor(name): name for name in _NAMED}
"""Section of the runbook to the subject that points there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong at this moment."""

    subject: str
    """`system`, `trading`, or a service's name: what an alert is about, its key."""
    cause: str
    severity: Severity
    detail: str
    next_action: str = ""
    open_after_s: float | None = None
    """How long it must last before it is announced; None: as its severity says."""
    reminds: bool = True
    """Whether it wants an end; what may rightly stay for months is told once."""


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What a real request to the dashboard brought."""

    problem: str = ""
    """Why it was no sound answer; empty when it was."""
    overall: str = ""
    """The verdict that it tells."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen beside health.json. None means not known, never that all is well."""

    bot: Mapping[str, Any] | None = None
    """bot_status.json while it is fresh and whole."""
    stop: str | None = None
    """Who set an emergency stop and why; None without one."""
    page: PageAnswer | None = None
    open_subjects: Collection[str] = field(default_factory=frozenset)
    """What is already announced."""


NOTHING = Facts()


def see(subject: str) -> str:
    """Return the sentence that points to the subject's section of the runbook."""
    return f"See {RUNBOOK}#{_anchor(subject)}."
