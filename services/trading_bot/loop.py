"""The working loop: gather → plan → record → act, once per turn of the market clock.

A turn first books what the broker shows, then lets the pure plan decide, records the decision,
and acts. When it acted it looks and decides again in the same turn, so that an exit does not
wait for the next one. The beat comes last: it stands for a finished turn.
"""

from __future__ import annotations

import logging
import threading

from services.trading_bot.brain.ward import rows_of
from services.trading_bot.decision import NOTHING, Decision, Facts
from services.trading_bot.execution.acting import Actor
from services.trading_bot.execution.patience import EXTENSION_S, SLOW_S
from services.trading_bot.haste import TURN_TIMEOUT_S, Haste
from services.trading_bot.heart import Heart, judge_health
from services.trading_bot.partial_entry import is_told_by_orders
from services.trading_bot.parts import Parts
from services.trading_bot.plan import plan_at_a_glance, plan_break_glass, plan_follow_up, plan_turn
from services.trading_bot.reconciling import Reconciler
from services.trading_bot.sight import Sight
from services.trading_bot.standing import flatten_wish, is_secure, judge_standing
from services.trading_bot.status import StatusFacts
from services.trading_bot.thrift import Thrift
from shared.errors import ConfigFault, RiskFault, SchemaFault, SystemFault, TransientFault
from shared.events.types import OutboxWritten
from shared.models.orders import OrderRole
from shared.models.trading_state import TradingState
from shared.ports import Turn
from shared.resilience.door_standing import standing_of_all
from shared.telemetry.logs import log_event

TIME_LOST_AFTER_S = 10.0
"""Real seconds without a turn after which a silent clock's last reading says nothing any more."""
REPEAT_PAUSE_S = 0.05
"""Real seconds before a lock-step minute is tried again."""
RESOLVE_WITHIN_S = 30.0
"""Real seconds in which what the first reconciliations cannot resolve may resolve itself."""
STAND_DOWN_S, STAND_DOWN_PAUSE_S = 3.0, 0.1
"""Real seconds at the end for cancelling working entries."""
ROUNDS_MAX = 6
"""Decisions within one turn; what is left waits for the next."""


