"""The four modes. A mode decides which account is traded; their states never mix."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """TRADING_MODE."""

    SIM = "sim"
    """The embedded exchange: no money, no keys."""
    PAPER = "paper"
    """The broker's paper account."""
    LIVE_LIMITED = "live_limited"
    """Real money, held small by the mode's own limits."""
    LIVE = "live"
    """Real money."""

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return self in (Mode.LIVE_LIMITED, Mode.LIVE)

    @property
    def needs_broker_keys(self) -> bool:
        """Whether an account at the broker is traded."""
        return self is not Mode.SIM
