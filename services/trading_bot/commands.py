"""Carries out what operators ask through the spool, and answers once the broker shows it.

pause, resume and clear-stop are done when what they changed is on the disk, emergency-stop and
close-position when the broker's reads confirm them (`pending`). What a dead holder left taken is
finished here too.
"""

from __future__ import annotations

import logging

from services.trading_bot.decision import Facts
from services.trading_bot.exits import OPERATOR
from services.trading_bot.pending import Pending
from services.trading_bot.plan_steps import start_plan
from services.trading_bot.watch import leaving_kind
from shared.clock import Clock
from shared.commands.spool import Claim, CommandSpool
from shared.errors import SystemFault, TransientFault
from shared.events.types import Event, HoldCleared, OperatorPaused, OperatorResumed, PlanStarted
from shared.models.commands import ClearWhat, Command, CommandName, CommandOutcome
from shared.models.externals import serves_externals
from shared.models.plans import PlanKind
from shared.models.trading_state import HoldKind
from shared.persistence.emergency_stop import EmergencyStopFile
from shared.telemetry.logs import log_event

VERIFY_WITHIN_S, AWAY_S = 40.0, 1.0
"""Real seconds after which an unverified command is answered as failed; it may still succeed.
A broker that cannot even be asked is not waited for.
"""
CLAIMS_PER_TURN_MAX = 20
NOT_SAVED = "It holds until this process ends: the disk refuses to keep it. Give it again later."

_HOLDS = {
    ClearWhat.DRAWDOWN.value: HoldKind.DRAWDOWN,
    ClearWhat.REBUILD.value: HoldKind.REBUILD,
    ClearWhat.SECOND_WRITER.value: HoldKind.SECOND_WRITER,
}


