"""Plans: sequences of broker calls that a restart must finish (ORDER_PATH.md rule 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.models.shown import shown


class PlanKind(StrEnum):
    """What a plan is for."""

    PARTIAL_ENTRY = "partial_entry"
    """Cancel the rest of an entry, then protect what was filled."""
    CLOSE = "close"
    """Cancel the protective legs, then sell."""
    REPLACE = "replace"
    """Leave by PATCH: the target leg becomes a marketable limit."""
    TRAIL = "trail"
    """Raise the stop leg by PATCH, the old one standing until it is replaced."""
    PROTECT = "protect"
    """Bring a stop to a position that has none."""


PLAN_STEPS: dict[PlanKind, tuple[str, ...]] = {
    PlanKind.PARTIAL_ENTRY: (
        "cancel_rest",
        "await_cancel",
        "send_oco",
        "send_trailing",
        "send_exit",
        "await_fill",
    ),
    PlanKind.CLOSE: ("check_account", "cancel_legs", "await_cancel", "send_exit", "await_fill"),
    PlanKind.REPLACE: ("send_replace", "await_replace"),
    PlanKind.TRAIL: ("send_replace", "await_replace"),
    PlanKind.PROTECT: (
        "clear_way",
        "await_clear",
        "send_oco",
        "send_trailing",
        "send_exit",
        "await_live",
    ),
}
"""The steps of each kind, in order; a plan only moves forward, and may skip."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One running plan and where it stands."""

    plan_id: str
    kind: PlanKind
    symbol: str
    position_key: str
    step: str
    started_at: datetime
    """Market time."""
    updated_at: datetime
    reason: str
    by: str = ""
    """Who asked for it: the strategy, the operator, the reconciliation."""
    attempts: int = 0
    """Tries of the present step."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What later steps need: ids and quantities, as text."""

    def __post_init__(self) -> None:
        if self.step not in PLAN_STEPS[self.kind]:
            raise ValueError(f"{shown(self.step)} is no step of a {self.kind.value} plan")

    @property
    def step_number(self) -> int:
        """Position of the present step, from 0."""
        return PLAN_STEPS[self.kind].index(self.step)
