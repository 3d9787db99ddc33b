"""The one command core behind all doors: CLI, HTTP and chat.

Each method checks its words, does what must work with everything else dead (the stop file),
hands the rest to the holder of the trading lock through the spool, waits for the answer, and
writes the audit line. It never talks to the broker itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock
from shared.commands.audit import AuditLine, AuditLog
from shared.commands.spool import CommandSpool
from shared.config.paths import LogPaths, StatePaths
from shared.errors import SystemFault
from shared.models.commands import (
    COMMAND_LIFE_S,
    TEXT_CHARACTERS_MAX,
    Answer,
    ArgValue,
    ClearWhat,
    Command,
    CommandName,
    CommandOutcome,
)
from shared.persistence.emergency_stop import EmergencyStopFile

ANSWER_WITHIN_S = 45.0
"""How long a door waits: a bot that is dead has to be replaced by a one-shot first."""
NOT_ALONE = "Including external positions closes positions: say flatten with it. Nothing was done."
_SYMBOL = re.compile(r"^[A-Z][A-Z0-9.]{0,11}$")


@dataclass(frozen=True, slots=True)
class _Wish:
    """A checked command before it has an id."""

    command: CommandName
    by: str
    reason: str
    args: Mapping[str, ArgValue]


class CommandCore:
    """One method per command. Every method returns an Answer and raises nothing expected.

    `hand_over` is called once the command lies in the spool: a door that finds no supervisor
    alive starts the one-shot there, which then claims it. It returns why nobody is left who
    could still answer, None when somebody may.
    """

    def __init__(
        self,
        state: StatePaths,
        logs: LogPaths,
        clock: Clock,
        hand_over: Callable[[], str | None] | None = None,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self._state = state
        self._stop = EmergencyStopFile(state.emergency_stop)
        self._spool = CommandSpool(state, clock)
        self._audit = AuditLog(logs.audit, clock)
        self._clock = clock
        self._hand_over = hand_over
        self._answer_within_s = answer_within_s

    def emergency_stop(
        self, reason: str, by: str, flatten: bool = False, include_external: bool = False
    ) -> Answer:
        """Stop all entries at once and cancel working ones; with `flatten` close our positions,
        and with `include_external` those that are not ours, too. That one alone is REFUSED.

        The stop file is there before anything else is tried, and stays there whatever the
        answer is. DONE means that the holder of the trading lock verified it at the broker.
        """
        # Stopping is always safe: a missing or endless reason is no ground to refuse it.
        why, who = reason[:TEXT_CHARACTERS_MAX] or "not said", by[:TEXT_CHARACTERS_MAX] or "unknown"
        args: dict[str, ArgValue] = {"flatten": flatten}
        if include_external:
            args["include_external"] = True
        wish = _Wish(CommandName.EMERGENCY_STOP, who, why, args)
        if include_external and not flatten:
            return self._refused(wish, NOT_ALONE)
        problem = ""
        try:
            self._state.root.mkdir(parents=True, exist_ok=True)
            self._stop.set(why, who, self._clock.utc_now(), flatten, include_external)
        except (OSError, SystemFault) as failure:
            problem = f"The stop file could not be made ({failure}). "
        answer = self._carried_out(wish, keep_waiting=True)
        if answer.outcome is CommandOutcome.DONE:
            return self._audited(wish, answer)
        place = problem or "The emergency stop is in place. "
        outcome = CommandOutcome.FAILED
        whole = Answer(answer.id, outcome, place + answer.detail, answer.at, answer.result)
        return self._audited(wish, whole)

    def clear_stop(self, approver: str, what: str = ClearWhat.STOP.value, by: str = "") -> Answer:
        """Let trading go on after a stop, a drawdown, a rebuild or a second writer.

        `approver` is the person who takes the responsibility; `by` the door, when it differs.
        """
        args = {"what": what, "approver": approver}
        wish = _Wish(CommandName.CLEAR_STOP, by or approver, f"approved by {approver}", args)
        allowed = [one.value for one in ClearWhat]
        if not approver.strip():
            return self._refused(wish, "An approver must be named.")
        if what not in allowed:
            return self._refused(wish, f"{what!r} cannot be cleared, only {', '.join(allowed)}.")
        return self._audited(wish, self._carried_out(wish))

    def close_position(self, symbol: str, reason: str, by: str) -> Answer:
        """Close the whole position of a symbol; the result holds the close's numbers."""
        name = symbol.strip().upper()
        wish = _Wish(CommandName.CLOSE_POSITION, by, reason, {"symbol": name})
        if not _SYMBOL.match(name):
            return self._refused(wish, f"{symbol[:20]!r} is no symbol.")
        if not reason.strip():
            return self._refused(wish, "A reason must be given.")
        return self._audited(wish, self._carried_out(wish))

    def pause(self, by: str, reason: str = "") -> Answer:
        """Take no new risk until resumed; exits and protection go on."""
        wish = _Wish(CommandName.PAUSE, by, reason, {})
        return self._audited(wish, self._carried_out(wish))

    def resume(self, by: str, reason: str = "") -> Answer:
        """End a pause."""
        wish = _Wish(CommandName.RESUME, by, reason, {})
        return self._audited(wish, self._carried_out(wish))

    def _carried_out(self, wish: _Wish, *, keep_waiting: bool = False) -> Answer:
        """Spool the wish and wait; with `keep_waiting` an unclaimed one is not withdrawn."""
        if max(len(wish.reason), len(wish.by)) > TEXT_CHARACTERS_MAX:
            return self._failed("", "The reason is too long.", CommandOutcome.REFUSED)
        command = self._command(wish)
        try:
            self._spool.submit(command)
            nobody = None if self._hand_over is None else self._hand_over()
            within_s = self._answer_within_s if nobody is None else 0.0
            answer = self._spool.wait_answer(command.id, within_s)
            if answer is not None:
                return answer
            why = nobody or "Nobody took the command up."
            if not keep_waiting and self._spool.withdraw(command.id):
                return self._failed(command.id, f"{why} It was withdrawn and nothing was done.")
            if nobody is not None:
                return self._failed(command.id, nobody)
        except (OSError, SystemFault) as failure:
            return self._failed(command.id, f"The command could not be handed over: {failure}.")
        detail = f"No answer within {self._answer_within_s:g} s; it may still be carried out."
        return self._failed(command.id, detail)

    def _command(self, wish: _Wish) -> Command:
        now = self._clock.utc_now()
        boottime_s = self._clock.boottime_s()
        return Command(
            id=f"{now:%Y%m%dT%H%M%S}{now.microsecond:06d}-{secrets.token_hex(4)}",
            command=wish.command,
            by=wish.by,
            reason=wish.reason,
            expires_at=now + timedelta(seconds=COMMAND_LIFE_S),
            boot_id=self._clock.boot_id(),
            boottime_s=boottime_s,
            expires_boottime_s=boottime_s + COMMAND_LIFE_S,
            args=wish.args,
        )

    def _failed(
        self, command_id: str, detail: str, outcome: CommandOutcome = CommandOutcome.FAILED
    ) -> Answer:
        return Answer(command_id, outcome, detail, self._clock.utc_now())

    def _refused(self, wish: _Wish, detail: str) -> Answer:
        return self._audited(wish, self._failed("", detail, CommandOutcome.REFUSED))

    def _audited(self, wish: _Wish, answer: Answer) -> Answer:
        self._audit.append(
            AuditLine(
                who=wish.by,
                command=wish.command.value,
                why=wish.reason,
                outcome=answer.outcome.value,
                detail=answer.detail,
                id=answer.id,
                args=wish.args,
            )
        )
        return answer
