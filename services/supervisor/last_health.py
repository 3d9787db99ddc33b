"""The last health.json of a state folder, read by those who go on where it ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.errors import SystemFault
from shared.persistence.atomic_file import Missing, read_document

HEALTH_BYTES_MAX = 8_000_000
COUNT_MAX = 2**53
"""What every reader of JSON can count to."""


def last_health(path: Path) -> dict[str, Any]:
    """Return the document, empty when there is none that can be read.

    What is not of the kind that we write there is left out: a foreign hand in the file of
    yesterday must not keep a supervisor from starting today.
    """
    try:
        raw = read_document(path, HEALTH_BYTES_MAX)
        document = {} if isinstance(raw, Missing) else json.loads(raw)
    except (SystemFault, ValueError, RecursionError):
        return {}
    return _believable(document) if isinstance(document, dict) else {}


def is_count(value: object) -> bool:
    """Whether it is a whole number that we could have counted to."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_MAX


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_age(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < COUNT_MAX


def _is_supervisor(value: object) -> bool:
    return value is None or (isinstance(value, dict) and is_count(value.get("generation", 0)))


_KINDS: dict[str, Callable[[object], bool]] = {
    "seq": is_count,
    "overall": _is_text,
    "code": _is_text,
    "mode": _is_text,
    "boot_id": _is_text,
    "boottime_s": _is_age,
    "supervisor": _is_supervisor,
    "services": lambda value: isinstance(value, dict),
    "incidents": lambda value: isinstance(value, list),
}


def _believable(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in document.items() if name not in _KINDS or _KINDS[name](value)
    }
