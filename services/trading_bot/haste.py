"""When to look again before clock B strikes: while shares of ours may stand without a stop.

An entry that works may fill in part at any moment, and its legs are inert until it is complete;
a cancelled group protects nothing until the exit is there. Waiting for the next turn each time
would leave such shares naked for longer than the five seconds that CONTRACTS.md section 9 allows.
"""

from __future__ import annotations

import threading

from services.trading_bot.coverage import coverage
from services.trading_bot.decision import Decision
from services.trading_bot.partial_entry import (
    has_time_for_rest,
    is_told_by_orders,
    protects_in_time,
)
from services.trading_bot.parts import Parts
from shared.clock import Clock
from shared.config.settings import Settings
from shared.errors import SystemFault
from shared.models.externals import serves_externals
from shared.models.mode import Mode
from shared.models.orders import OrderRole
from shared.models.trading_state import BotState
from shared.ports import Turn

TURN_TIMEOUT_S = 0.5
"""Real seconds to wait for a turn before the loop beats without one."""
LOOK_EVERY_MARKET_S, LOOK_FLOOR_S = 0.5, 0.05
"""Between two early looks; the floor is real time, for fast simulated markets."""
METERED_EVERY_MARKET_S = 1.0
"""The same before a broker who counts, while an entry works and nothing stands naked."""
EARLY_READS_PER_MINUTE = 25
"""With the 36 of clock B they stay below the bot's share of the account's reads (67)."""
LOOK_READS, GLANCE_READS = 3, 1
"""Account, orders, positions; or the orders alone."""
MINUTE_S = 60.0
_UNCOVERING = frozenset({"await_cancel", "send_exit"})
"""Steps of plans that take protection away."""


def exposed_symbols(state: BotState) -> frozenset[str]:
    """Return where an entry of ours works, or shares of ours have no live stop."""
    entries = {each.symbol for each in state.orders.live() if each.role is OrderRole.ENTRY}
    return naked_symbols(state) | entries


def naked_symbols(state: BotState) -> frozenset[str]:
    """Return where shares of ours have no live stop, or one that was asked to go: nobody tells at
    once when it has gone, and the exit must follow then.
    """
    gaps = {name for name, row in coverage(state).items() if not row.is_covered}
    ours = (plan for plan in state.plans if not serves_externals(plan.position_key))
    return frozenset(gaps | {plan.symbol for plan in ours if plan.step in _UNCOVERING})


def needs_only_orders(state: BotState) -> bool:
    """Whether the orders alone tell what becomes of everything that is exposed: each further call
    would cost naked time. An unknown outcome wants to be settled, which takes a whole look.
    """
    told = {plan.symbol for plan in state.plans if is_told_by_orders(plan)}
    exposed = exposed_symbols(state)
    filling = {name for name in exposed if state.entry_working(name) is not None}
    wanting = {plan.symbol for plan in state.plans if not is_told_by_orders(plan)}
    return bool(exposed) and not state.unknown_outcomes and exposed <= (told | filling) - wanting


def market_speed(settings: Settings) -> float:
    """Return market seconds per real second; 1 where time is real or stands still meanwhile."""
    return settings.sim.speed or 1.0 if settings.trading_mode is Mode.SIM else 1.0


def is_too_slow_to_enter(parts: Parts) -> bool:
    """Whether the broker could not protect in time what an entry buys. A simulated market faster
    than real time is not held to that: no broker could be.
    """
    is_real = market_speed(parts.settings) <= 1 and not parts.settings.is_lock_step
    return is_real and not protects_in_time(parts.broker.answer_s)


class LookPace:
    """Paces the early looks. `speed` is that of the market; `is_metered` says whether the broker
    limits our reads: then the looks come from a budget that refills within a minute.
    """

    def __init__(self, clock: Clock, speed: float, *, is_metered: bool) -> None:
        self._clock = clock
        self._is_metered = is_metered
        self._speed = speed
        self._budget = float(EARLY_READS_PER_MINUTE)
        self._refilled_at_s = self._looked_at_s = clock.monotonic_s()

    def looked(self) -> None:
        """Note that the broker has just been asked, early or in turn."""
        self._looked_at_s = self._clock.monotonic_s()

    def _pause_s(self, answer_s: float, *, is_naked: bool) -> float:
        is_patient = self._is_metered and not is_naked
        every_s = METERED_EVERY_MARKET_S if is_patient else LOOK_EVERY_MARKET_S
        return max(LOOK_FLOOR_S, every_s / self._speed - answer_s)

    def may_look(
        self, reads: int, *, answer_s: float = 0.0, has_news: bool = False, is_naked: bool = True
    ) -> bool:
        """Whether an early look of so many reads is due and within the budget, which it then takes
        from. News of the stream make it due sooner; so do slow answers, which are pause enough.
        """
        now_s = self._clock.monotonic_s()
        pause_s = LOOK_FLOOR_S if has_news else self._pause_s(answer_s, is_naked=is_naked)
        if now_s - self._looked_at_s < pause_s:
            return False
        if not self._is_metered:
            return True
        refill = (now_s - self._refilled_at_s) * EARLY_READS_PER_MINUTE / MINUTE_S
        self._budget = min(float(EARLY_READS_PER_MINUTE), self._budget + refill)
        self._refilled_at_s = now_s
        if self._budget < reads:
            return False
        self._budget -= reads
        return True

    def give_back(self, reads: int) -> None:
        """Take back the reads of a look that was not made: naked shares will need them."""
        self._budget += reads


