"""When to look again before clock B strikes: while shares of ours may stand without a stop.

An entry that works may fill in part at any moment, and its legs are inert until it is complete;
a cancelled group protects nothing until the exit is there. Waiting for the next turn each time
would leave such shares naked for longer than the five seconds that CONTRACTS.md section 9 allows.
"""

from __future__ import annotations

import threading

from services.trading_bot.coverage import coverage
from services.trading_bot.parts import Parts
from shared.clock import Clock
from shared.errors import SystemFault
from shared.models.mode import Mode
from shared.models.orders import OrderRole
from shared.models.trading_state import BotState
from shared.ports import Turn

TURN_TIMEOUT_S = 0.5
"""Real seconds to wait for a turn before the loop beats without one."""
LOOK_EVERY_MARKET_S, LOOK_FLOOR_S = 0.5, 0.05
"""Between two early looks; the floor is real time, for fast simulated markets."""
EARLY_LOOKS_PER_MINUTE = 20
"""An early look makes three reads; with clock B's they stay below the ceiling of the door."""
MINUTE_S = 60.0


def is_exposed(state: BotState) -> bool:
    """Whether an entry of ours works, or shares of ours have no live stop."""
    if any(order.role is OrderRole.ENTRY for order in state.orders.live()):
        return True
    return any(not row.is_covered for row in coverage(state).values())


class LookPace:
    """Paces the early looks. `speed` is that of the market; `is_metered` says whether the broker
    limits our reads: then the looks come from a budget that refills within a minute.
    """

    def __init__(self, clock: Clock, speed: float, *, is_metered: bool) -> None:
        self._clock = clock
        self._is_metered = is_metered
        self._pause_s = max(LOOK_FLOOR_S, LOOK_EVERY_MARKET_S / speed)
        self._budget = float(EARLY_LOOKS_PER_MINUTE)
        self._refilled_at_s = self._looked_at_s = clock.monotonic_s()

    def looked(self) -> None:
        """Note that the broker has just been asked, early or in turn."""
        self._looked_at_s = self._clock.monotonic_s()

    def may_look(self, *, has_news: bool) -> bool:
        """Whether an early look is due and within the budget, which it then takes from. News of
        the stream make it due sooner.
        """
        now_s = self._clock.monotonic_s()
        pause_s = LOOK_FLOOR_S if has_news else self._pause_s
        if now_s - self._looked_at_s < pause_s:
            return False
        if not self._is_metered:
            return True
        refill = (now_s - self._refilled_at_s) * EARLY_LOOKS_PER_MINUTE / MINUTE_S
        self._budget = min(float(EARLY_LOOKS_PER_MINUTE), self._budget + refill)
        self._refilled_at_s = now_s
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


class Haste:
    """Waits for clock B, and comes back early when it must."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        is_simulated = settings.trading_mode is Mode.SIM
        self._parts = parts
        self._pace = LookPace(
            parts.clock,
            settings.sim.speed or 1.0 if is_simulated else 1.0,
            is_metered=not is_simulated or settings.sim.rate_limit,
        )
        self.is_early = False
        """Whether the turn that was given last is none of clock B's: nothing is entered then."""

    def next_turn(self, stop: threading.Event) -> Turn | None:
        """Return the next turn, None when none came within TURN_TIMEOUT_S. Never raises. In
        lock-step market time stands still between two turns, so nothing is urgent.
        """
        parts, market_clock = self._parts, self._parts.market_clock
        ends_s = parts.clock.monotonic_s() + TURN_TIMEOUT_S
        is_urgent = not parts.settings.is_lock_step and is_exposed(parts.memory.state)
        self.is_early = False
        while True:
            left_s = ends_s - parts.clock.monotonic_s()
            turn = market_clock.next_turn(stop, min(left_s, LOOK_FLOOR_S) if is_urgent else left_s)
            if turn is not None or not is_urgent or stop.is_set() or left_s <= LOOK_FLOOR_S:
                return turn
            if self._pace.may_look(has_news=parts.stream is not None and parts.stream.has_news):
                return self._early_turn()

    def looked(self) -> None:
        """Note that the broker has just been asked."""
        self._pace.looked()

    def _early_turn(self) -> Turn | None:
        try:
            reading = self._parts.market_clock.reading()
        except SystemFault:
            return None
        self.is_early = True
        return Turn(reading, None)
