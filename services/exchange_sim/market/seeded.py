"""The seeded market: made-up prices from a seed, open day and night, its past already there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial

from services.exchange_sim.market.bar_file import epoch_minute, minute_moment
from services.exchange_sim.market.calendar import (
    EndlessCalendar,
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
from services.exchange_sim.market.prints import TICKS_PER_MINUTE
from services.exchange_sim.market.seeded_path import (
    DEFAULT_SYMBOLS,
    SeededPath,
    dollars,
)
from services.exchange_sim.market.seeded_ticks import (
    TICK,
    candle_of_minute,
    day_bar,
    minute_trades,
    tick_at,
    trade_of,
)
from services.exchange_sim.market.series import DAYS_REMEMBERED, day_stamp
from services.exchange_sim.market.spread import quote_around
from services.exchange_sim.market.timeframe import bounded, bucket_start, is_intraday
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote

SEEDED_BEGINS_AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
"""A Monday, 09:30 in New York: fixed, so that a seed alone decides a run."""
HISTORY_DAYS = 60
_ONE_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)
_YEAR_AND_A_DAY = timedelta(days=366)


class SeededMarket:
    """Prices by position (see noise.py): any moment can be asked for, in any order."""

    source = "seeded"

    def __init__(self, seed: int, symbols: Sequence[str], spread_bps: Decimal) -> None:
        self.symbols: tuple[str, ...] = tuple(sorted(set(symbols))) or DEFAULT_SYMBOLS
        self.begins_at = SEEDED_BEGINS_AT
        self.ends_at: datetime | None = None
        self.identity = f"seeded seed {seed}"
        self.dropped_rows: Mapping[str, int] = {}
        self.dropped_samples: tuple[DroppedRow, ...] = ()
        self._paths = {symbol: SeededPath(seed, symbol) for symbol in self.symbols}
        self._spread_bps = spread_bps
        self._calendar = EndlessCalendar()
        self._finished_day = lru_cache(maxsize=DAYS_REMEMBERED)(self._make_day)
        self.reach_back(HISTORY_DAYS)

    def reach_back(self, days: int) -> None:
        """Let history begin so many days before the market's beginning: nothing is stored."""
        self._first_day = new_york_day(self.begins_at - timedelta(days=days))
        self._first_minute = epoch_minute(day_stamp(self._first_day))

    def session(self, day: date) -> Session | None:
        """Return that New York day's session: midnight to midnight."""
        return self._calendar.session(day)

    def sessions(self, first: date, last: date) -> tuple[Session, ...]:
        """Return the sessions of these days, both inclusive."""
        return tuple(sessions_between(self._calendar, first, last))

    def clock(self, now: datetime) -> ClockReading:
        """Return what the broker's clock says: always open, a new day at midnight."""
        return clock_reading(self._calendar, now)

    def history_begins(self, symbol: str) -> datetime | None:
        """Return the first minute of the past; None for a symbol that does not trade here."""
        return minute_moment(self._first_minute) if symbol in self._paths else None

    def bars(self, query: BarQuery) -> tuple[Candle, ...]:
        """Return finished bars, oldest first, from `HISTORY_DAYS` before the start on."""
        return tuple(bar.candle for bar in self.traded_bars(query))

    def traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        """Return the same bars with the count and turnover of their trades."""
        return from_either_end(bounded(query), self._traded_bars, bars_look(query))

    def _traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        path = self._paths.get(query.symbol)
        if path is None:
            return ()
        first = bucket_start(query.start, query.timeframe)
        if is_intraday(query.timeframe):
            end = min(query.end + timedelta(days=1), query.now)
            bars = self._minutes(path, epoch_minute(first), epoch_minute(end))
        else:
            bars = self._daily(path, new_york_day(first), query)
        return bar_page(bars, query)

    def _minutes(self, path: SeededPath, first: int, end: int) -> Iterator[TradedBar]:
        for minute in range(max(first, self._first_minute), end):
            yield traded(candle_of_minute(path, minute))

    def trades(self, query: TickQuery) -> tuple[TradeTick, ...]:
        """Return the trades of each tick, from `HISTORY_DAYS` before the start on."""
        return from_either_end(query, partial(self._ticks, minute_trades), ticks_look(query))

    def quotes(self, query: TickQuery) -> tuple[Quote, ...]:
        """Return the quotes around each tick and around each minute's close, likewise."""
        return from_either_end(query, partial(self._ticks, self._minute_quotes), ticks_look(query))

    def _ticks(
        self, read: Callable[[SeededPath, int], list[Tick]], query: TickQuery
    ) -> tuple[Tick, ...]:
        path = self._paths.get(query.symbol)
        if path is None:
            return ()
        # A minute's closing quote stands at its end, which begins the next one.
        first = max(epoch_minute(query.start) - 1, self._first_minute)
        end = epoch_minute(min(query.end, query.now)) + 1
        return tick_page((read(path, minute) for minute in range(first, end)), query)

    def _minute_quotes(self, path: SeededPath, minute: int) -> list[Quote]:
        closing = self._closing_quote(path.symbol, minute, dollars(path.minute(minute).close))
        ticks = range(TICKS_PER_MINUTE)
        return [*(self._quote_of(path, minute, tick) for tick in ticks), closing]

    def _closing_quote(self, symbol: str, minute: int, close: Decimal) -> Quote:
        return quote_around(symbol, minute_moment(minute + 1), close, self._spread_bps)

    def _daily(self, path: SeededPath, first: date, query: BarQuery) -> Iterator[TradedBar]:
        last = min(new_york_day(query.now), new_york_day(query.end + _YEAR_AND_A_DAY))
        for session in sessions_between(self._calendar, max(first, self._first_day), last):
            if session.closes_at <= query.now:
                yield self._finished_day(path, session)
            elif session.opens_at + _ONE_MINUTE <= query.now:
                yield day_bar(path, session, query.now)

    @staticmethod
    def _make_day(path: SeededPath, session: Session) -> TradedBar:
        return day_bar(path, session, session.closes_at)

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Return the newest quote at that time, None for a symbol that does not trade here."""
        path = self._paths.get(symbol)
        if path is None:
            return None
        minute, tick = tick_at(now)
        return self._quote_of(path, minute, tick)

    def _quote_of(self, path: SeededPath, minute: int, tick: int) -> Quote:
        at = minute_moment(minute) + tick * TICK
        price = dollars(path.tick(minute, tick))
        lots = path.quote_lots(minute, tick)
        return quote_around(path.symbol, at, price, self._spread_bps, lots)

    def last_trade(self, symbol: str, now: datetime) -> TradeTick | None:
        """Return the newest trade at that time, None for a symbol that does not trade here."""
        path = self._paths.get(symbol)
        return None if path is None else trade_of(path, *tick_at(now))

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the price at the last New York midnight."""
        path = self._paths.get(symbol)
        if path is None:
            return None
        session = last_ended_session(self._calendar, now)
        return dollars(path.minute(epoch_minute(session.closes_at) - 1).close)

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        """Return what happens in after < at <= until, in order."""
        minutes = range(epoch_minute(after) - 1, epoch_minute(until) + 1)
        return tuple(
            event
            for minute in minutes
            for event in self._minute_events(minute, after, until)
            if after < event.at <= until
        )

    def _minute_events(
        self, minute: int, after: datetime, until: datetime
    ) -> Iterator[MarketEvent]:
        """Yield the minute's events, leaving out ticks that lie outside the stretch anyway."""
        start = minute_moment(minute)
        session = self._calendar.session(new_york_day(start))
        if start == session.opens_at:
            yield SessionOpened(start, session)
        for tick in range(TICKS_PER_MINUTE):
            at = start + tick * TICK
            if not after < at <= until:
                continue
            for path in self._paths.values():
                if tick == 0:
                    yield BarOpened(at, path.symbol, dollars(path.tick(minute, 0)))
                else:
                    yield trade_of(path, minute, tick)
                yield QuoteTick(at, self._quote_of(path, minute, tick))
        end = start + _ONE_MINUTE
        if after < end <= until:
            yield from self._closing_events(minute, end)
        if end == session.closes_at:
            yield SessionClosed(end, session)

    def _closing_events(self, minute: int, end: datetime) -> Iterator[MarketEvent]:
        for path in self._paths.values():
            candle = candle_of_minute(path, minute)
            yield BarClosed(end, candle)
            yield QuoteTick(end, self._closing_quote(path.symbol, minute, candle.close))

    def first_events(self) -> tuple[MarketEvent, ...]:
        """Return what happens at `begins_at` itself: trading begins, though it never stopped."""
        session = self._calendar.session(new_york_day(self.begins_at))
        first = epoch_minute(self.begins_at)
        ticks = self._minute_events(first, self.begins_at - _INSTANT, self.begins_at)
        return (SessionOpened(self.begins_at, session), *ticks)

    def next_event_at(self, after: datetime) -> datetime | None:
        """Return when the next tick comes."""
        minute, tick = tick_at(after)
        return minute_moment(minute) + (tick + 1) * TICK

    def skip_closed(self, now: datetime) -> datetime:
        """Return `now`: there is nothing to skip."""
        return now

    def has_ended(self, now: datetime) -> bool:  # noqa: ARG002 - the port's signature
        """Never."""
        return False

    def minute_after(self, minute: datetime | None) -> MinuteStep | None:
        """Return the next minute; the first one begins at `begins_at`."""
        number = epoch_minute(self.begins_at if minute is None else minute + _ONE_MINUTE)
        start = minute_moment(number)
        end = start + _ONE_MINUTE
        session = self._calendar.session(new_york_day(start))
        opens_session = start in (session.opens_at, self.begins_at)
        events = list(self._whole_minute(number, start))
        if opens_session:
            events.insert(0, SessionOpened(start, session))
        if end == session.closes_at:
            events.append(SessionClosed(end, session))
        return MinuteStep(
            minute=start,
            end=end,
            candles=tuple(event.candle for event in events if isinstance(event, BarClosed)),
            events=tuple(events),
            session=session,
            opens_session=opens_session,
            closes_session=end == session.closes_at,
            is_last=False,
        )

    def _whole_minute(self, minute: int, start: datetime) -> Iterator[MarketEvent]:
        for path in self._paths.values():
            yield BarOpened(start, path.symbol, dollars(path.tick(minute, 0)))
            yield QuoteTick(start, self._quote_of(path, minute, 0))
        yield from self._closing_events(minute, start + _ONE_MINUTE)
