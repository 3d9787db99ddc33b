"""Which strategy takes the bot with it: judged by who was speaking when earlier bots died. Pure.

A kill from outside may strike while an innocent speaks. So a death that only the process itself
can die of counts sooner than a kill, and a kill only when bot after bot died in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OWN_DEATHS_MAX = 2
"""With so many deaths of the process's own making a strategy is switched off."""
DEATHS_IN_A_ROW_MAX = 3
"""The same for deaths of any kind, when no bot in between died otherwise."""
WINDOW_S = 3_600.0
"""Real seconds within which these must lie."""
ENDS_KEPT = 20
_FAULTS = {
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    11: "SIGSEGV",
    31: "SIGSYS",
}
"""Signals that end a broken process; SIGABRT is also the watchdog's, which ends a silent one."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended, as its parent saw it; both None when nobody saw it."""

    code: int | None = None
    signal: int | None = None

    @property
    def is_of_its_own(self) -> bool:
        """Whether nobody outside can have caused it: while a strategy speaks, a signal that asks
        for the end is only noted, so that an exit code is the strategy's own.
        """
        return self.signal in _FAULTS or (self.signal is None and self.code is not None)

    @property
    def name(self) -> str:
        """The end in a word or two."""
        if self.signal is not None:
            return _FAULTS.get(self.signal, f"signal {self.signal}")
        return f"exit code {self.code}" if self.code is not None else "an end that nobody saw"


@dataclass(frozen=True, slots=True)
class End:
    """One bot that ended unasked. `speaker` is empty when no strategy spoke."""

    speaker: str
    at_s: float
    """Seconds since boot."""
    how: str
    is_of_its_own: bool


def fault_of(speaker: str, ends: Sequence[End]) -> str | None:
    """Return why that strategy must not speak, None while it may; the oldest end comes first."""
    own = [end for end in ends if end.speaker == speaker and end.is_of_its_own][-OWN_DEATHS_MAX:]
    row = [end for end in ends[-DEATHS_IN_A_ROW_MAX:] if end.speaker == speaker]
    if _is_often(own, OWN_DEATHS_MAX):
        return _told(own)
    return _told(row) if _is_often(row, DEATHS_IN_A_ROW_MAX) else None


def _is_often(deaths: Sequence[End], most: int) -> bool:
    return len(deaths) >= most and deaths[-1].at_s - deaths[0].at_s <= WINDOW_S


def _told(deaths: Sequence[End]) -> str:
    how = ", ".join(end.how for end in deaths)
    return f"the bot died {len(deaths)} times while it spoke ({how})"
