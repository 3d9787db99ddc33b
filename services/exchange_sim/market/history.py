"""What all markets share in answering for their past: pages from either end, ticks of minutes.

Nothing here reads more than the page that is asked for, so that the first page of ten years costs
what the first page of a day does. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeVar

from services.exchange_sim.market.port import (
    ONE_MINUTE,
    BarQuery,
    BarUnit,
    TickQuery,
    Timeframe,
    TradedBar,
    TradeTick,
)
from services.exchange_sim.market.prints import TICK_SECONDS, trade_count, turnover
from services.exchange_sim.market.timeframe import merge_traded
from shared.models.market import Candle, Quote

_MINUTES = {
    BarUnit.MINUTE: 1,
    BarUnit.HOUR: 60,
    BarUnit.DAY: 1440,
    BarUnit.WEEK: 7 * 1440,
    BarUnit.MONTH: 31 * 1440,
}
_INSTANT = timedelta(microseconds=1)
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_LOOK_BACK_MIN = timedelta(minutes=10)

Item = TypeVar("Item")
Tick = TypeVar("Tick", TradeTick, Quote)
Query = TypeVar("Query", BarQuery, TickQuery)


def traded(candle: Candle) -> TradedBar:
    """Return a minute with the count and turnover of its trades."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    return TradedBar(candle, trade_count(candle.volume), turnover(prices, candle.volume))


def bar_page(bars: Iterable[TradedBar], query: BarQuery) -> tuple[TradedBar, ...]:
    """Return the bars asked for of shorter ones, which must come oldest first."""
    merged = bars if query.timeframe == ONE_MINUTE else merge_traded(bars, query.timeframe)
    wanted: list[TradedBar] = []
    for bar in merged:
        if bar.candle.start > query.end or len(wanted) == query.limit:
            break
        if bar.candle.start >= query.start:
            wanted.append(bar)
    return tuple(wanted)


def tick_page(minutes: Iterable[Sequence[Tick]], query: TickQuery) -> tuple[Tick, ...]:
    """Return the ticks asked for of those of whole minutes, which must come oldest first."""
    return tuple(islice(_wanted_ticks(minutes, query), query.limit))


def _wanted_ticks(minutes: Iterable[Sequence[Tick]], query: TickQuery) -> Iterator[Tick]:
    for ticks in minutes:
        for tick in ticks:
            if tick.at > query.end or tick.at >= query.now:
                return
            if tick.at >= query.start:
                yield tick


def from_either_end(
    query: Query, read: Callable[[Query], tuple[Item, ...]], first_look: timedelta
) -> tuple[Item, ...]:
    """Return what `read` gives oldest first, in the order that the query wants.

    For the newest ones the past is read in stretches, each twice as long as the one before it,
    the first one `first_look` long: the cost follows what is found, not how old the market is.
    """
    if not query.newest_first:
        return read(query)
    found: list[Item] = []
    end = min(query.end, query.now)
    start, look = max(query.start, _EARLIEST), max(first_look, _LOOK_BACK_MIN)
    while end >= start and (query.limit is None or len(found) < query.limit):
        reaches_all = query.limit is None or end - start <= look
        first = start if reaches_all else end - look
        found.extend(reversed(read(replace(query, start=first, end=end, limit=None))))
        end, look = first - _INSTANT, 2 * look
    return tuple(found[: query.limit])


def bars_look(query: BarQuery) -> timedelta:
    """Return how far back so many bars reach when each minute trades, the cut ones at both ends
    added.
    """
    return timedelta(minutes=((query.limit or 1) + 2) * minutes_of(query.timeframe))


def ticks_look(query: TickQuery) -> timedelta:
    """Return how far back so many ticks reach when each minute trades."""
    return timedelta(minutes=1, seconds=(query.limit or 1) * TICK_SECONDS)


def minutes_of(timeframe: Timeframe) -> int:
    """Return the most minutes that a bar of that length covers."""
    return timeframe.amount * _MINUTES[timeframe.unit]
