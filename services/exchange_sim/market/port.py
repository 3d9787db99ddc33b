"""What the exchange's engine may ask of a market: sessions, bars, and what happens when.

A market keeps no position in time: every answer follows from the arguments alone, so that the
engine meets the same market again after a restart. It moves market time and asks in two ways:
- free running: `events(after, until)`, everything that happens in that stretch, in order;
  `next_event_at` says how long nothing happens, `skip_closed` jumps over nights;
- lock-step: `minute_after(minute)`, the next minute in which anything trades, with its bars.

Nothing here shows anything later than its `now`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote


class BarUnit(StrEnum):
    """Units of a bar's length, as Alpaca spells them."""

    MINUTE = "Min"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


@dataclass(frozen=True, slots=True)
class Timeframe:
    """Length of a bar: `Timeframe(5, BarUnit.MINUTE)` is 5Min. See `timeframe.py` to parse."""

    amount: int
    unit: BarUnit


ONE_MINUTE = Timeframe(1, BarUnit.MINUTE)
ONE_DAY = Timeframe(1, BarUnit.DAY)


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day. `opens_at` and `closes_at` in UTC; trading covers opens_at <= t <
    closes_at. `open_text` and `close_text` are New York HH:MM as Alpaca's calendar shows them.
    """

    day: date
    opens_at: datetime
    closes_at: datetime
    open_text: str
    close_text: str


@dataclass(frozen=True, slots=True)
class BarQuery:
    """Bars of one symbol with `start` <= bar start <= `end`, as known at market time `now`.

    The minute that is still running is never in the answer; the bar of a longer timeframe that
    is still running holds the finished minutes so far, as Alpaca's does.
    """

    symbol: str
    start: datetime
    end: datetime
    timeframe: Timeframe
    now: datetime
    limit: int | None = None
    """At most so many, the first ones of the wanted order: for paging; None is all of them."""
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class TickQuery:
    """Trades or quotes of one symbol with `start` <= at <= `end`, from before market time `now`."""

    symbol: str
    start: datetime
    end: datetime
    now: datetime
    limit: int | None = None
    """As that of a BarQuery."""
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class TradedBar:
    """A bar and what its trades tell beyond its prices."""

    candle: Candle
    trades: int
    turnover: Decimal
    """Sum of price times size, in dollars."""

    @property
    def average_price(self) -> Decimal:
        """Dollars per share, weighted by size; the close when nothing traded."""
        candle = self.candle
        return self.turnover / candle.volume if candle.volume else candle.close


@dataclass(frozen=True)
class SessionEdge:
    """Something of a trading day begins or ends."""

    at: datetime
    session: Session


class EarlyOpened(SessionEdge):
    """The pre-market begins: only orders with extended hours trade until the session."""


class SessionOpened(SessionEdge):
    """A session begins; orders queued overnight become live before the first bar's open."""


class SessionClosed(SessionEdge):
    """A session ends; day orders expire after the last bar's close."""


class LateClosed(SessionEdge):
    """The after-hours end; the day's orders with extended hours expire."""


@dataclass(frozen=True, slots=True)
class BarOpened:
    """The first trade of a minute: what a market order sent before it fills at, gaps included."""

    at: datetime
    symbol: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class QuoteTick:
    """A new best bid and ask."""

    at: datetime
    quote: Quote


@dataclass(frozen=True, slots=True)
class TradeTick:
    """A trade of somebody else, in dollars and shares."""

    at: datetime
    symbol: str
    price: Decimal
    size: int
    extended: bool = False
    """Whether it was made outside the session, in extended hours."""


@dataclass(frozen=True, slots=True)
class BarClosed:
    """A finished minute; `at` is its end. Where no TradeTick came in between (replay), only its
    high and low tell what the minute touched: the stop is taken to fill before the target.
    """

    at: datetime
    candle: Candle


MarketEvent = SessionEdge | BarOpened | QuoteTick | TradeTick | BarClosed
"""Order at the same moment: BarClosed and its closing QuoteTick, what ends, what begins,
BarOpened and its QuoteTick, TradeTick; within each by symbol."""


