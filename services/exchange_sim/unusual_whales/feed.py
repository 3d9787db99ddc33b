"""The flow of a whole market over time, made an hour at a time and remembered. Pure.

Everything is in market time and known only once its minute is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.port import ONE_MINUTE, BarQuery, Market, Session
from services.exchange_sim.unusual_whales.flow import (
    DarkPrint,
    FlowAlert,
    FlowMinute,
    flow_minute,
)

_MINUTES_PER_BLOCK = 60
_BLOCKS_KEPT = 2_048
_SESSIONS_BACK = 2
"""Alerts and prints are told of the running session and the one before it."""
_DAYS_SEARCHED = timedelta(days=10)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What to list: of these symbols, within newer_than < moment < older_than, newest first."""

    symbols: tuple[str, ...]
    limit: int
    newer_than: datetime | None = None
    older_than: datetime | None = None


class WhaleFeed:
    """Flow of the symbols of a market. `seed` belongs to the account's seed."""

    def __init__(self, market: Market, seed: int) -> None:
        self._market = market
        self._seed = seed
        self.symbols = market.symbols
        self._block = lru_cache(maxsize=_BLOCKS_KEPT)(self._make_block)

    def _make_block(self, symbol: str, number: int, finished: int) -> tuple[FlowMinute, ...]:
        first = minute_moment(number * _MINUTES_PER_BLOCK)
        now = minute_moment(number * _MINUTES_PER_BLOCK + finished)
        bars = self._market.bars(BarQuery(symbol, first, now - _INSTANT, ONE_MINUTE, now))
        return tuple(flow_minute(self._seed, candle) for candle in bars)

    def _hour(self, symbol: str, number: int, now: datetime) -> tuple[FlowMinute, ...]:
        """Return the minutes of an hour that are finished at `now`."""
        finished = min(_MINUTES_PER_BLOCK, epoch_minute(now) - number * _MINUTES_PER_BLOCK)
        return self._block(symbol, number, finished) if finished > 0 else ()

    def session(self, now: datetime, day: date | None = None) -> Session | None:
        """Return that day's session, or the newest one that has begun."""
        if day is not None:
            return self._market.session(day)
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
        for number in range(first // _MINUTES_PER_BLOCK, last // _MINUTES_PER_BLOCK + 1):
            for minute in self._hour(symbol, number, now):
                if session.opens_at <= minute.candle.start < end:
                    yield minute

    def minute(self, symbol: str, start: datetime) -> FlowMinute | None:
        """Return the flow of the finished minute that started then, None when it did not trade."""
        number, offset = divmod(epoch_minute(start), _MINUTES_PER_BLOCK)
        for minute in self._block(symbol, number, offset + 1):
            if minute.candle.start == start:
                return minute
        return None

    def alerts(
        self, stretch: Stretch, now: datetime, keep: Callable[[FlowAlert], bool]
    ) -> list[FlowAlert]:
        """Return the newest alerts that are kept."""
        found: list[FlowAlert] = []
        for minutes in self._hours_back(stretch, now):
            alerts = [one.alert for one in minutes if one.alert is not None]
            alerts.sort(key=lambda alert: (alert.created_at, alert.id), reverse=True)
            found.extend(one for one in alerts if _is_within(stretch, one.created_at) and keep(one))
            if len(found) >= stretch.limit:
                break
        return found[: stretch.limit]

    def prints(
        self, stretch: Stretch, now: datetime, keep: Callable[[DarkPrint], bool]
    ) -> list[DarkPrint]:
        """Return the newest dark pool prints that are kept."""
        found: list[DarkPrint] = []
        for minutes in self._hours_back(stretch, now):
            prints = [one.dark for one in minutes if one.dark is not None]
            prints.sort(key=lambda one: (one.executed_at, one.tracking_id), reverse=True)
            found.extend(
                one for one in prints if _is_within(stretch, one.executed_at) and keep(one)
            )
            if len(found) >= stretch.limit:
                break
        return found[: stretch.limit]

    def _hours_back(self, stretch: Stretch, now: datetime) -> Iterator[list[FlowMinute]]:
        newest = min(now, stretch.older_than or now)
        for session in reversed(self._begun(now)[-_SESSIONS_BACK:]):
            first = epoch_minute(max(session.opens_at, stretch.newer_than or session.opens_at))
            last = epoch_minute(min(session.closes_at - _INSTANT, newest))
            for number in range(last // _MINUTES_PER_BLOCK, first // _MINUTES_PER_BLOCK - 1, -1):
                yield [
                    minute
                    for symbol in stretch.symbols
                    for minute in self._hour(symbol, number, now)
                    if session.opens_at <= minute.candle.start < session.closes_at
                ]

    def day_volume(self, print_: DarkPrint, now: datetime) -> int:
        """Return the shares that the symbol had traded that day when its print's minute ended."""
        session = self._market.session(new_york_day(print_.executed_at))
        if session is None:
            return print_.size
        return sum(
            minute.candle.volume
            for minute in self.minutes(print_.ticker, session, now)
            if minute.candle.start <= print_.executed_at
        )


def _is_within(stretch: Stretch, moment: datetime) -> bool:
    newer, older = stretch.newer_than, stretch.older_than
    return (newer is None or moment > newer) and (older is None or moment < older)