class Haste:
    """Waits for clock B, and comes back early when it must."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        is_simulated = settings.trading_mode is Mode.SIM
        self._speed = market_speed(settings)
        self._parts = parts
        self._pace = LookPace(
            parts.clock,
            self._speed,
            is_metered=not is_simulated or settings.sim.rate_limit,
        )
        self.is_early = False
        """Whether the turn that was given last is none of clock B's: nothing is entered then."""
        self.is_glance = False
        """Whether it needs the orders alone."""

    def next_turn(self, stop: threading.Event) -> Turn | None:
        """Return the next turn, None when none came within TURN_TIMEOUT_S. Never raises. In
        lock-step market time stands still between two turns, so nothing is urgent.
        """
        parts, market_clock = self._parts, self._parts.market_clock
        ends_s = parts.clock.monotonic_s() + TURN_TIMEOUT_S
        state = parts.memory.state
        is_urgent = not parts.settings.is_lock_step and bool(exposed_symbols(state))
        is_glance = is_urgent and self.may_glance()
        reads = GLANCE_READS if is_glance else LOOK_READS
        self.is_early = self.is_glance = False
        while True:
            left_s = ends_s - parts.clock.monotonic_s()
            turn = market_clock.next_turn(stop, min(left_s, LOOK_FLOOR_S) if is_urgent else left_s)
            if turn is not None or not is_urgent or stop.is_set() or left_s <= LOOK_FLOOR_S:
                self.is_glance = turn is not None and self._puts_whole_looks_off()
                return turn
            has_news = parts.stream is not None and parts.stream.has_news
            if self._pace.may_look(
                reads,
                answer_s=parts.broker.answer_s,
                has_news=has_news,
                is_naked=bool(naked_symbols(state)),
            ):
                return self._early_turn(reads, is_glance=is_glance)

    @property
    def answer_market_s(self) -> float:
        """Market seconds that the broker took for the slowest of its last answers."""
        return self._parts.broker.answer_s * self._speed

    def may_glance(self) -> bool:
        """Whether a look at the orders alone does. In lock-step a call takes no market time."""
        return not self._parts.settings.is_lock_step and needs_only_orders(self._parts.memory.state)

    def needs_no_look(self, decision: Decision) -> bool:
        """Whether what was sent can show nothing new within this turn: in lock-step an entry rests
        until the next minute, and the broker's answer to it is booked.
        """
        others = (decision.cancels, decision.protective, decision.exits, decision.closes)
        is_entry_alone = bool(decision.entries) and not any(others)
        is_known = not self._parts.memory.state.unknown_outcomes
        return self._parts.settings.is_lock_step and is_entry_alone and is_known

    def must_glance_first(self) -> bool:
        """Whether even clock B's whole look would come too late for shares that may be naked."""
        return self.may_glance() and not has_time_for_rest(self.answer_market_s)

    def _puts_whole_looks_off(self) -> bool:
        """Whether even clock B looks at the orders alone: a fill during a whole look would wait for
        the rest of it. Only while nothing else is held and nobody waits for an answer; the entry's
        deadline ends it.
        """
        parts, state = self._parts, self._parts.memory.state
        is_asked = parts.stop_file.is_set() or not parts.desk.is_idle
        is_alone = state.positions.keys() <= exposed_symbols(state)
        return self.must_glance_first() and is_alone and not is_asked

    def may_enter(self) -> bool:
        """Whether this is a turn of clock B, before a broker quick enough."""
        return not self.is_early and not is_too_slow_to_enter(self._parts)

    def looked(self) -> None:
        """Note that the broker has just been asked."""
        self._pace.looked()

    def _early_turn(self, reads: int, *, is_glance: bool) -> Turn | None:
        try:
            reading = self._parts.market_clock.reading()
        except SystemFault:
            self._pace.give_back(reads)
            return None
        self.is_early, self.is_glance = True, is_glance
        return Turn(reading, None)
