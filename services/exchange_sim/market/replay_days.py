"""The trading days of a replay: sessions in which something trades, extended hours included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.exchange_sim.hours import after_hours_end, pre_market_start
from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.calendar import Calendar, new_york_day
from services.exchange_sim.market.port import (
    EarlyOpened,
    LateClosed,
    Session,
    SessionClosed,
    SessionEdge,
    SessionOpened,
)

_ENDINGS = (SessionClosed, LateClosed)


@dataclass(frozen=True, slots=True)
class Day:
    """A New York day on which something trades; all in epoch minutes, UTC."""

    session: Session
    first: int
    """The first minute that trades."""
    last: int
    """The last minute that trades."""

    @property
    def has_early(self) -> bool:
        """Whether anything trades before the session."""
        return self.first < epoch_minute(self.session.opens_at)

    @property
    def has_late(self) -> bool:
        """Whether anything trades after the session."""
        return self.last >= epoch_minute(self.session.closes_at)

    @property
    def begins_at(self) -> datetime:
        """When the day begins to trade: its pre-market's first moment or its opening."""
        return pre_market_start(self.session) if self.has_early else self.session.opens_at

    @property
    def ends_at(self) -> datetime:
        """When the day has ended: after its after-hours or at its close."""
        return after_hours_end(self.session) if self.has_late else self.session.closes_at

    def edges(self) -> list[SessionEdge]:
        """Return what begins and ends on that day, in order."""
        session = self.session
        edges: list[SessionEdge] = [
            SessionOpened(session.opens_at, session),
            SessionClosed(session.closes_at, session),
        ]
        if self.has_early:
            edges.insert(0, EarlyOpened(self.begins_at, session))
        if self.has_late:
            edges.append(LateClosed(self.ends_at, session))
        return edges

    def edges_around(
        self, minute: int, before: int | None, after: int | None
    ) -> tuple[list[SessionEdge], list[SessionEdge]]:
        """Return what begins just before a minute that trades and what ends just after it, given
        the day's minutes that trade next to it: each edge goes with one minute only.
        """
        begun = self._between(before, minute)
        ended = self._between(minute, after)
        if before is not None:
            begun = begun[_ending(begun) :]
        if after is not None:
            ended = ended[: _ending(ended)]
        return begun, ended

    def _between(self, first: int | None, last: int | None) -> list[SessionEdge]:
        return [
            edge
            for edge in self.edges()
            if (first is None or first < epoch_minute(edge.at))
            and (last is None or epoch_minute(edge.at) <= last)
        ]


def _ending(edges: Sequence[SessionEdge]) -> int:
    """Return how many of these edges belong to the minute before them: up to the last ending."""
    places = [place for place, edge in enumerate(edges, 1) if isinstance(edge, _ENDINGS)]
    return places[-1] if places else 0


class Minutes(Protocol):
    """Which epoch minutes trade."""

    def next_minute(self, minute: int) -> int | None:
        """Return the first one later than that one."""

    def newest_minute(self, minute: int) -> int | None:
        """Return the last one that is no later."""


class Days:
    """Finds the days of rising minutes, each of which lies in a session's day."""

    def __init__(self, minutes: Minutes, calendar: Calendar) -> None:
        self._minutes = minutes
        self._calendar = calendar
        self._known: Day | None = None
        """The one asked for last: a replay asks for it many times."""

    def on(self, day: date) -> Day | None:
        """Return that New York day, None when nothing trades on it."""
        if self._known is None or self._known.session.day != day:
            found = self._find(day)
            if found is None:
                return None
            self._known = found
        return self._known

    def _find(self, day: date) -> Day | None:
        session = self._calendar.session(day)
        if session is None:
            return None
        begins, end = (
            epoch_minute(pre_market_start(session)),
            epoch_minute(after_hours_end(session)),
        )
        first = self._minutes.next_minute(begins - 1)
        last = self._minutes.newest_minute(end - 1)
        if first is None or last is None or first >= end:
            return None
        return Day(session, first, last)

    def of(self, minute: int) -> Day:
        """Return the day of a minute that trades."""
        day = self.on(new_york_day(minute_moment(minute)))
        if day is None:
            raise ValueError(f"minute {minute} lies outside every trading day")
        return day

    def after(self, minute: int) -> Day | None:
        """Return the day of the first minute later than that one, None at the end."""
        upcoming = self._minutes.next_minute(minute)
        return None if upcoming is None else self.of(upcoming)

    def since(self, moment: datetime) -> Iterator[Day]:
        """Yield the days that end later than that moment, in order."""
        day = self.on(new_york_day(moment))
        if day is None or day.ends_at <= moment:
            day = self.after(epoch_minute(moment))
        while day is not None:
            yield day
            day = self.after(day.last)
