"""What the supervisor owes the trading side when the bot is dead, hung or parked.

Spool: a command that nobody claimed for two seconds is done by a one-shot under the trading
lock while the bot is held down. Secure: a bot that is parked, or stays down for more than two
seconds, leaves no working entry and no unprotected position behind.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from services.supervisor.context import Context, Roster
from services.supervisor.incidents import Step
from services.supervisor.member import After, Ask, Member
from services.supervisor.one_shots import Errand, OneShots
from services.supervisor.processes import Exit
from services.supervisor.starter import Starter
from services.supervisor.stopper import Stopper
from services.supervisor.table import TRADING_BOT
from services.supervisor.trading_errands import (
    ERRAND_GRACE_S,
    ERRAND_S,
    HANG_GRACE_S,
    MODULE,
    SECURE_HOLD,
    SPOOL_HOLD,
)
from shared.commands.spool import CLAIM_WITHIN_S, CommandSpool
from shared.errors import TransientFault
from shared.models.health import Phase
from shared.telemetry.logs import log_event

UNCLAIMED_S = CLAIM_WITHIN_S
DOWN_S = 2.0
FRESH_S = 5.0
"""A bot younger than this is still starting; it will claim by itself."""
AGAIN_S = 15.0
"""After a one-shot that failed, so that the bot is not held down without end."""


@dataclass(slots=True)
class _Secured:
    """Whether the present down time was answered."""

    since_s: float | None = None
    again_at_s: float | None = None


class TradingDuties:
    """Looked at once a second; does nothing where the table has no trading-bot."""

    def __init__(
        self, context: Context, roster: Roster, starter: Starter, stopper: Stopper
    ) -> None:
        self._context = context
        self._roster = roster
        self._starter = starter
        self._stopper = stopper
        self._one_shots: OneShots | None = None
        self._spool = CommandSpool(context.launch.state, context.clock)
        self._spool_again_at_s = 0.0
        self._busy = False
        self._down = _Secured()

    def use(self, one_shots: OneShots) -> None:
        """Take the runner of errands."""
        self._one_shots = one_shots

    def look(self) -> None:
        """See whether a duty is due."""
        bot = self._roster.get(TRADING_BOT)
        if bot is None or self._context.stopping or self._busy:
            return
        now_s = self._context.now_s()
        waits = now_s >= self._spool_again_at_s and not self._is_fresh(bot, now_s)
        if waits and self._unclaimed_s() > UNCLAIMED_S:
            self._hold_for_spool(bot)
        elif self._secure_due(bot, now_s):
            self._run(bot, SECURE_HOLD)

    def _unclaimed_s(self) -> float:
        """Return how long the oldest command has been waiting; 0 when none waits."""
        try:
            return self._spool.unclaimed_age_s() or 0.0
        except TransientFault:
            return 0.0

    def _is_fresh(self, bot: Member, now_s: float) -> bool:
        return bot.process is not None and now_s - bot.started_s < FRESH_S

    def _hold_for_spool(self, bot: Member) -> None:
        self._context.incidents.step(
            Step.RESPOND, bot.name, "a command is unclaimed; a one-shot carries it out"
        )
        self._busy = True
        bot.holds.add(SPOOL_HOLD)
        if bot.process is None:
            self._run(bot, SPOOL_HOLD)
            return
        if bot.phase is not Phase.STOPPING:
            # One that ends already was asked by somebody, whose wish stays.
            self._stopper.ask(bot, Ask("held down for an operator's command", After.START_AGAIN))
        self._context.loop.call_later(HANG_GRACE_S, self._stopper.kill_if_stopping, bot)
        self._wait_until_down(bot)

    def _wait_until_down(self, bot: Member) -> None:
        if bot.process is None:
            self._run(bot, SPOOL_HOLD)
        else:
            self._context.loop.call_later(0.05, self._wait_until_down, bot)

    def _secure_due(self, bot: Member, now_s: float) -> bool:
        if bot.phase not in (Phase.PARKED, Phase.BACKOFF) or bot.process is not None:
            self._down = _Secured()
            return False
        if self._down.since_s is None:
            self._down.since_s = now_s
        waited = bot.phase is Phase.PARKED or now_s - self._down.since_s > DOWN_S
        again_at_s = self._down.again_at_s
        return waited and (again_at_s is None or now_s >= again_at_s)

    def _run(self, bot: Member, duty: str) -> None:
        self._busy = True
        bot.holds.add(duty)
        errand = Errand(MODULE, (duty,), ERRAND_S, grace_s=ERRAND_GRACE_S)

        def done(exit_: Exit) -> None:
            self._done(bot, duty, exit_)

        if self._one_shots is None or not self._one_shots.run(errand, done):
            self._done(bot, duty, Exit(None, None))

    def _done(self, bot: Member, duty: str, exit_: Exit) -> None:
        self._busy = False
        succeeded = exit_.code == 0
        again_at_s = self._context.now_s() + AGAIN_S
        if duty == SECURE_HOLD:
            self._down.again_at_s = float("inf") if succeeded else again_at_s
        elif not succeeded:
            self._spool_again_at_s = again_at_s
        level = logging.INFO if succeeded else logging.ERROR
        message = f"one-shot {duty} ended with {exit_.code}"
        log_event(self._context.logger, "duty_done", message, level=level)
        self._context.incidents.step(Step.RESPOND, bot.name, message)
        bot.holds.discard(duty)
        self._starter.try_start(bot)
        self._context.changed()
