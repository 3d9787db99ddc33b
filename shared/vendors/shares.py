"""Who may ask the broker how often: fixed shares of the account's 200 calls a minute. Pure.

The processes share an account and no file, so each door has its share for good; together they
stay below the limit in any minute, and the headers of each reply show what others took. The bot
comes first: the reads of every other process stop earlier. Market data has a budget of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

ACCOUNT_PER_MINUTE = 200
PEOPLE, ONE_SHOTS = 10, 15
"""Left to a person at a terminal, and to the checks and commands that run once."""
ENTRIES, SAFETY = 10, 30
"""Orders of a minute: those that add risk; those that protect, reduce or cancel."""
LOOKS_SPARE = 4
"""Looks at the clock beyond the regular ones: a session that turns is looked at more often."""
CLOCKS = 2
"""trading-bot and data-daemon look at the broker's clock, each by itself."""
MARKET_DATA = 150
"""Of the 200 that the free plan has for market data."""
LEFT_BY_BOT, LEFT_BY_OTHERS = 10, 40
"""Reads stop when the broker says that no more than this is left of the account's minute."""


@dataclass(frozen=True, slots=True)
class TradingShares:
    """Calls per minute at the trading interface."""

    bot_reads: int
    clock: int
    """Of each process that follows the broker's clock."""

    @property
    def total(self) -> int:
        """Everything that all processes together may send in a minute."""
        return self.bot_reads + CLOCKS * self.clock + ENTRIES + SAFETY + ONE_SHOTS + PEOPLE


def trading_shares(look_every_s: float) -> TradingShares:
    """Return the shares for processes that look at the clock so often, in real seconds."""
    clock = int(60.0 / look_every_s) + LOOKS_SPARE
    spoken_for = CLOCKS * clock + ENTRIES + SAFETY + ONE_SHOTS + PEOPLE
    return TradingShares(ACCOUNT_PER_MINUTE - spoken_for, clock)
