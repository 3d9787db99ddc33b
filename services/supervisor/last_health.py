"""The last health.json of a state folder, read by those who go on where it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.errors import SystemFault
from shared.persistence.atomic_file import Missing, read_document

HEALTH_BYTES_MAX = 8_000_000


def last_health(path: Path) -> dict[str, Any]:
    """Return the document, empty when there is none that can be read."""
    try:
        raw = read_document(path, HEALTH_BYTES_MAX)
        document = {} if isinstance(raw, Missing) else json.loads(raw)
    except (SystemFault, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
