"""What the views are made of: one reading of everything that the other processes wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.dashboard.tolerant import EMPTY, number_of
from shared.health.judge import CLOCK_SLACK_S

Document = Mapping[str, Any]

BOT_STATUS_FRESH_S = 10.0
"""The bot writes at most once a second; after this its numbers are shown as old."""


@dataclass(frozen=True, slots=True)
class EmergencyStop:
    """The emergency-stop file: its existence is the truth, its words may be missing."""

    reason: str = ""
    by: str = ""
    at: str = ""
    flatten: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything read at one moment. Missing documents are None; why stands in `problems`."""

    at: datetime
    """UTC, for people."""
    boottime_s: float
    """Seconds since boot, for ages."""
    boot_id: str
    health: bytes | None = None
    """The bytes of health.json: judged anew, by age, each time somebody asks."""
    bot_status: Document | None = None
    emergency_stop: EmergencyStop | None = None
    equity: tuple[Document, ...] = ()
    """Oldest first: at, equity, cash."""
    denials: tuple[Document, ...] = ()
    """Newest first: at, symbol, side, qty, purpose, code, limit_value, value, trace."""
    trades: tuple[Document, ...] = ()
    """Newest first."""
    drills: tuple[Document, ...] = ()
    """Oldest first: ts, name, verdict, detect_s, respond_s, alert_s, recover_s, seed."""
    chaos: tuple[Document, ...] = ()
    """What the saboteur said, oldest first: ts, event, msg."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Name of the source to the sentence that says why it could not be read."""


def problem_sentences(reading: Reading) -> tuple[str, ...]:
    """Return what could not be read, and why."""
    return tuple(f"{name}: {why}" for name, why in sorted(reading.problems.items()))


def bot_status_age_s(reading: Reading) -> float | None:
    """Return the age of the bot's numbers in seconds; None when it cannot be known."""
    status = reading.bot_status
    if status is None or status.get("boot_id") != reading.boot_id:
        return None
    written_s = number_of(status, "boottime_s")
    if written_s is None or isinstance(status["boottime_s"], str):
        return None
    age_s = reading.boottime_s - float(written_s)
    return max(0.0, age_s) if age_s >= -CLOCK_SLACK_S else None


def is_bot_status_fresh(reading: Reading) -> bool:
    """Whether the bot itself said its numbers a moment ago, in this boot."""
    age_s = bot_status_age_s(reading)
    return age_s is not None and age_s <= BOT_STATUS_FRESH_S


def sees_broker(reading: Reading) -> bool:
    """Whether the bot could ask the broker a moment ago: else it knows of its stops only what it
    last heard.
    """
    known = number_of(reading.bot_status or EMPTY, "cash") is not None
    return known and is_bot_status_fresh(reading)
