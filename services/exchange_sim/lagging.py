"""Positions as a client sees them: when switched so, behind the fills of its orders. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from services.exchange_sim.records import SimPosition

_KEPT_MAX = 10_000
"""States kept; with more changes than that within one lag the oldest ones are shown earlier."""


class LaggingPositions:
    """The newest states of the positions, and since when each held."""

    def __init__(self, at: datetime, positions: Mapping[str, SimPosition]) -> None:
        self._states = deque([(at, dict(positions))], maxlen=_KEPT_MAX)

    def note(self, at: datetime, positions: Mapping[str, SimPosition], lag_s: float) -> None:
        """Take a new state and forget what no look at `lag_s` market seconds can reach."""
        self._states.append((at, dict(positions)))
        edge = at - timedelta(seconds=lag_s)
        while len(self._states) > 1 and self._states[1][0] <= edge:
            self._states.popleft()

    def seen(self, now: datetime, lag_s: float) -> Mapping[str, SimPosition]:
        """Return the state of `lag_s` market seconds ago, the oldest known when none is."""
        edge = now - timedelta(seconds=lag_s)
        shown = self._states[0][1]
        for at, positions in self._states:
            if at > edge:
                break
            shown = positions
        return shown
