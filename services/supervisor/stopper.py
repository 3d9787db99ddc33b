"""Ends processes: by request, by the watchdog, one after the other at the end of the run."""

from __future__ import annotations

import signal
from collections.abc import Callable

from services.supervisor.context import Context
from services.supervisor.member import After, Ask, Member
from services.supervisor.processes import kill_group
from shared.models.health import Phase

ABORT_GRACE_S = 0.5
"""Time for the stack dump after SIGABRT."""


class Stopper:
    """Asks first, then kills the whole group."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.ended: Callable[[Member], None] = lambda _: None
        """Called when a request ends a member that had no process."""

    def ask(self, member: Member, ask: Ask) -> None:
        """Ask a member to end; what follows is in the request."""
        member.asked = ask
        member.wanted = ask.after is After.START_AGAIN
        member.cancel_timer()
        if member.process is None:
            self.ended(member)
            return
        member.phase, member.phase_reason = Phase.STOPPING, ask.reason
        member.process.send(signal.SIGTERM)
        member.process.send(signal.SIGCONT)
        self._kill_after(member, member.spec.stop_s)
        self._context.changed()

    def abort(self, member: Member, reason: str) -> None:
        """End a hung process: its stacks go to its output file, then the group dies."""
        self._cut_short(member, reason, signal.SIGABRT, ABORT_GRACE_S)

    def renew(self, member: Member, reason: str) -> None:
        """End a process that grew too big, giving it the time to end well."""
        self._cut_short(member, reason, signal.SIGTERM, member.spec.stop_s)

    def kill(self, member: Member) -> None:
        """End a process at once."""
        if member.process is not None:
            member.process.send(signal.SIGKILL)
            kill_group(member.process.pid)

    def kill_if_stopping(self, member: Member) -> None:
        """End a process that was asked and did not listen."""
        if member.phase is Phase.STOPPING:
            self.kill(member)

    def _cut_short(
        self, member: Member, reason: str, number: signal.Signals, grace_s: float
    ) -> None:
        if member.process is None or member.cut_short is not None:
            return
        member.cut_short = reason
        member.process.send(number)
        member.process.send(signal.SIGCONT)
        self._kill_after(member, grace_s)

    def _kill_after(self, member: Member, seconds: float) -> None:
        member.cancel_timer()
        process = member.process

        def kill() -> None:
            member.timer = None
            if member.process is process:
                self.kill(member)

        member.timer = self._context.loop.call_later(seconds, kill)
