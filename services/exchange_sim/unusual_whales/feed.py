"""The flow of a whole market over time, made an hour at a time and remembered. Pure.

Everything is in market time and known only once its minute is finished.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Generic, TypeVar

from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import ONE_MINUTE, BarQuery, Market, Session
from services.exchange_sim.steps import Steps
from services.exchange_sim.unusual_whales.flow import (
    DarkPrint,
    FlowAlert,
    FlowMinute,
    flow_minute,
    minute_end,
)

_MINUTES_PER_HOUR = 60
_HOURS_KEPT = 2_048
_SESSIONS_BACK = 2
"""Alerts and prints are told of the running session and the one before it."""
_DAYS_SEARCHED = timedelta(days=10)
_INSTANT = timedelta(microseconds=1)
_ONE_MINUTE = timedelta(minutes=1)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Stretch:
    """What to list: of these symbols, within newer_than < moment < older_than, newest first."""

    symbols: tuple[str, ...]
    limit: int
    newer_than: datetime | None = None
    older_than: datetime | None = None


@dataclass(slots=True)
class _Hour:
    """The finished minutes of a symbol's hour; it only grows, and no session shares it with
    another one: they all begin and end where trading does, hours apart.
    """

    finished: int = 0
    minutes: list[FlowMinute] = field(default_factory=list)
    starts: list[datetime] = field(default_factory=list)
    """Of its minutes."""
    volumes: list[int] = field(default_factory=list)
    """Shares of each minute and all before it."""
    volume: int = 0
    """Shares of all its minutes."""

    def grow(self, minutes: Iterable[FlowMinute], finished: int) -> None:
        """Take the minutes that have finished meanwhile."""
        for minute in minutes:
            self.minutes.append(minute)
            self.volume += minute.candle.volume
            self.starts.append(minute.candle.start)
            self.volumes.append(self.volume)
        self.finished = finished

    def volume_until(self, moment: datetime) -> int:
        """Return the shares of the minutes that had begun by then."""
        place = bisect_right(self.starts, moment)
        return self.volumes[place - 1] if place else 0


@dataclass(frozen=True, slots=True)
class _Told(Generic[Item]):
    """Something with its moment and the name that orders it within one."""

    at: datetime
    name: str
    item: Item


class WhaleFeed:
    """Flow of the symbols of a market. `seed` belongs to the account's seed."""

    def __init__(self, market: Market, seed: int) -> None:
        self._market = market
        self._seed = seed
        self.symbols = market.symbols
        self._is_asked = False
        """Whether anybody wants to know of alerts or prints."""
        self._known_hour = lru_cache(maxsize=_HOURS_KEPT)(lambda _symbol, _number: _Hour())

    def _hour(self, symbol: str, number: int, now: datetime) -> Sequence[FlowMinute]:
        """Return the minutes of an hour that are finished at `now`."""
        hour = self._known_hour(symbol, number)
        finished = min(_MINUTES_PER_HOUR, epoch_minute(now) - number * _MINUTES_PER_HOUR)
        if finished > hour.finished:
            first = number * _MINUTES_PER_HOUR
            end = minute_moment(first + finished)
            start = minute_moment(first + hour.finished)
            last = end - _ONE_MINUTE
            bars = self._market.bars(BarQuery(symbol, start, last, ONE_MINUTE, end))
            hour.grow((flow_minute(self._seed, candle) for candle in bars), finished)
        if finished == hour.finished:
            return hour.minutes
        return [one for one in hour.minutes if minute_end(one) <= now]

    def foresee(self, now: datetime) -> None:
        """Make the flow of the newest minutes when somebody has asked for flow before: his next
        question then has less to wait for.
        """
        number = epoch_minute(now - _INSTANT) // _MINUTES_PER_HOUR
        for symbol in self.symbols if self._is_asked else ():
            self._hour(symbol, number, now)

    def session(self, now: datetime, day: date | None = None) -> Session | None:
        """Return that day's session unless it lies ahead, or the newest one that has begun."""
        if day is not None:
            return self._market.session(day) if day <= new_york_day(now) else None
        begun = self._begun(now)
        return begun[-1] if begun else None

    def _begun(self, now: datetime) -> list[Session]:
        today = new_york_day(now)
        sessions = self._market.sessions(today - _DAYS_SEARCHED, today)
        return [session for session in sessions if session.opens_at < now]

    def minutes(self, symbol: str, session: Session, now: datetime) -> Iterator[FlowMinute]:
        """Return a session's finished minutes, oldest first."""
        end = min(session.closes_at, now)
        first, last = epoch_minute(session.opens_at), epoch_minute(end - _INSTANT)
        for number in range(first // _MINUTES_PER_HOUR, last // _MINUTES_PER_HOUR + 1):
            for minute in self._hour(symbol, number, now):
                if session.opens_at <= minute.candle.start < end:
                    yield minute

    def minute(self, symbol: str, start: datetime) -> FlowMinute | None:
        """Return the flow of the finished minute that started then, None when it did not trade."""
        number = epoch_minute(start) // _MINUTES_PER_HOUR
        minutes = self._hour(symbol, number, start + _ONE_MINUTE)
        return next((one for one in reversed(minutes) if one.candle.start == start), None)

    def alerts(
        self, stretch: Stretch, now: datetime, keep: Callable[[FlowAlert], bool]
    ) -> Steps[list[FlowAlert]]:
        """Return the newest alerts that are kept."""

        def told(minute: FlowMinute) -> _Told[FlowAlert] | None:
            alert = minute.alert
            return _Told(alert.created_at, alert.id, alert) if alert and keep(alert) else None

        return self._newest(stretch, now, told)

    def prints(
        self, stretch: Stretch, now: datetime, keep: Callable[[DarkPrint], bool]
    ) -> Steps[list[DarkPrint]]:
        """Return the newest dark pool prints that are kept."""

        def told(minute: FlowMinute) -> _Told[DarkPrint] | None:
            dark = minute.dark
            if dark is None or not keep(dark):
                return None
            return _Told(dark.executed_at, f"{dark.tracking_id:020d}", dark)

        return self._newest(stretch, now, told)

    def _newest(
        self,
        stretch: Stretch,
        now: datetime,
        told: Callable[[FlowMinute], _Told[Item] | None],
    ) -> Steps[list[Item]]:
        """Return the newest of what the minutes tell within the stretch, hour by hour back."""
        self._is_asked = True
        found: list[Item] = []
        for number in self._hours_back(stretch, now):
            of_hour: list[_Told[Item]] = []
            for symbol in stretch.symbols:
                known = filter(None, map(told, self._hour(symbol, number, now)))
                of_hour.extend(one for one in known if _is_within(stretch, one.at))
                yield
            of_hour.sort(key=lambda one: (one.at, one.name), reverse=True)
            found.extend(one.item for one in of_hour)
            if len(found) >= stretch.limit:
                break
        return found[: stretch.limit]

    def _hours_back(self, stretch: Stretch, now: datetime) -> Iterator[int]:
        newest = min(now, stretch.older_than or now)
        for session in reversed(self._begun(now)[-_SESSIONS_BACK:]):
            first = epoch_minute(max(session.opens_at, stretch.newer_than or session.opens_at))
            last = epoch_minute(min(session.closes_at - _INSTANT, newest))
            yield from range(last // _MINUTES_PER_HOUR, first // _MINUTES_PER_HOUR - 1, -1)

    def day_volume(self, print_: DarkPrint, now: datetime) -> int:
        """Return the shares that the symbol had traded that day when its print's minute ended."""
        session = self._market.session(new_york_day(print_.executed_at))
        if session is None:
            return print_.size
        first = epoch_minute(session.opens_at) // _MINUTES_PER_HOUR
        last = epoch_minute(print_.executed_at) // _MINUTES_PER_HOUR
        volume = 0
        for number in range(first, last):
            self._hour(print_.ticker, number, now)
            volume += self._known_hour(print_.ticker, number).volume
        self._hour(print_.ticker, last, now)
        return volume + self._known_hour(print_.ticker, last).volume_until(print_.executed_at)


def _is_within(stretch: Stretch, moment: datetime) -> bool:
    newer, older = stretch.newer_than, stretch.older_than
    return (newer is None or moment > newer) and (older is None or moment < older)
