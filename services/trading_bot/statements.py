"""When the statement is made: after each session, and again while it does not match.

A session whose end nobody saw (a replay jumps over the night, a bot was dead) is compared at the
next settled moment: every cent since the statement before is accounted for, whenever it is.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta

from services.trading_bot.gather import Picture
from services.trading_bot.movements import read_since
from services.trading_bot.parts import Parts
from services.trading_bot.statement import Activities, compare
from shared.errors import ConfigFault, SystemFault
from shared.events.types import StatementCompared
from shared.models.broker import ClockReading
from shared.models.movements import previous_close
from shared.models.pnl import Statement
from shared.models.trading_day import trading_day
from shared.telemetry.logs import log_event

PATIENCE = timedelta(minutes=2)
"""Market time after the close: a broker's activities lag behind its orders."""
RETRY_S = 30.0
"""Real seconds between two tries while something differs, or cannot be read."""
OVERLAP = timedelta(minutes=1)


class StatementWatch:
    """Compares, records in state and ledger, and raises the alarm over a difference."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logger = logging.getLogger("statement")
        self._tried_at_s = float("-inf")
        self._tried_for: datetime | None = None

    def run(self, picture: Picture, reading: ClockReading) -> None:
        """Make the statement when it is due. A failed read is tried again; never raises it."""
        state, clock = self._parts.memory.state, self._parts.clock
        day = state.day
        if day is None or not self._is_due(reading):
            return
        if self._rests(picture):
            return
        self._tried_at_s, self._tried_for = clock.monotonic_s(), picture.at
        before = state.statement
        if before is None:
            # Nothing to count from yet: from here on every cent is accounted for.
            is_over = _is_over(reading, day.date)
            self._record(Statement(day.date, picture.at, picture.account.cash, is_over))
            return
        try:
            fills = self._parts.broker.fills(before.at - OVERLAP)
            since = min(trading_day(before.at), read_since(picture.at, state))
            movements = self._parts.broker.movements(since)
        except ConfigFault:
            raise
        except SystemFault as fault:
            log_event(self._logger, "statement_not_read", str(fault), level=logging.WARNING)
            return
        seen = Activities(fills, movements, picture.account.cash, picture.at)
        differences = compare(state, seen)
        # What differs stays open: the next try counts from the same beginning.
        at, cash = (before.at, before.cash) if differences else (picture.at, picture.account.cash)
        over = _last_over(reading, day.date)
        self._record(Statement(over, at, cash, before.day <= over, differences))

    def _rests(self, picture: Picture) -> bool:
        """Whether the last try is too young. A replay knows no real time: each turn may try."""
        if self._parts.settings.is_lock_step:
            return self._tried_for == picture.at
        return self._parts.clock.monotonic_s() - self._tried_at_s < RETRY_S

    def _is_due(self, reading: ClockReading) -> bool:
        """Whether a session is over and not compared yet, or something still differs. The first
        one only marks where to begin: at a moment when nothing can move.
        """
        state = self._parts.memory.state
        before, day = state.statement, state.day
        if day is None:
            return False
        if before is None:
            is_due = _is_over(reading, day.date) or not any(True for _ in state.orders.live())
        else:
            over = _last_over(reading, day.date)
            is_made = before.day > over or (before.is_final and before.day == over)
            is_due = bool(before.differences) or not is_made
        return is_due and self._has_settled(reading)

    def _has_settled(self, reading: ClockReading) -> bool:
        if self._parts.settings.is_lock_step:
            # Market time stands still during a turn, and nothing lags behind it.
            return True
        moments = (order.filled_at for order in self._parts.memory.state.orders.values())
        return all(moment is None or reading.now - moment >= PATIENCE for moment in moments)

    def _record(self, statement: Statement) -> None:
        self._parts.memory.book((StatementCompared(statement),))
        self._parts.books.statement(statement)
        matched = not statement.differences
        log_event(
            self._logger,
            "statement_matches" if matched else "statement_differs",
            f"statement of {statement.day}: "
            + ("cash and fills agree to the cent" if matched else "; ".join(statement.differences)),
            level=logging.INFO if matched else logging.ERROR,
        )


def _last_over(reading: ClockReading, day: date) -> date:
    """Return the newest trading day whose session is over: `day` itself, or the weekday before.
    On a holiday's morrow that is the holiday: its statement has the days before it, too.
    """
    return day if _is_over(reading, day) else trading_day(previous_close(day))


def _is_over(reading: ClockReading, day: date) -> bool:
    return not reading.is_open and trading_day(reading.next_open) > day
