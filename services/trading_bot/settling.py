"""Settling an unknown outcome: when to look, and what the looks prove (rules 9 and 10). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LOOKS_AT_S = (0.0, 5.0, 20.0, 60.0, 120.0)
"""Real seconds after the send at which the order is looked up by our id. A dead process does not
mean that nothing was sent: the kernel still delivers."""


class SettleStep(StrEnum):
    """What to do about one unknown outcome now."""

    WAIT = "wait"
    LOOK = "look"
    NOT_SENT = "not_sent"
    """Proved absent: a tombstone stays until the next day's reconciliation."""
    UNRESOLVED = "unresolved"
    """Absent in every look, yet something moved: a person must look."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What the looks have shown so far."""

    elapsed_s: float
    """Real seconds since the send, or since this process learned of it."""
    absent: int
    """Looks that were answered, each with "no such order"; a failed read is no look."""
    position_unchanged: bool = True
    fill_seen: bool = False
    """A fill of this symbol that no known order explains."""


def settle_step(looks: Looks) -> SettleStep:
    """Return the next step. Looks that came late count one each, so none is skipped."""
    if looks.absent < len(LOOKS_AT_S):
        is_due = looks.elapsed_s >= LOOKS_AT_S[looks.absent]
        return SettleStep.LOOK if is_due else SettleStep.WAIT
    if looks.position_unchanged and not looks.fill_seen:
        return SettleStep.NOT_SENT
    return SettleStep.UNRESOLVED
