"""The sessions of a replay in which something trades. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.calendar import Calendar, new_york_day
from services.exchange_sim.market.port import Session


@dataclass(frozen=True, slots=True)
class Day:
    """A session in which something trades: its minutes are the replay's first..end-1."""

    session: Session
    first: int
    end: int


def days_of(minutes: Sequence[int], calendar: Calendar) -> list[Day]:
    """Return the days of rising epoch minutes; ValueError when one lies outside every session."""
    days: list[Day] = []
    first = 0
    while first < len(minutes):
        session = calendar.session(new_york_day(minute_moment(minutes[first])))
        if session is None:
            raise ValueError(f"minute {minutes[first]} lies outside every session")
        end = bisect_left(minutes, epoch_minute(session.closes_at), lo=first)
        days.append(Day(session, first, end))
        first = end
    return days
