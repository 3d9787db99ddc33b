"""How every reader judges health.json: its age before its content. Standard library only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shared.health.codes import see
from shared.models.health import SCHEMA_VERSION, VALID_S, HealthCode, Status

CLOCK_SLACK_S = 0.5
"""A document may seem this far in the future: two readings of one clock, nothing more."""


class Standing(StrEnum):
    """Whether the document could be believed at all."""

    FRESH = "fresh"
    MISSING = "missing"
    STALE = "stale"
    UNREADABLE = "unreadable"


BOOTTIME_MAX_S = 1e12
"""No machine has been up for so long, and nothing larger survives every float."""

_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")

EXIT_OK, EXIT_DEGRADED, EXIT_FAILED, EXIT_UNBELIEVABLE = 0, 1, 3, 4
_EXIT_OF_STATUS = {
    Status.OK: EXIT_OK,
    Status.DEGRADED: EXIT_DEGRADED,
    Status.FAILED: EXIT_FAILED,
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reader may show and act upon."""

    overall: Status
    code: str
    reason: str
    next_action: str
    age_s: float | None
    document: dict[str, Any] | None
    """The content, kept for display also when it is stale; None when it is no document."""
    standing: Standing

    @property
    def exit_code(self) -> int:
        """Exit code of `status`: 0 OK, 1 DEGRADED, 3 FAILED or not running, 4 unbelievable."""
        if self.standing in (Standing.STALE, Standing.UNREADABLE):
            return EXIT_UNBELIEVABLE
        return _EXIT_OF_STATUS[self.overall]


_RESTART_IT = "The operator looks at logs/supervisor.jsonl and starts the supervisor again."


def _failed(
    standing: Standing,
    reason: str,
    age_s: float | None = None,
    document: dict[str, Any] | None = None,
) -> Judgement:
    code = str(HealthCode.FAILED)
    next_action = see(_RESTART_IT, str(standing))
    return Judgement(Status.FAILED, code, reason, next_action, age_s, document, standing)


def judge_document(raw: bytes | None, *, boot_id: str, boottime_s: float) -> Judgement:
    """Judge the bytes of health.json; None means that there is no such file.

    Age goes by boot id and seconds since boot. A stale, future, foreign or unreadable document
    is FAILED whatever it says.
    """
    if raw is None:
        return _failed(Standing.MISSING, "supervisor is not running: there is no health.json")
    document = _document(raw)
    if document is None:
        return _failed(Standing.UNREADABLE, "health.json cannot be read as a health document")
    if document["boot_id"] != boot_id:
        return _failed(
            Standing.STALE, "supervisor silent since before the last boot", None, document
        )
    age_s = boottime_s - float(document["boottime_s"])
    if age_s < -CLOCK_SLACK_S:
        return _failed(
            Standing.UNREADABLE, "health.json claims to be from the future", None, document
        )
    age_s = max(0.0, age_s)
    if age_s > VALID_S:
        last_word = f"its last word was {document['code']}: {document['reason']}"
        reason = f"supervisor silent for {age_s:.0f} s; {last_word}"
        stale = _failed(Standing.STALE, reason, age_s, document)
        was_stopped = document["code"] == HealthCode.STOPPED
        return replace(stale, next_action=str(document["next_action"])) if was_stopped else stale
    return Judgement(
        Status(document["overall"]),
        str(document["code"]),
        str(document["reason"]),
        str(document["next_action"]),
        age_s,
        document,
        Standing.FRESH,
    )


def _document(raw: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(raw.decode("utf-8"))
        if _HALF_CHARACTER.search(raw):
            # Half a character can neither be printed nor sent; the words around it can.
            whole = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
            document = json.loads(whole)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and _is_whole(document) else None


def _is_whole(document: dict[str, Any]) -> bool:
    texts = ("overall", "code", "reason", "next_action", "boot_id")
    if document.get("schema_version") != SCHEMA_VERSION:
        return False
    if not all(isinstance(document.get(key), str) for key in texts):
        return False
    boottime_s = document.get("boottime_s")
    if isinstance(boottime_s, bool) or not isinstance(boottime_s, int | float):
        return False
    if not abs(boottime_s) < BOOTTIME_MAX_S:
        return False
    if not isinstance(document.get("services"), dict):
        return False
    known = document["overall"] in set(Status) and document["code"] in set(HealthCode)
    return known and _agrees(document)


def _agrees(document: dict[str, Any]) -> bool:
    """Whether overall and code tell the same story."""
    overall, code = Status(document["overall"]), HealthCode(document["code"])
    if overall is Status.FAILED:
        return code not in (HealthCode.OK, HealthCode.DEGRADED)
    return str(code) == str(overall)
