"""Lock-step: who may work on which minute, pure.

The exchange releases a minute to data-daemon; when data-daemon reports it finished, to
trading-bot; when trading-bot reports it finished, the exchange plays the next one. Reports of
another minute than the current one are old news and change nothing, so a lost reply or a
restarted participant does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Participant(StrEnum):
    """Who takes part."""

    DATA_DAEMON = "data-daemon"
    TRADING_BOT = "trading-bot"


@dataclass(frozen=True, slots=True)
class Gate:
    """Where the current minute stands; None before the first."""

    minute: datetime | None = None
    daemon_done: datetime | None = None
    bot_done: datetime | None = None

    @property
    def is_through(self) -> bool:
        """Whether everybody has finished the minute, so that the next may be played."""
        return self.minute == self.bot_done

    def finished(self, participant: Participant, minute: datetime) -> Gate:
        """Return the gate after a report."""
        if minute != self.minute:
            return self
        if participant is Participant.DATA_DAEMON:
            return replace(self, daemon_done=minute)
        if self.daemon_done != minute:
            return self  # the bot cannot have seen a minute that was not released to it
        return replace(self, bot_done=minute)

    def released_to(self, participant: Participant) -> datetime | None:
        """Return the minute that the participant may work on now, None when it must wait."""
        if self.minute is None:
            return None
        if participant is Participant.DATA_DAEMON:
            return self.minute if self.daemon_done != self.minute else None
        ready = self.daemon_done == self.minute and self.bot_done != self.minute
        return self.minute if ready else None
