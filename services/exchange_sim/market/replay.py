"""The market of recorded bars: the files' minutes inside the exchange's real sessions. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
from services.exchange_sim.market.port import (
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
from services.exchange_sim.market.replay_days import Day, days_of
from services.exchange_sim.market.replay_ticks import newest_trade, recorded_trades
from services.exchange_sim.market.series import Series, day_stamp
from services.exchange_sim.market.spread import quote_around
from services.exchange_sim.market.timeframe import bounded, bucket_start, is_intraday
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote

_ONE_MINUTE = timedelta(minutes=1)
_ONE_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_CLOSE_AGE_DAYS_MAX = 10
"""An older close says nothing about today's price."""


class ReplayMarket:
    """Plays the window of the series. `series` must hold at least one bar."""

    source = "replay"

    def __init__(self, series: Sequence[Series], spread_bps: Decimal, identity: str) -> None:
        self._series = {one.symbol: one for one in series}
        self._spread_bps = spread_bps
        self._calendar = NyseCalendar()
        self._minutes = sorted({minute for one in series for minute in one.minutes})
        self._days = days_of(self._minutes, self._calendar)
        self._closes = [day.session.closes_at for day in self._days]
        self._ends = [day.end for day in self._days]
        self.identity = identity
        self.symbols = tuple(sorted(self._series))
        self.begins_at = self._days[0].session.opens_at
        self.ends_at = self._days[-1].session.closes_at

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
        return from_either_end(bounded(query), self._traded_bars, bars_look(query))

    def _traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        series = self._series.get(query.symbol)
        if series is None:
            return ()
        first = bucket_start(query.start, query.timeframe)
        if is_intraday(query.timeframe):
            # The last wanted bar may reach a day past `end`; `now` bounds it in any case.
            end = min(query.end + _ONE_DAY, query.now)
            candles = series.between(epoch_minute(first), epoch_minute(end))
            return bar_page((traded(candle) for candle in candles), query)
        return bar_page(self._daily(series, first, query), query)

    def _daily(self, series: Series, first: datetime, query: BarQuery) -> Iterator[TradedBar]:
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
        return self._ticks(recorded_trades, query)

    def quotes(self, query: TickQuery) -> tuple[Quote, ...]:
        """Return the quotes around each minute's open and at its close."""
        return self._ticks(self._minute_quotes, query)

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

    def _minute_quotes(self, candle: Candle) -> list[Quote]:
        return [self._opening_quote(candle), self._closing_quote(candle)]

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Return the newest quote from before that time, None before the window's first bar."""
        series = self._series.get(symbol)
        candle = series.newest(epoch_minute(now - _INSTANT)) if series else None
        if candle is None:
            return None
        if candle.start + _ONE_MINUTE <= now:
            return self._closing_quote(candle)
        return self._opening_quote(candle)

    def last_trade(self, symbol: str, now: datetime) -> TradeTick | None:
        """Return the newest trade from before that time, None before the window's first bar."""
        series = self._series.get(symbol)
        candle = series.newest(epoch_minute(now - _INSTANT)) if series else None
        return None if candle is None else newest_trade(candle, now)

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

    def _opening_quote(self, candle: Candle) -> Quote:
        return quote_around(candle.symbol, candle.start, candle.open, self._spread_bps)

    def _closing_quote(self, candle: Candle) -> Quote:
        at = candle.start + _ONE_MINUTE
        sides = self._series[candle.symbol].quote_sides(epoch_minute(candle.start))
        if sides is None:
            return quote_around(candle.symbol, at, candle.close, self._spread_bps)
        bid, bid_size, ask, ask_size = sides
        return Quote(candle.symbol, at, bid, ask, bid_size, ask_size)

    def _day_events(self, day: Day, after: datetime, until: datetime) -> Iterator[MarketEvent]:
        """Yield the day's events of the minutes that touch the stretch, session edges included."""
        yield SessionOpened(day.session.opens_at, day.session)
        low = bisect_left(self._minutes, epoch_minute(after) - 1, day.first, day.end)
        high = bisect_right(self._minutes, epoch_minute(until), day.first, day.end)
        for minute in self._minutes[low:high]:
            yield from self._minute_events(minute)
        yield SessionClosed(day.session.closes_at, day.session)

    def _minute_events(self, minute: int) -> Iterator[MarketEvent]:
        candles = self._candles(minute)
        start = minute_moment(minute)
        for candle in candles:
            yield BarOpened(start, candle.symbol, candle.open)
            yield QuoteTick(start, self._opening_quote(candle))
        for candle in candles:
            yield BarClosed(start + _ONE_MINUTE, candle)
            yield QuoteTick(start + _ONE_MINUTE, self._closing_quote(candle))

    def _candles(self, minute: int) -> list[Candle]:
        found = (self._series[symbol].at(minute) for symbol in self.symbols)
        return [candle for candle in found if candle is not None]

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        """Return what happens in after < at <= until, in order."""
        return tuple(
            event
            for day in self._days_from(after)
            if day.session.opens_at <= until
            for event in self._day_events(day, after, until)
            if after < event.at <= until
        )

    def first_events(self) -> tuple[MarketEvent, ...]:
        """Return what happens at `begins_at` itself."""
        return self.events(self.begins_at - _INSTANT, self.begins_at)

    def _days_from(self, moment: datetime) -> list[Day]:
        """Return the days that close later than that moment."""
        return self._days[bisect_right(self._closes, moment) :]

    def next_event_at(self, after: datetime) -> datetime | None:
        """Return when something next happens later than that; None at the end."""
        upcoming = self._days_from(after)
        if not upcoming:
            return None
        day = upcoming[0]
        if after < day.session.opens_at:
            return day.session.opens_at
        minute = epoch_minute(after)
        index = bisect_left(self._minutes, minute, day.first, day.end)
        if index == day.end:
            return day.session.closes_at
        is_running = self._minutes[index] == minute
        return minute_moment(minute + 1 if is_running else self._minutes[index])

    def skip_closed(self, now: datetime) -> datetime:
        """Return `now` while a session with bars runs, else the opening of the next one."""
        upcoming = self._days_from(now)
        return max(now, upcoming[0].session.opens_at) if upcoming else now

    def has_ended(self, now: datetime) -> bool:
        """Whether nothing will ever happen after that time."""
        return now >= self.ends_at

    def minute_after(self, minute: datetime | None) -> MinuteStep | None:
        """Return the next minute that trades; None when the replay has ended."""
        index = 0 if minute is None else bisect_right(self._minutes, epoch_minute(minute))
        if index >= len(self._minutes):
            return None
        number = self._minutes[index]
        day = self._days[bisect_right(self._ends, index)]
        opens_session, closes_session = index == day.first, index == day.end - 1
        start, session = minute_moment(number), day.session
        events = list(self._minute_events(number))
        if opens_session:
            events.insert(0, SessionOpened(session.opens_at, session))
        if closes_session:
            events.append(SessionClosed(session.closes_at, session))
        return MinuteStep(
            minute=start,
            end=session.closes_at if closes_session else start + _ONE_MINUTE,
            candles=tuple(self._candles(number)),
            events=tuple(events),
            session=session,
            opens_session=opens_session,
            closes_session=closes_session,
            is_last=index == len(self._minutes) - 1,
        )
