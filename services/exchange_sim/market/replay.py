"""The market of recorded bars: the files' minutes inside the exchange's real hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.calendar import (
    NyseCalendar,
    clock_reading,
    last_ended_session,
    new_york_day,
    sessions_between,
)
from services.exchange_sim.market.history import (
    Tick,
    bar_page,
    bars_look,
    from_either_end,
    tick_page,
    ticks_look,
    traded,
)
from services.exchange_sim.market.played import PlayedSeries
from services.exchange_sim.market.port import (
    ONE_MINUTE,
    BarClosed,
    BarOpened,
    BarQuery,
    DroppedRow,
    MarketEvent,
    MinuteStep,
    QuoteTick,
    Session,
    SessionClosed,
    SessionOpened,
    TickQuery,
    TradedBar,
    TradeTick,
)
from services.exchange_sim.market.replay_days import Day, Days
from services.exchange_sim.market.replay_quotes import ReplayQuotes
from services.exchange_sim.market.replay_ticks import newest_trade, recorded_trades
from services.exchange_sim.market.series import day_stamp
from services.exchange_sim.market.timeframe import bounded, bucket_start, is_intraday
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote

_ONE_MINUTE = timedelta(minutes=1)
_ONE_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_FAR = 2**40
"""Minutes; further than any date."""
_CLOSE_AGE_DAYS_MAX = 10
"""An older close says nothing about today's price."""


