"""What a market of days and nights asks of one symbol's bars, recorded or made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Protocol

from services.exchange_sim.market.port import DroppedRow, Session, TradedBar
from services.exchange_sim.market.quote_file import Sides
from shared.models.market import Candle


class PlayedSeries(Protocol):
    """Bars of the window that plays and of the time before it; minutes are epoch minutes."""

    symbol: str
    dropped: Counter[str]
    samples: list[DroppedRow]

    @property
    def first_known_day(self) -> date | None:
        """The New York day of the oldest bar."""

    def at(self, minute: int) -> Candle | None:
        """Return the window's bar of that minute."""

    def is_extended(self, minute: int) -> bool:
        """Whether that minute has a bar of extended hours."""

    def newest(self, minute: int) -> Candle | None:
        """Return the window's newest bar that starts at or before that minute."""

    def next_minute(self, minute: int) -> int | None:
        """Return the window's first minute later than that one that has a bar."""

    def quote_sides(self, minute: int) -> Sides | None:
        """Return the real bid and ask at the end of that minute, None when none is known."""

    def between(self, first: int, end: int) -> Iterator[Candle]:
        """Return the bars with first <= minute < end, those before the window included."""

    def finished_day(self, session: Session, /) -> TradedBar | None:
        """Return the daily bar of a session that has ended, None when it did not trade."""

    def day_so_far(self, session: Session, now: datetime) -> TradedBar | None:
        """Return one bar made of the session's minutes that are finished at `now`."""
