"""Bar lengths: reading Alpaca's words for them, and making longer bars of shorter ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby

from services.exchange_sim.market.calendar import NEW_YORK, new_york_day
from services.exchange_sim.market.port import BarQuery, BarUnit, Timeframe, TradedBar
from shared.models.market import Candle

_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_PATTERN = re.compile(r"^(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)$")
_UNITS = {
    "Min": BarUnit.MINUTE,
    "T": BarUnit.MINUTE,
    "Hour": BarUnit.HOUR,
    "H": BarUnit.HOUR,
    "Day": BarUnit.DAY,
    "D": BarUnit.DAY,
    "Week": BarUnit.WEEK,
    "W": BarUnit.WEEK,
    "Month": BarUnit.MONTH,
    "M": BarUnit.MONTH,
}
_AMOUNTS: dict[BarUnit, frozenset[int]] = {
    BarUnit.MINUTE: frozenset(range(1, 60)),
    BarUnit.HOUR: frozenset(range(1, 24)),
    BarUnit.DAY: frozenset({1}),
    BarUnit.WEEK: frozenset({1}),
    BarUnit.MONTH: frozenset({1, 2, 3, 4, 6, 12}),
}


def parse_timeframe(text: str) -> Timeframe:
    """Return the timeframe that Alpaca's word stands for: 1Min, 15Min, 1Hour, 1Day, 1W, 3M.

    Raises ValueError for anything else; Alpaca answers 400 then.
    """
    match = _PATTERN.match(text)
    if match is None:
        raise ValueError(f"invalid timeframe {text!r}")
    unit = _UNITS[match[2]]
    amount = int(match[1])
    if amount not in _AMOUNTS[unit]:
        raise ValueError(f"invalid timeframe {text!r}: {amount} {unit.value} is not offered")
    return Timeframe(amount, unit)


def is_intraday(timeframe: Timeframe) -> bool:
    """Whether bars of this length lie within one day."""
    return timeframe.unit in (BarUnit.MINUTE, BarUnit.HOUR)


def bucket_start(moment: datetime, timeframe: Timeframe) -> datetime:
    """Return the start of the bar that the moment falls into, UTC.

    Minutes and hours count from New York midnight, days are New York days, weeks begin on
    Monday; long bars are stamped New York midnight, as Alpaca's are.
    """
    if is_intraday(timeframe):
        midnight = _new_york_midnight(moment)
        length_s = timeframe.amount * (60 if timeframe.unit is BarUnit.MINUTE else 3600)
        passed_s = int((moment - midnight).total_seconds())
        return midnight + timedelta(seconds=passed_s - passed_s % length_s)
    day = new_york_day(moment)
    if timeframe.unit is BarUnit.WEEK:
        day -= timedelta(days=day.weekday())
    elif timeframe.unit is BarUnit.MONTH:
        month = day.month - 1
        day = day.replace(month=month - month % timeframe.amount + 1, day=1)
    return datetime.combine(day, time(0), NEW_YORK).astimezone(UTC)


def _new_york_midnight(moment: datetime) -> datetime:
    return datetime.combine(new_york_day(moment), time(0), NEW_YORK).astimezone(UTC)


def bounded(query: BarQuery) -> BarQuery:
    """Return the query with its range cut to 1970..now, where dates can be computed with."""
    if query.start >= _EARLIEST and query.end <= query.now:
        return query
    return replace(query, start=max(query.start, _EARLIEST), end=min(query.end, query.now))


def merge(candles: Iterable[Candle], timeframe: Timeframe) -> Iterator[Candle]:
    """Return bars of that length made of shorter ones, which must come oldest first."""
    for start, group in groupby(candles, key=lambda candle: bucket_start(candle.start, timeframe)):
        yield merge_one(start, tuple(group))


def merge_traded(bars: Iterable[TradedBar], timeframe: Timeframe) -> Iterator[TradedBar]:
    """Return bars of that length made of shorter ones, which must come oldest first."""
    groups = groupby(bars, key=lambda bar: bucket_start(bar.candle.start, timeframe))
    for start, group in groups:
        parts = tuple(group)
        yield TradedBar(
            merge_one(start, tuple(part.candle for part in parts)),
            sum(part.trades for part in parts),
            sum((part.turnover for part in parts), Decimal(0)),
        )


def merge_one(start: datetime, candles: tuple[Candle, ...]) -> Candle:
    """Return one bar made of all of these, which must not be empty, stamped `start`."""
    return Candle(
        symbol=candles[0].symbol,
        start=start,
        open=candles[0].open,
        high=max(candle.high for candle in candles),
        low=min(candle.low for candle in candles),
        close=candles[-1].close,
        volume=sum(candle.volume for candle in candles),
    )