class CommandDesk:
    """Claims, executes, answers. One thread uses it."""

    def __init__(self, spool: CommandSpool, stop_file: EmergencyStopFile, clock: Clock) -> None:
        self._spool = spool
        self._stop_file = stop_file
        self._clock = clock
        self._logger = logging.getLogger("commands")
        self._pending: list[Pending] = []
        self._booked: list[tuple[Command, str]] = []
        self._left_over = True
        self._kept: list[Claim] = []

    @property
    def is_idle(self) -> bool:
        """Whether no command waits for its verification or for the disk."""
        return not self._pending and not self._booked and not self._kept

    def take(self, facts: Facts) -> tuple[Event, ...]:
        """Claim what waits and return the events it demands; a refusing disk is logged.

        Book the events, then call `confirm`: a death in between leaves the command taken, and the
        next holder does it again.
        """
        events: list[Event] = []
        for claim in self._claims():
            if isinstance(claim, Command):
                log_event(
                    self._logger,
                    "command_taken",
                    f"{claim.command.value} by {claim.by}: {claim.reason}",
                    command_id=claim.id,
                )
                events.extend(self._execute(claim, facts))
            else:
                log_event(
                    self._logger,
                    "command_dropped",
                    claim.answer.detail,
                    level=logging.WARNING,
                    command_id=claim.answer.id,
                )
        return tuple(events)

    def confirm(self, is_saved: bool) -> None:
        """Answer what `take` only booked: done when its events are on the disk, else failed."""
        booked, self._booked = self._booked, []
        for command, detail in booked:
            if is_saved:
                self._answer(command, CommandOutcome.DONE, detail)
            else:
                self._answer(command, CommandOutcome.FAILED, f"{detail} {NOT_SAVED}")

    def refuse_all(self, why: str) -> None:
        """Answer everything that waits as failed: the account is not known yet. What a dead
        holder has begun is kept: it may well be done.
        """
        claims = self._claims()
        self._kept = [claim for claim in claims if isinstance(claim, Command) and claim.begun]
        for claim in claims:
            if isinstance(claim, Command) and not claim.begun:
                self._answer(claim, CommandOutcome.FAILED, why)

    def _claims(self) -> list[Claim]:
        found, self._kept = self._kept, []
        try:
            if self._left_over:
                found.extend(self._spool.taken())
                self._left_over = False
            for _ in range(CLAIMS_PER_TURN_MAX):
                claim = self._spool.claim()
                if claim is None:
                    break
                found.append(claim)
        except TransientFault as fault:
            log_event(self._logger, "spool_refused", str(fault), level=logging.ERROR)
        return found

    def _execute(self, command: Command, facts: Facts) -> tuple[Event, ...]:
        at = facts.now
        match command.command:
            case CommandName.PAUSE:
                self._begin(command)
                self._booked.append((command, "Entries are paused."))
                return (OperatorPaused(command.by, command.reason, at),)
            case CommandName.RESUME:
                self._begin(command)
                self._booked.append((command, "The pause has ended."))
                return (OperatorResumed(command.by, command.reason, at),)
            case CommandName.CLEAR_STOP:
                return self._clear(command, facts)
            case CommandName.CLOSE_POSITION:
                return self._close(command, facts)
            case CommandName.EMERGENCY_STOP:
                return self._stop(command)

    def _begin(self, command: Command, **facts: str) -> None:
        """Note to what a command is done, once: the next holder must not do it to another."""
        if command.begun:
            return
        try:
            self._spool.begin(command, {"command": command.command.value, **facts})
        except TransientFault as fault:
            # Only the answer after a death would be poorer: no exit waits for a disk.
            log_event(self._logger, "beginning_not_noted", str(fault), level=logging.ERROR)

    def _clear(self, command: Command, facts: Facts) -> tuple[Event, ...]:
        what = command.text("what") or ClearWhat.STOP.value
        if what == ClearWhat.STOP.value:
            self._clear_stop(command)
            return ()
        kind = _HOLDS.get(what)
        hold = facts.state.holds.get(kind.value) if kind is not None else None
        since = hold.since.isoformat() if hold is not None else ""
        if command.begun and command.begun.get("since") != since:
            self._answer(command, CommandOutcome.DONE, f"{what} was cleared.")
            return ()
        if kind is None or hold is None:
            self._answer(command, CommandOutcome.REFUSED, f"There is no {what} to clear.")
            return ()
        self._begin(command, since=since)
        self._booked.append((command, f"{what} is cleared."))
        return (HoldCleared(kind, command.text("approver") or command.by, facts.now),)

    def _clear_stop(self, command: Command) -> None:
        note = self._stop_file.read()
        at = note.at if note is not None else ""
        if command.begun and note is not None and command.begun.get("at") != at:
            detail = "The emergency stop was cleared; another one has been set since."
            self._answer(command, CommandOutcome.DONE, detail)
            return
        self._begin(command, at=at)
        try:
            self._stop_file.clear()
        except TransientFault as fault:
            self._answer(command, CommandOutcome.FAILED, str(fault))
            return
        self._answer(command, CommandOutcome.DONE, "The emergency stop is cleared.")

    def _stop(self, command: Command) -> tuple[Event, ...]:
        self._begin(command)
        if not self._stop_file.is_set():
            self._stop_file.set(
                command.reason,
                command.by,
                self._clock.utc_now(),
                command.switch("flatten"),
                command.switch("include_external"),
            )
        self._pending.append(Pending(command, self._clock.monotonic_s()))
        return ()

    def _close(self, command: Command, facts: Facts) -> tuple[Event, ...]:
        symbol = command.text("symbol")
        position = facts.state.positions.get(symbol)
        key = command.begun.get("position_key", "")
        if key and (position is None or position.position_key != key):
            # Sold by a holder that died; what is held now, if anything, was not meant.
            self._pending.append(Pending(command, self._clock.monotonic_s(), key))
            return ()
        if position is None:
            held = facts.state.external_positions.get(symbol)
            words = "is not ours and never traded" if held is not None else "is not held"
            self._answer(command, CommandOutcome.REFUSED, f"{symbol} {words}.")
            return ()
        self._begin(command, position_key=position.position_key)
        pending = Pending(command, self._clock.monotonic_s(), position.position_key)
        self._pending.append(pending)
        if any(
            plan.symbol == symbol
            and plan.kind in (PlanKind.CLOSE, PlanKind.REPLACE)
            and not serves_externals(plan.position_key)
            for plan in facts.state.plans
        ):
            return ()
        why = (f"operator: {command.reason}", f"{OPERATOR} {command.by}")
        return (PlanStarted(start_plan(facts, leaving_kind(facts), position.position_key, why)),)

    def verify(self, facts: Facts, fault: SystemFault | None = None) -> None:
        """Answer the pending commands that the broker's own reads now confirm, or that waited
        too long. Call it once per turn, after the reads; with the fault that keeps them away.
        """
        is_away = isinstance(fault, TransientFault)
        patience_s = AWAY_S if is_away else VERIFY_WITHIN_S
        why = f"The broker cannot be reached ({fault})" if is_away else "Not verified in time"
        for pending in list(self._pending):
            done = None if is_away else pending.confirmed(facts)
            if done is not None:
                self._pending.remove(pending)
                self._answer(pending.command, CommandOutcome.DONE, done.detail, done.result)
            elif self._clock.monotonic_s() - pending.since_s > patience_s:
                self._pending.remove(pending)
                detail = f"{why}; it is still being worked on."
                self._answer(pending.command, CommandOutcome.FAILED, detail)

    def _answer(
        self,
        command: Command,
        outcome: CommandOutcome,
        detail: str,
        result: dict[str, object] | None = None,
    ) -> None:
        try:
            self._spool.answer(command.id, outcome, detail, result)
        except TransientFault as fault:
            log_event(self._logger, "answer_not_written", str(fault), level=logging.ERROR)
        log_event(
            self._logger,
            "command_answered",
            f"{command.command.value} by {command.by}: {outcome.value}. {detail}",
            command_id=command.id,
        )
