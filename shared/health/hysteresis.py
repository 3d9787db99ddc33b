"""No flapping: worse is shown at once, better only once the evidence for it has held. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.health.codes import is_worse, worst_status
from shared.models.health import Status

HOLD_S = 0.5
"""How long evidence for the better must hold. Short, for a recovery is news too."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The status that is shown, and what may soon replace it; seconds on the monotonic clock."""

    status: Status = Status.DEGRADED
    was_ok: bool = False
    """Before the first OK nothing recovers, so nothing is held back."""
    better: Status | None = None
    """The worst of what was judged while it was better than shown."""
    better_since_s: float = 0.0


def shown_after(before: Shown, judged: Status, now_s: float, hold_s: float = HOLD_S) -> Shown:
    """Return what is shown once the evidence says `judged`; never better than that.

    A recovery shows the worst that was judged while it was awaited.
    """
    if judged is before.status:
        return before if before.better is None else replace(before, better=None)
    if is_worse(judged, before.status):
        return replace(before, status=judged, better=None)
    if not before.was_ok:
        return replace(before, status=judged, was_ok=judged is Status.OK, better=None)
    if before.better is None:
        return replace(before, better=judged, better_since_s=now_s)
    better = worst_status((before.better, judged))
    if now_s - before.better_since_s < hold_s:
        return replace(before, better=better)
    shown = replace(before, status=better, better=None)
    return shown if better is judged else replace(shown, better=judged, better_since_s=now_s)
