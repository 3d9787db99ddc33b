"""Which minutes belong to the regular session, told from the broker's calendar and clock. Pure.

Brokers serve bars of pre-market and after-hours among the others. We trade the session, and thin
prices from outside it would bend every indicator, so such bars never enter the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time

from shared.contracts.alpaca_calendar import Sessions
from shared.models.broker import ClockReading
from shared.models.trading_day import NEW_YORK, trading_day

OPENING, CLOSING, HALF_DAY_CLOSING = time(9, 30), time(16), time(13)
EXTENDED_BARS_MAX = 330 + 240
"""Minutes of pre-market and after-hours that may lie between two sessions."""


@dataclass(frozen=True, slots=True)
class RegularHours:
    """Hours of the New York session. A market whose next opening is its next close never closes:
    all of its minutes are regular. Of days that the calendar does not hold the clock alone tells,
    and it knows of no half day but the running one.
    """

    reading: ClockReading
    sessions: Sessions = field(default_factory=dict)
    """The broker's calendar around the newest days; empty while it is not known."""

    @property
    def never_ends(self) -> bool:
        """Whether the market has no closed hours, as the seeded one."""
        return self.reading.next_open == self.reading.next_close

    def holds(self, start: datetime) -> bool:
        """Whether the minute that begins then is of a session."""
        if self.never_ends:
            return True
        session = self.sessions.get(trading_day(start))
        if session is not None:
            return session[0] <= start < session[1]
        return self._holds_by_clock(start)

    def _holds_by_clock(self, start: datetime) -> bool:
        at, now = start.astimezone(NEW_YORK).time(), self.reading.now.astimezone(NEW_YORK).time()
        if not OPENING <= at < CLOSING:
            return False
        if self.reading.is_open:
            closes = self.reading.next_close
            return start < closes or trading_day(start) != trading_day(closes)
        closed_early = HALF_DAY_CLOSING <= now < CLOSING
        is_today = trading_day(start) == trading_day(self.reading.now)
        return at < HALF_DAY_CLOSING if closed_early and is_today else True
