"""Carries out a Decision in the order of its fields, each send judged on fresh facts."""

from __future__ import annotations

import logging
from collections import deque

from services.trading_bot.decision import Decision, Facts, Note
from services.trading_bot.execution.denials import Denials
from services.trading_bot.guard_facts import System, guard_facts
from services.trading_bot.parts import Parts
from services.trading_bot.sends import Send
from services.trading_bot.status import GateLine
from shared.models.mode import Mode
from shared.models.orders import Purpose
from shared.risk.dollars import DollarLimits
from shared.risk.trade_guard import Denied
from shared.telemetry.logs import log_event

GATES_KEPT = 30


class Actor:
    """Acts, and remembers what was denied."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logger = logging.getLogger("trading")
        self.denials = Denials()
        self.gates: deque[GateLine] = deque(maxlen=GATES_KEPT)

    def act(self, decision: Decision, facts: Facts) -> bool:
        """Do what was decided; bookings are already recorded. Never raises for the broker. Return
        whether anything was asked of him: a denial changes nothing that another look could show.
        """
        for note in decision.notes:
            self._log(note)
        for result in decision.gates:
            self.gates.append(GateLine(facts.now, result))
            log_event(
                self._logger,
                "gate_passed" if result.passed else "gate_closed",
                f"{result.gate} {result.symbol}: {result.detail}",
                symbol=result.symbol,
            )
        for cancel in decision.cancels:
            self._parts.door.cancel(cancel)
        sent = [self.send(send, facts) for send in (*decision.protective, *decision.exits)]
        for close in decision.closes:
            self._parts.door.close(close, facts.now)
        sent += [self.send(send, facts) for send in decision.entries]
        return any(sent) or bool(decision.cancels or decision.closes)

    def send(self, send: Send, facts: Facts) -> bool:
        """Bring one order through the guard and the door, on the state as it is now; False when the
        guard denied it.
        """
        facts = facts.with_events(self._parts.memory.state)
        account = facts.account
        dollars = DollarLimits.of(
            facts.policy.limits, account.equity if account is not None else None
        )
        known = guard_facts(send, facts, self._system(send, facts))
        outcome = self._parts.door.send(send, known, dollars, facts.now)
        if isinstance(outcome, Denied):
            self._parts.books.denied(outcome, facts.now)
            self.denials.note(outcome, facts.now)
        return not isinstance(outcome, Denied)

    def _system(self, send: Send, facts: Facts) -> System:
        parts = self._parts
        symbol = send.request.symbol
        is_entry = send.request.purpose is Purpose.ENTRY
        return System(
            emergency_stop=parts.stop_file.is_set(),
            stream_listening=parts.stream is not None and parts.stream.listening,
            store_writable=parts.memory.is_writable,
            clock_skew_s=self._clock_skew_s(facts),
            mode_matches=facts.state.mode == parts.settings.trading_mode.value,
            account_matches=(
                facts.account.account_id == facts.state.account_id
                if facts.account is not None
                else None
            ),
            # Exits do not wait for what only an entry must know.
            asset=parts.eye.asset(symbol) if is_entry else None,
            prior_close=parts.market.prior_close(symbol, facts.now) if is_entry else None,
        )

    def _clock_skew_s(self, facts: Facts) -> float:
        """Our clock less the broker's; a simulated market has a time of its own."""
        if self._parts.settings.trading_mode is Mode.SIM:
            return 0.0
        return (self._parts.clock.utc_now() - facts.now).total_seconds()

    def _log(self, note: Note) -> None:
        level = logging.WARNING if note.is_problem else logging.INFO
        log_event(self._logger, note.event, note.message, level=level, **dict(note.facts))
