"""What a person may ask of one service: start, stop, restart, release, signal. One place for all
doors; the doors (XML-RPC, signals) only translate.
"""

from __future__ import annotations

import asyncio
import signal

from services.supervisor.context import Context, Roster
from services.supervisor.member import After, Ask, Member
from services.supervisor.restart_policy import Park
from services.supervisor.starter import Starter
from services.supervisor.stopper import Stopper
from shared.models.health import Phase
from shared.telemetry.logs import log_event

OPERATOR = "stopped by the operator"
LOOK_EVERY_S = 0.01
STOP_SLACK_S = 3.0


class Refused(Exception):
    """The request makes no sense in the present state; the message says why."""


class Operations:
    """Carries out requests on members."""

    def __init__(
        self, context: Context, roster: Roster, starter: Starter, stopper: Stopper
    ) -> None:
        self._context = context
        self._roster = roster
        self._starter = starter
        self._stopper = stopper

    def start(self, member: Member) -> None:
        """Start a stopped or parked service; forgets its deaths, since a human decided.

        Raises Refused when it runs already or the whole is being stopped.
        """
        if self._context.stopping:
            raise Refused("the system is being stopped")
        if member.process is not None:
            raise Refused(f"{member.name} is {member.phase} already")
        self._free(member)
        self._starter.try_start(member)
        self._starter.poke()

    def _free(self, member: Member) -> None:
        log_event(self._context.logger, "service_released", f"{member.name} released")
        member.park, member.asked, member.wanted = None, None, True
        member.cancel_timer()
        self._context.tally.release(member.name)
        self._context.tally.save()

    def stop(self, member: Member) -> None:
        """Stop a service until somebody starts it. Raises Refused when it is down already."""
        if member.process is None and member.phase not in (Phase.BACKOFF, Phase.STARTING):
            raise Refused(f"{member.name} is {member.phase}")
        self._context.tally.hold(member.name, OPERATOR)
        self._context.tally.save()
        self._stopper.ask(member, Ask(OPERATOR))

    def restart(self, member: Member) -> None:
        """Stop and start a service, parked ones too. Raises Refused during the end."""
        if self._context.stopping:
            raise Refused("the system is being stopped")
        self._free(member)
        if member.process is None:
            self._starter.try_start(member)
            self._starter.poke()
        else:
            self._stopper.ask(member, Ask("restarted by the operator", After.START_AGAIN))

    def release(self, member: Member) -> None:
        """Let a parked or stopped service run again. Raises Refused when nothing holds it."""
        if member.park is None and member.wanted:
            raise Refused(f"{member.name} is not parked; it is {member.phase}")
        self.start(member)

    def park(self, member: Member, park: Park) -> None:
        """Hold a service down because a check outside it says that it cannot work."""
        member.park = park
        self._context.tally.park(member.name, park)
        self._context.tally.save()
        self._stopper.ask(member, Ask(park.reason, After.PARK))

    def signal(self, member: Member, name: str) -> None:
        """Send a signal by its name or number. Raises Refused, or ValueError for no signal."""
        number = _signal_of(name)
        if member.process is None:
            raise Refused(f"{member.name} is {member.phase}")
        member.process.send(number)

    async def until_down(self, member: Member) -> bool:
        """Wait until the present process is gone; False when even SIGKILL took too long."""
        present = member.process
        deadline_s = self._context.now_s() + member.spec.stop_s + STOP_SLACK_S
        while present is not None and member.process is present:
            if self._context.now_s() > deadline_s:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return True

    async def until_up(self, member: Member) -> bool:
        """Wait until a service runs; False when it died, was parked or is not ready in time."""
        deadline_s = self._context.now_s() + member.spec.beat.ready_s
        while self._context.now_s() < deadline_s:
            if member.phase is Phase.RUNNING:
                return True
            if member.phase in (Phase.PARKED, Phase.BACKOFF) or member.blocked_for_good:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return False


def _signal_of(name: str) -> signal.Signals:
    if name.isdigit():
        return signal.Signals(int(name))
    text = name.upper()
    try:
        return signal.Signals[text if text.startswith("SIG") else f"SIG{text}"]
    except KeyError:
        raise ValueError(f"{name!r} is no signal") from None