@dataclass(frozen=True, slots=True)
class MinuteStep:
    """One lock-step minute: what traded in [minute, end)."""

    minute: datetime
    end: datetime
    candles: tuple[Candle, ...]
    """By symbol; a symbol without a trade in this minute is absent."""
    events: tuple[MarketEvent, ...]
    """The same minute as events, in order: what begins before it, for each candle BarOpened and
    the quote around its open, for each candle BarClosed and its closing quote, what ends."""
    session: Session
    opens_session: bool
    """First minute of its session: queued orders become live before its open."""
    closes_session: bool
    """Last minute of its session that trades: `end` is then the session's close, day orders
    expire after the fills, and the clock at `end` says closed (seeded market: open again)."""
    is_last: bool
    """The replay ends with this minute."""


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A row of a bar file that was left out: for the log."""

    file: str
    line: int
    """Line number in the file, the header being 1."""
    reason: str
    row: str
    """The row's text, at most 200 characters."""


class Market(Protocol):
    """A source of prices and market time."""

    @property
    def source(self) -> str:
        """`seeded` or `replay`."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that trades here, sorted."""

    @property
    def begins_at(self) -> datetime:
        """Market time of a new account: a trading day's first moment."""

    @property
    def ends_at(self) -> datetime | None:
        """The end of a replay's last trading day; None for a market without end."""

    @property
    def identity(self) -> str:
        """Text that names these very prices (source, files, range, seed): another identity is
        another market, and gets a new simulated account.
        """

    @property
    def dropped_rows(self) -> Mapping[str, int]:
        """Rows left out of the files so far, counted by reason."""

    @property
    def dropped_samples(self) -> tuple[DroppedRow, ...]:
        """The first ten rows of each file that were left out, for the log."""

    def session(self, day: date) -> Session | None:
        """Return that New York day's session, None when it has none."""

    def sessions(self, first: date, last: date) -> tuple[Session, ...]:
        """Return the sessions of these days, both inclusive: Alpaca's calendar."""

    def clock(self, now: datetime) -> ClockReading:
        """Return what the broker's clock says at that market time."""

    def history_begins(self, symbol: str) -> datetime | None:
        """Return a moment before which nothing is known; None for an unknown symbol."""

    def bars(self, query: BarQuery) -> tuple[Candle, ...]:
        """Return finished bars, oldest first unless asked otherwise; empty for an unknown
        symbol.
        """

    def traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        """Return the same bars with the count and turnover of their trades."""

    def trades(self, query: TickQuery) -> tuple[TradeTick, ...]:
        """Return trades in order of time, those of a finished minute adding up to its bar."""

    def quotes(self, query: TickQuery) -> tuple[Quote, ...]:
        """Return the best bids and asks in order of time, as `events` brings them."""

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Return the newest quote from before that time, None when there was none yet.

        At a minute's edge that is the closing quote of the minute that ends, never the opening
        of the one that begins: whoever may act between two minutes must not see the next one.
        """

    def last_trade(self, symbol: str, now: datetime) -> TradeTick | None:
        """Return the newest trade from before that time (see `quote`), None when there was none."""

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the close of the last session that ended at or before that time."""

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        """Return what happens in after < at <= until, in order."""

    def first_events(self) -> tuple[MarketEvent, ...]:
        """Return what happens at `begins_at` itself (which `events(begins_at, ...)` excludes)."""

    def next_event_at(self, after: datetime) -> datetime | None:
        """Return when something next happens later than that; None at the end of a replay."""

    def skip_closed(self, now: datetime) -> datetime:
        """Return `now` while a day with bars runs (extended hours too where they have some) or
        the replay has ended, else the beginning of the next day.
        """

    def has_ended(self, now: datetime) -> bool:
        """Whether nothing will ever happen after that time."""

    def minute_after(self, minute: datetime | None) -> MinuteStep | None:
        """Return the next minute that trades after the one that starts at `minute` (None: the
        very first); None when the replay has ended.
        """
