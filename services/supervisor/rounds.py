"""When the supervisor looks round by itself: each second, and in time for every silence.

Everything else wakes it on its own: deaths, words, callers. So an idle machine wakes it once a
second, and that is nearly all that idling costs.
"""

from __future__ import annotations

from collections.abc import Callable

from services.supervisor.context import Context
from services.supervisor.health_file import HealthFile
from services.supervisor.watch import ROUND_S_MAX, Watch

SECOND_S = ROUND_S_MAX
EARLY_S = 0.05
"""Timers tremble: a round that comes so much before its second still counts for it."""


class Rounds:
    """Lets the watch go round, and either does what is due each second or judges health anew."""

    def __init__(
        self, context: Context, watch: Watch, health: HealthFile, each_second: Callable[[], None]
    ) -> None:
        self._context = context
        self._watch = watch
        self._health = health
        self._each_second = each_second
        self._second_at_s = 0.0

    def go(self) -> None:
        """Go round, now and from here on."""
        # First of all: whatever goes wrong in this round, there is a next one.
        loop = self._context.loop
        next_round = loop.call_later(SECOND_S, self.go)
        if not self._context.stopping:
            self._watch.go_round()
        now_s = self._context.now_s()
        if now_s >= self._second_at_s:
            self._second_at_s = now_s + SECOND_S - EARLY_S
            self._each_second()
        else:
            self._health.review()
        wait_s = self._watch.wait_s()
        if wait_s < SECOND_S:
            next_round.cancel()
            loop.call_later(wait_s, self.go)
