"""Names of the files of an account that is not traded now."""

from __future__ import annotations

import hashlib
import re

_PART_CHARACTERS_MAX = 60


def aside_name(name: str, mode: str, account_id: str) -> str:
    """Return `<stem>.<mode>.<account><suffix>`: trading_state.json → trading_state.sim.A1.json."""
    stem, dot, suffix = name.partition(".")
    return f"{stem}.{_safe(mode)}.{_safe(account_id)}{dot}{suffix}"


def _safe(part: str) -> str:
    """A part of a file name; what had to be changed gets a hash, so that two never meet."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", part)[:_PART_CHARACTERS_MAX]
    if plain == part and plain:
        return plain
    return f"{plain}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"
