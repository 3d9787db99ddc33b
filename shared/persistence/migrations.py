"""How what an older program wrote becomes what this one writes: one pure step per version.

trading_state.json, its marker and the journal share one number (`document.VERSION`). It rises
whenever an older program could not read a newer file any more: a new member, kind or event. Such
a program then leaves the file alone (76) instead of taking it for damaged (CONTRACTS.md section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.persistence.document import VERSION

Step = Callable[[dict[str, Any]], dict[str, Any]]


def _say_whether_rebuilt(payload: dict[str, Any]) -> dict[str, Any]:
    """To 2: a hold says whether the broker's knowledge was taken back; before, nobody did that."""
    holds = payload.get("holds")
    if not isinstance(holds, Mapping):
        return payload
    told = {
        kind: {"is_rebuilt": False, **hold} if isinstance(hold, Mapping) else hold
        for kind, hold in holds.items()
    }
    return {**payload, "holds": told}


def _unchanged(record: dict[str, Any]) -> dict[str, Any]:
    """To 2: the event MoneyRebuilt and plans of kind `trail` came; the others mean the same."""
    return record


STATE_STEPS: dict[int, Step] = {1: _say_whether_rebuilt}
"""By the version that a payload of trading_state.json has: how it becomes one of the next."""
JOURNAL_STEPS: dict[int, Step] = {1: _unchanged}
"""The same for a record of the journal."""


def migrated(
    value: dict[str, Any], version: int, steps: Mapping[int, Step], until: int = VERSION
) -> dict[str, Any]:
    """Return the value as version `until` has it; what it is no part of is for the judge."""
    for step in range(version, until):
        value = steps[step](value)
    return value