class ReplayMarket:
    """Plays the window of the series. `series` must hold at least one bar."""

    source = "replay"

    def __init__(self, series: Sequence[PlayedSeries], spread_bps: Decimal, identity: str) -> None:
        self._series = {one.symbol: one for one in series}
        self._quotes = ReplayQuotes(self._series, spread_bps)
        self._calendar = NyseCalendar()
        self._days = Days(self, self._calendar)
        self.identity = identity
        self.symbols = tuple(sorted(self._series))
        newest = self.newest_minute(_FAR)
        first = self._days.after(-_FAR)
        if first is None or newest is None:
            raise ValueError("a replay needs at least one bar")
        self.begins_at = first.begins_at
        self.ends_at = self._days.of(newest).ends_at

    def next_minute(self, minute: int) -> int | None:
        """Return the first minute later than that epoch minute in which anything trades."""
        found = (one.next_minute(minute) for one in self._series.values())
        return min((one for one in found if one is not None), default=None)

    def newest_minute(self, minute: int) -> int | None:
        """Return the last minute in which anything trades that is no later."""
        found = (one.newest(minute) for one in self._series.values())
        return max((epoch_minute(one.start) for one in found if one), default=None)

    @property
    def dropped_rows(self) -> Mapping[str, int]:
        """Rows left out of the files so far, counted by reason."""
        return sum((one.dropped for one in self._series.values()), Counter[str]())

    @property
    def dropped_samples(self) -> tuple[DroppedRow, ...]:
        """The first ten rows of each file that were left out."""
        return tuple(row for one in self._series.values() for row in one.samples)

    def session(self, day: date) -> Session | None:
        """Return that New York day's session, None when it has none."""
        return self._calendar.session(day)

    def sessions(self, first: date, last: date) -> tuple[Session, ...]:
        """Return the sessions of these days, both inclusive."""
        return tuple(sessions_between(self._calendar, first, last))

    def clock(self, now: datetime) -> ClockReading:
        """Return what the broker's clock says at that market time."""
        return clock_reading(self._calendar, now)

    def history_begins(self, symbol: str) -> datetime | None:
        """Return the midnight of the oldest bar in any file of the symbol."""
        series = self._series.get(symbol)
        known = series.first_known_day if series else None
        return day_stamp(known) if known else None

    def bars(self, query: BarQuery) -> tuple[Candle, ...]:
        """Return finished bars, oldest first; empty for an unknown symbol."""
        return tuple(bar.candle for bar in self.traded_bars(query))

    def traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        """Return the same bars with the count and turnover of their trades."""
        if not query.newest_first:
            return self._traded_bars(bounded(query))
        return from_either_end(bounded(query), self._traded_bars, bars_look(query))

    def _traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        series = self._series.get(query.symbol)
        if series is None:
            return ()
        if query.timeframe == ONE_MINUTE and query.start == query.end:
            # What a replay asks every minute: one bar, mostly of the window.
            candle = series.at(epoch_minute(query.start))
            if candle is not None and query.limit != 0:
                is_told = candle.start == query.start and candle.start + _ONE_MINUTE <= query.now
                return (traded(candle),) if is_told else ()
        first = bucket_start(query.start, query.timeframe)
        if is_intraday(query.timeframe):
            # The last wanted bar may reach a day past `end`; `now` bounds it in any case.
            end = min(query.end + _ONE_DAY, query.now)
            candles = series.between(epoch_minute(first), epoch_minute(end))
            return bar_page((traded(candle) for candle in candles), query)
        return bar_page(self._daily(series, first, query), query)

    def _daily(self, series: PlayedSeries, first: datetime, query: BarQuery) -> Iterator[TradedBar]:
        known = series.first_known_day
        if known is None:
            return
        # A month that starts before `end` reaches at most a year past it (12Month).
        last = min(new_york_day(query.now), new_york_day(query.end + 366 * _ONE_DAY))
        for session in sessions_between(self._calendar, max(known, new_york_day(first)), last):
            if session.closes_at <= query.now:
                bar = series.finished_day(session)
            else:
                bar = series.day_so_far(session, query.now)
            if bar is not None:
                yield bar

    def trades(self, query: TickQuery) -> tuple[TradeTick, ...]:
        """Return the trades that each recorded minute is taken to be made of."""
        return self._ticks(self._minute_trades, query)

    def quotes(self, query: TickQuery) -> tuple[Quote, ...]:
        """Return the quotes around each minute's open and at its close."""
        return self._ticks(self._quotes.of_minute, query)

    def _ticks(self, of: Callable[[Candle], list[Tick]], query: TickQuery) -> tuple[Tick, ...]:
        series = self._series.get(query.symbol)
        if series is None:
            return ()

        def read(part: TickQuery) -> tuple[Tick, ...]:
            # A minute's closing quote stands at its end, which begins the next one.
            first = epoch_minute(part.start) - 1
            candles = series.between(first, epoch_minute(min(part.end, part.now)) + 1)
            return tick_page(map(of, candles), part)

        return from_either_end(query, read, ticks_look(query))

    def _minute_trades(self, candle: Candle) -> list[TradeTick]:
        extended = self._series[candle.symbol].is_extended(epoch_minute(candle.start))
        return recorded_trades(candle, extended=extended)

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Return the newest quote from before that time, None before the window's first bar."""
        series = self._series.get(symbol)
        candle = series.newest(epoch_minute(now - _INSTANT)) if series else None
        if candle is None:
            return None
        if candle.start + _ONE_MINUTE <= now:
            return self._quotes.closing(candle)
        return self._quotes.opening(candle)

    def last_trade(self, symbol: str, now: datetime) -> TradeTick | None:
        """Return the newest trade from before that time, None before the window's first bar."""
        series = self._series.get(symbol)
        candle = series.newest(epoch_minute(now - _INSTANT)) if series else None
        return None if candle is None else newest_trade(candle, self._minute_trades(candle), now)

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the close of the last ended session, or of one shortly before it."""
        series = self._series.get(symbol)
        if series is None:
            return None
        last = last_ended_session(self._calendar, now).day
        for days_back in range(_CLOSE_AGE_DAYS_MAX):
            session = self.session(last - days_back * _ONE_DAY)
            bar = series.finished_day(session) if session else None
            if bar is not None:
                return bar.candle.close
        return None

    def _day_events(self, day: Day, after: datetime, until: datetime) -> Iterator[MarketEvent]:
        """Yield the day's events of the minutes that touch the stretch, all its edges included."""
        first = max(day.first, epoch_minute(after) - 1)
        end = min(day.last, epoch_minute(until)) + 1
        for edge in day.edges():
            edge_minute = epoch_minute(edge.at)
            yield from self._minutes_events(first, min(end, edge_minute))
            first = max(first, edge_minute)
            yield edge
        yield from self._minutes_events(first, end)

    def _minutes_events(self, first: int, end: int) -> Iterator[MarketEvent]:
        minute = self.next_minute(first - 1)
        while minute is not None and minute < end:
            yield from self._minute_events(minute)
            minute = self.next_minute(minute)

    def _minute_events(self, minute: int) -> Iterator[MarketEvent]:
        candles = self._candles(minute)
        start = minute_moment(minute)
        for candle in candles:
            yield BarOpened(start, candle.symbol, candle.open)
            yield QuoteTick(start, self._quotes.opening(candle))
        for candle in candles:
            yield BarClosed(start + _ONE_MINUTE, candle)
            yield QuoteTick(start + _ONE_MINUTE, self._quotes.closing(candle))

    def _candles(self, minute: int) -> list[Candle]:
        found = (self._series[symbol].at(minute) for symbol in self.symbols)
        return [candle for candle in found if candle is not None]

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        """Return what happens in after < at <= until, in order."""
        found: list[MarketEvent] = []
        for day in self._days.since(after):
            if day.begins_at > until:
                break
            events = self._day_events(day, after, until)
            found.extend(event for event in events if after < event.at <= until)
        return tuple(found)

    def first_events(self) -> tuple[MarketEvent, ...]:
        """Return what happens at `begins_at` itself."""
        return self.events(self.begins_at - _INSTANT, self.begins_at)

    def next_event_at(self, after: datetime) -> datetime | None:
        """Return when something next happens later than that; None at the end."""
        day = next(self._days.since(after), None)
        if day is None:
            return None
        moments = [edge.at for edge in day.edges()]
        running = epoch_minute(after)
        upcoming = self.next_minute(running - 1)
        if upcoming is not None and upcoming <= day.last:
            moments.append(minute_moment(upcoming + 1 if upcoming == running else upcoming))
        return min(moment for moment in moments if moment > after)

    def skip_closed(self, now: datetime) -> datetime:
        """Return `now` while a trading day runs, else the beginning of the next one."""
        day = next(self._days.since(now), None)
        return max(now, day.begins_at) if day else now

    def has_ended(self, now: datetime) -> bool:
        """Whether nothing will ever happen after that time."""
        return now >= self.ends_at

    def minute_after(self, minute: datetime | None) -> MinuteStep | None:
        """Return the next minute that trades; None when the replay has ended."""
        number = self.next_minute(-_FAR if minute is None else epoch_minute(minute))
        if number is None:
            return None
        day = self._days.of(number)
        before = None if number == day.first else self.newest_minute(number - 1)
        after = None if number == day.last else self.next_minute(number)
        begun, ended = day.edges_around(number, before, after)
        return MinuteStep(
            minute=minute_moment(number),
            end=ended[-1].at if ended else minute_moment(number + 1),
            candles=tuple(self._candles(number)),
            events=(*begun, *self._minute_events(number), *ended),
            session=day.session,
            opens_session=any(isinstance(edge, SessionOpened) for edge in begun),
            closes_session=any(isinstance(edge, SessionClosed) for edge in ended),
            is_last=self.next_minute(number) is None,
        )
