"""Pure: the end of a log as the page shows it, filtered by level and by words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dashboard import formats
from services.dashboard.log_tail import LEVELS
from services.dashboard.tolerant import moment_of, text_of

FIRST = "trading-bot"
OTHERS = ("supervisor", "orders", "incidents", "audit", "chaos")
"""Logs that are no supervised service's own."""
LINES_ON_PAGE = 40
LINES_ALONE = 400
SAID_CHARACTERS_MAX = 600
_TONES = {"WARNING": "warn", "ERROR": "bad", "CRITICAL": "bad"}
_KNOWN = ("ts", "level", "service", "pid", "run_id", "event", "msg")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted: of whom, of what level and above, and holding which words."""

    service: str = FIRST
    level: str = "INFO"
    find: str = ""


USUAL = LogFilter()


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line."""

    at: str
    level: str
    tone: str
    event: str
    said: str


@dataclass(frozen=True, slots=True)
class LogView:
    """The lines, newest first, and the form that asks for others."""

    service: str
    level: str
    find: str
    services: tuple[str, ...]
    levels: tuple[str, ...]
    rows: tuple[LogRow, ...]
    note: str
    is_unknown: bool


def log_view(
    wanted: LogFilter,
    lines: Sequence[dict[str, Any]] | None,
    services: Iterable[str],
    now: datetime,
    count_max: int,
) -> LogView:
    """Return the view of the newest lines that hold the words; None lines: there is no log."""
    words = wanted.find.casefold()
    found = [line for line in lines or () if words in _text(line)]
    note = "No line like that at the end of this log."
    if lines is None:
        note = f"Unknown: {wanted.service} has no log that can be read."
    return LogView(
        service=wanted.service,
        level=wanted.level,
        find=wanted.find,
        services=tuple(dict.fromkeys((wanted.service, FIRST, *services, *OTHERS))),
        levels=tuple(LEVELS),
        rows=tuple(_log_row(line, now) for line in reversed(found[-count_max:])),
        note=note,
        is_unknown=lines is None,
    )


def _text(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False).casefold()


def _log_row(line: dict[str, Any], now: datetime) -> LogRow:
    level = text_of(line, "level")
    rest = {key: value for key, value in line.items() if key not in _KNOWN and value is not None}
    told = " ".join(f"{key}={value}" for key, value in rest.items())
    said = " ".join(part for part in (text_of(line, "msg"), told) if part)
    return LogRow(
        at=formats.clock_text(moment_of(line, "ts"), now),
        level=level or formats.NOTHING,
        tone=_TONES.get(level, ""),
        event=text_of(line, "event"),
        said=said[:SAID_CHARACTERS_MAX],
    )
