"""Order and meaning of the health words: which is worse, who acts, which exit code."""

from __future__ import annotations

from collections.abc import Iterable

from shared.models.health import ExitClass, HealthCode, Status

_SEVERITY = {Status.OK: 0, Status.DEGRADED: 1, Status.FAILED: 2}

CODE_OF_CLASS: dict[ExitClass, HealthCode] = {
    ExitClass.CONFIG: HealthCode.FAILED_CONFIG,
    ExitClass.SCHEMA: HealthCode.FAILED_API_SCHEMA,
    ExitClass.RISK: HealthCode.FAILED_RISK,
}

_CODE_ORDER = (
    HealthCode.STOPPED,
    HealthCode.FAILED_CONFIG,
    HealthCode.FAILED_API_SCHEMA,
    HealthCode.FAILED_RISK,
    HealthCode.FAILED,
    HealthCode.DEGRADED,
    HealthCode.OK,
)

RUNBOOK = "RUNBOOK.md"


def see(sentence: str, section: str) -> str:
    """Return the sentence with the section of the runbook that says more."""
    return f"{sentence} See {RUNBOOK}#{section}."


_WHO_ACTS: dict[HealthCode, str] = {
    HealthCode.OK: "Nobody needs to act.",
    HealthCode.DEGRADED: (
        "Nobody needs to act yet: the system is healing or holding back; "
        "only what is parked waits for its release."
    ),
    HealthCode.FAILED: "The operator reads the service's log, mends the cause and releases it.",
    HealthCode.FAILED_CONFIG: "The operator mends the settings or credentials, then releases it.",
    HealthCode.FAILED_API_SCHEMA: "A developer mends the contract that broke, then releases it.",
    HealthCode.FAILED_RISK: "The trader settles the open item with the broker, then releases it.",
    HealthCode.STOPPED: "The operator starts the system again when it is wanted.",
}

NEXT_ACTION: dict[HealthCode, str] = {
    code: see(sentence, str(code).lower()) for code, sentence in _WHO_ACTS.items()
}
"""Who does what, in one sentence, and where the whole of it stands."""

CLEAR_STOP = see(
    "The operator settles the reason of the emergency stop, then gives clear-stop.",
    "emergency-stop",
)
"""Healing never takes an emergency stop away, so DEGRADED by it does wait for somebody."""


def worst_status(statuses: Iterable[Status]) -> Status:
    """Return the worst of the statuses; OK when there is none."""
    return max(statuses, key=_SEVERITY.__getitem__, default=Status.OK)


def is_worse(left: Status, right: Status) -> bool:
    """Whether `left` is worse than `right`."""
    return _SEVERITY[left] > _SEVERITY[right]


def worst_code(codes: Iterable[HealthCode]) -> HealthCode:
    """Return the code that stands first in the order of CONTRACTS.md section 5."""
    return min(codes, key=_CODE_ORDER.index, default=HealthCode.OK)