class Loop:
    """The bot at work. With `may_enter` false (one-shot commands) it never enters anything."""

    def __init__(self, parts: Parts, *, may_enter: bool = True) -> None:
        self._parts = parts
        self._may_enter = may_enter
        self._logger = logging.getLogger("loop")
        self._reconciler = Reconciler(parts)
        self._sight = Sight(parts, self._reconciler)
        self._actor = Actor(parts)
        self._heart = Heart(parts)
        self._haste = Haste(parts)
        self._thrift = Thrift(parts, self._reconciler)
        self._turn: Turn | None = None
        self._standing_down = False
        self._beat_s = self._turn_at_s = parts.clock.monotonic_s()

    def run(self, stop: threading.Event) -> None:
        """Work until stopped, then save and say so. Raises ConfigFault for refused keys."""
        try:
            while not stop.is_set():
                turn = self._haste.next_turn(stop)
                if turn is None:
                    self.idle(getattr(self._parts.market_clock, "last_fault", None))
                elif turn.ended:
                    self.idle(None)
                    self._parts.clock.wait(stop, TURN_TIMEOUT_S)
                elif self._haste.is_glance and self._sight.picture is not None:
                    self._short_turn(turn)
                elif self._thrift.may_skip():
                    self._short_turn(turn, looks=False)
                else:
                    self._whole_turn(turn, stop)
            self._stand_down()
        finally:
            self.finish()

    def idle(self, fault: SystemFault | None) -> None:
        """A turn without market time: the broker's clock is silent, or a replay waits or is over.

        Nothing is decided, but operators are heard: an unclaimed command would get us killed.
        """
        if isinstance(fault, ConfigFault):
            raise fault
        if self._turn is None:
            self._parts.desk.refuse_all("Market time is not known yet.")
        else:
            self._hear(self._turn)
            if fault is not None:
                self._parts.desk.verify(self._facts(self._turn), fault)
        self._keep_books()
        silent_s = self._parts.clock.monotonic_s() - self._turn_at_s
        is_lost = fault is not None and silent_s > TIME_LOST_AFTER_S
        self._beat(None if is_lost else self._turn, fault, 0.0)

    def turn(self, turn: Turn) -> None:
        """Do one turn."""
        parts = self._parts
        started_s = parts.clock.monotonic_s()
        if started_s - self._beat_s >= SLOW_S:
            # The market's clock answered slowly; the reads that follow may take as long again.
            parts.notifier.extend_timeout(EXTENSION_S)
        self._turn, self._turn_at_s = turn, started_s
        parts.market.refresh(turn.minute)
        if self._sight.picture is not None and self._haste.must_glance_first():
            self._act_at_a_glance(turn)
        self._sight.see(turn)
        self._hear(turn)
        if self._sight.picture is not None:
            self._work(turn)
        elif isinstance(parts.eye.fault, SchemaFault):
            self._carry_out(plan_break_glass(self._facts(turn)), turn)
        self._haste.looked()
        self._thrift.looked()
        if not parts.desk.is_idle:
            parts.desk.verify(self._facts(turn), None if self._sight.picture else parts.eye.fault)
        self._keep_books()
        self._judge_start()
        self._beat(turn, parts.eye.fault, parts.clock.monotonic_s() - started_s)

    def _short_turn(self, turn: Turn, *, looks: bool = True) -> None:
        """Look at the orders alone, and do what they demand: no more lies between a fill and its
        stop. Everything else waits for clock B; without a look nothing is decided."""
        parts, started_s = self._parts, self._parts.clock.monotonic_s()
        self._turn, self._turn_at_s = turn, started_s
        parts.market.refresh(turn.minute)
        self._hear(turn)
        if looks:
            self._act_at_a_glance(turn)
            self._haste.looked()
        self._keep_books()
        self._beat(turn, parts.eye.fault, parts.clock.monotonic_s() - started_s)

    def _whole_turn(self, turn: Turn, stop: threading.Event) -> None:
        """Do one turn; in lock-step only with the trade stream there, and again until the broker
        answered: the exchange waits, and a minute that an outage swallows would change the replay.
        """
        parts = self._parts
        while not stop.is_set():
            if parts.settings.is_lock_step and not self._stream_is_there():
                self.idle(TransientFault("the trade stream is away; the replay waits for it"))
            else:
                self.turn(turn)
                if self._sight.picture is not None or not parts.settings.is_lock_step:
                    return
            parts.clock.wait(stop, REPEAT_PAUSE_S)

    def _stream_is_there(self) -> bool:
        return self._parts.stream is None or self._parts.stream.listening

    def _hear(self, turn: Turn) -> None:
        """Take the operators' commands; what is done by booking it is answered once it is saved."""
        parts = self._parts
        parts.desk.confirm(parts.memory.book(parts.desk.take(self._facts(turn))))

    def _judge_start(self) -> None:
        """End with RISK when what the start found stays unresolved; never before working entries
        are cancelled and coverage is verified (ORDER_PATH.md rule 24).
        """
        lasting = self._reconciler.lasting(RESOLVE_WITHIN_S)
        if lasting and not self._reconciler.was_clean and is_secure(self._parts.memory.state):
            raise RiskFault(f"unresolved at the start: {lasting}")

    def _stand_down(self) -> None:
        """Before the end: no entry may rest unattended (ORDER_PATH.md rule 1). In lock-step market
        time stands still, so nothing could be confirmed and nothing can fill.
        """
        parts = self._parts
        self._standing_down = True
        deadline_s = parts.clock.monotonic_s() + STAND_DOWN_S
        while not parts.settings.is_lock_step and parts.clock.monotonic_s() < deadline_s:
            if not any(order.role is OrderRole.ENTRY for order in parts.memory.state.orders.live()):
                return
            try:
                self.turn(Turn(parts.market_clock.reading(), None))
            except SystemFault as fault:
                log_event(self._logger, "not_stood_down", str(fault), level=logging.WARNING)
                return
            parts.clock.wait(threading.Event(), STAND_DOWN_PAUSE_S)

    def finish(self) -> None:
        """Save, flush and say so."""
        parts = self._parts
        parts.notifier.stopping("saving the trading state")
        self._keep_books()
        parts.memory.commit(now=True)
        parts.books.close()
        log_event(self._logger, "state_saved", "the trading state is saved")

    def _facts(self, turn: Turn) -> Facts:
        parts = self._parts
        state = judge_standing(parts, turn, parts.eye.fault, self._reconciler).state
        if self._standing_down and state is TradingState.ACTIVE:
            state = TradingState.REDUCING
        flatten, flatten_externals = flatten_wish(parts.stop_file)
        return Facts(
            reading=turn.reading,
            state=parts.memory.state,
            trading_state=state,
            account=parts.eye.account,
            broker_positions=self._sight.positions,
            market=parts.market.snapshot(turn.reading.now),
            policy=parts.policy,
            reconcile_age_s=self._reconciler.age_s(turn.reading.now),
            decided=self._actor.denials.entries,
            denied_raises=self._actor.denials.raises,
            may_enter=self._may_enter and self._haste.may_enter(),
            flatten=flatten,
            flatten_externals=flatten_externals,
            foreign_orders=self._sight.foreign_orders(),
            answer_s=self._haste.answer_market_s,
        )

    def _work(self, turn: Turn) -> None:
        self._settle(turn)
        self._act_on(plan_turn(self._facts(turn)), turn)
        self._sight.end_glance()

    def _act_at_a_glance(self, turn: Turn) -> None:
        """Do what the orders alone demand."""
        if self._sight.glance(turn):
            self._act_on(plan_at_a_glance(self._facts(turn)), turn)
        self._sight.end_glance()

    def _act_on(self, decision: Decision, turn: Turn) -> None:
        for _ in range(ROUNDS_MAX):
            if not self._carry_out(decision, turn) or self._haste.needs_no_look(decision):
                return
            decision = self._follow_up(turn) or NOTHING

    def _follow_up(self, turn: Turn) -> Decision | None:
        """Look again after acting, and decide; None when the broker cannot be asked."""
        if self._haste.may_glance():
            if not self._sight.glance(turn):
                return None
            told = plan_at_a_glance(self._facts(turn))
            if told.acts or all(is_told_by_orders(one) for one in self._parts.memory.state.plans):
                return told
            self._carry_out(told, turn)
        return plan_follow_up(self._facts(turn)) if self._sight.see_again(turn) else None

    def _carry_out(self, decision: Decision, turn: Turn) -> bool:
        """Record, then act: what is begun survives a death in between. False: nothing went out."""
        self._parts.memory.book(decision.bookings)
        return decision != NOTHING and self._actor.act(decision, self._facts(turn))

    def _settle(self, turn: Turn) -> None:
        parts, picture = self._parts, self._sight.picture
        if not parts.memory.state.unknown_outcomes or picture is None:
            return
        try:
            settled = parts.settler.settle(parts.memory.state, picture.positions, turn.reading.now)
        except ConfigFault:
            raise
        except SystemFault as fault:
            log_event(self._logger, "settling_failed", str(fault), level=logging.WARNING)
            return
        parts.memory.book(settled.events)
        for send in settled.resend:
            self._actor.send(send, self._facts(turn))

    def _keep_books(self) -> None:
        parts = self._parts
        keys = parts.books.write(parts.memory.state)
        if keys:
            parts.memory.book((OutboxWritten(keys),))
        parts.memory.commit()

    def _beat(self, turn: Turn | None, fault: SystemFault | None, turn_s: float) -> None:
        parts, reading = self._parts, turn.reading if turn is not None else None
        denied = self._actor.denials.unprotected(parts.memory.state)
        health = judge_health(parts, fault, self._reconciler.lasting(RESOLVE_WITHIN_S), denied)
        if self._heart.ends_turn(health, reading):
            self._heart.beat(self._status(turn, fault), turn_s)
        self._beat_s = parts.clock.monotonic_s()

    def _status(self, turn: Turn | None, fault: SystemFault | None) -> StatusFacts:
        parts, picture = self._parts, self._sight.picture
        return StatusFacts(
            state=parts.memory.state,
            limits=parts.policy.limits,
            reading=turn.reading if turn is not None else None,
            account=picture.account if picture is not None else None,
            broker_positions=picture.positions if picture is not None else None,
            verdict=judge_standing(parts, turn, fault, self._reconciler),
            emergency_stop=parts.stop_file.is_set(),
            reconcile=self._reconciler.summary,
            feeds=parts.market.feeds,
            gates=tuple(self._actor.gates),
            strategies=rows_of(parts.policy.strategies.values()),
            doors=standing_of_all(parts.host),
            foreign_orders=self._sight.foreign_orders(),
        )
