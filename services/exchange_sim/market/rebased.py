"""A market seen through splits: what was traded before one is shown in the new shares' price.

The splits of a replay's files have happened in its prices already: only what is older than the
split is converted. Of a split that was declared at the exchange the market knows nothing: all
prices from then on are converted. Bars stay raw, as Alpaca's are unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.market.history import bar_page, bars_look, from_either_end, minutes_of
from services.exchange_sim.market.new_shares import candle_after, price_after, quote_after
from services.exchange_sim.market.port import (
    ONE_DAY,
    BarClosed,
    BarOpened,
    BarQuery,
    BarUnit,
    DroppedRow,
    Market,
    MarketEvent,
    MinuteStep,
    QuoteTick,
    Session,
    SessionOpened,
    TickQuery,
    TradedBar,
    TradeTick,
)
from services.exchange_sim.market.timeframe import bounded, bucket_start, is_intraday
from services.exchange_sim.movements import SplitRecord
from services.exchange_sim.splits import FileSplit
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote

_DAYS_SEARCHED = timedelta(days=15)
_INSTANT = timedelta(microseconds=1)


class RebasedMarket:
    """Stands before a market and answers in its place."""

    def __init__(self, market: Market, splits: Sequence[FileSplit] = ()) -> None:
        self._market = market
        self._declared: dict[int, SplitRecord] = {}
        self._splitting = {split.symbol for split in splits}
        self._foreseen: tuple[datetime | None, MinuteStep | None] | None = None
        """The minute that was asked for last, and the step behind it."""
        self._of_files = [split for split in splits if split.symbol in market.symbols]
        self.source = market.source
        self.symbols = market.symbols
        self.begins_at = market.begins_at
        self.ends_at = market.ends_at
        self.identity = market.identity

    def declare(self, splits: Iterable[SplitRecord]) -> None:
        """Take all splits that the market's prices know nothing of, in place of those before."""
        self._declared = {split.seq: split for split in splits}
        self._splitting |= {split.symbol for split in self._declared.values()}

    def due(self, closed_day: str, day: date) -> list[FileSplit]:
        """Return the files' splits between that session and the one of `day`."""
        if not closed_day:
            return []
        since = date.fromisoformat(closed_day)
        return [split for split in self._of_files if since <= split.last_day < day]

    def _ratio(self, symbol: str, moment: datetime) -> Decimal:
        """Return what declared splits had done by that moment."""
        ratio = Decimal(1)
        for split in self._declared.values():
            if split.symbol == symbol and split.at <= moment:
                ratio *= split.ratio
        return ratio

    def _ratio_since(self, symbol: str, traded: date, now: datetime) -> Decimal:
        """Return what splits did by `now` to a price of that New York day."""
        ratio = self._ratio(symbol, now)
        today = new_york_day(now)
        for split in self._of_files:
            if split.symbol == symbol and traded <= split.last_day < today:
                ratio *= split.ratio
        return ratio

    # --- what is converted

    def bars(self, query: BarQuery) -> tuple[Candle, ...]:
        """Return finished bars as they were traded."""
        candles = self._market.bars(query)
        if not self._declared:
            return candles
        return tuple(
            candle_after(candle, self._ratio(query.symbol, candle.start)) for candle in candles
        )

    def traded_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        """Return the same bars with the count and turnover of their trades."""
        if not self._declared:
            return self._market.traded_bars(query)
        whole_days = not is_intraday(query.timeframe)

        def ratio(candle: Candle) -> Decimal:
            at = self._opening(candle.start) if whole_days else candle.start
            return self._ratio(query.symbol, at)

        return self._converted_bars(query, ratio)

    def _opening(self, midnight: datetime) -> datetime:
        """Return when the day begins to trade: a split at its opening makes it a day of it."""
        session = self._market.session(new_york_day(midnight))
        return session.opens_at if session else midnight

    def adjusted_bars(self, query: BarQuery) -> tuple[TradedBar, ...]:
        """Return bars in the shares of the query's `now`: what `adjustment=split` asks for."""
        if is_intraday(query.timeframe) and query.symbol not in self._splitting:
            return self._market.traded_bars(query)

        def ratio(candle: Candle) -> Decimal:
            return self._ratio_since(query.symbol, new_york_day(candle.start), query.now)

        return self._converted_bars(query, ratio)

    def _converted_bars(
        self, query: BarQuery, ratio: Callable[[Candle], Decimal]
    ) -> tuple[TradedBar, ...]:
        length = timedelta(minutes=minutes_of(query.timeframe))

        def convert(bars: Iterable[TradedBar]) -> Iterator[TradedBar]:
            for bar in bars:
                candle = candle_after(bar.candle, ratio(bar.candle))
                yield bar if candle is bar.candle else replace(bar, candle=candle)

        def merge(part: BarQuery) -> tuple[TradedBar, ...]:
            # A split may fall into a week or a month: only their days have one kind of share.
            start, end = bucket_start(part.start, part.timeframe), part.end + length
            days = replace(part, start=start, end=end, timeframe=ONE_DAY, limit=None)
            return bar_page(convert(self._market.traded_bars(bounded(days))), part)

        if query.timeframe.unit in (BarUnit.WEEK, BarUnit.MONTH):
            return from_either_end(bounded(query), merge, bars_look(query))
        return tuple(convert(self._market.traded_bars(query)))

    def trades(self, query: TickQuery) -> tuple[TradeTick, ...]:
        """Return trades as they were made."""
        return tuple(
            replace(one, price=price_after(one.price, self._ratio(one.symbol, one.at)))
            for one in self._market.trades(query)
        )

    def quotes(self, query: TickQuery) -> tuple[Quote, ...]:
        """Return the best bids and asks as they were."""
        return tuple(
            quote_after(one, self._ratio(one.symbol, one.at)) for one in self._market.quotes(query)
        )

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Return the newest quote, in today's shares."""
        quote = self._market.quote(symbol, now)
        if quote is None:
            return None
        return quote_after(quote, self._ratio_since(symbol, new_york_day(quote.at), now))

    def last_trade(self, symbol: str, now: datetime) -> TradeTick | None:
        """Return the newest trade, in today's shares."""
        trade = self._market.last_trade(symbol, now)
        if trade is None:
            return None
        ratio = self._ratio_since(symbol, new_york_day(trade.at), now)
        return replace(trade, price=price_after(trade.price, ratio))

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the close of the last session that ended, in today's shares."""
        close = self._market.prior_close(symbol, now)
        if close is None:
            return None
        day = new_york_day(now)
        sessions = self._market.sessions(day - _DAYS_SEARCHED, day)
        ended = [one.day for one in sessions if one.closes_at <= now]
        return price_after(close, self._ratio_since(symbol, ended[-1] if ended else day, now))

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        """Return what happens in after < at <= until, in order."""
        return self._converted(self._market.events(after, until))

    def first_events(self) -> tuple[MarketEvent, ...]:
        """Return what happens at `begins_at` itself."""
        return self._market.first_events()

    def minute_after(self, minute: datetime | None) -> MinuteStep | None:
        """Return the next minute that trades."""
        step = self.foresee(minute)
        if step is None or not self._declared:
            return step
        return replace(
            step,
            candles=tuple(
                candle_after(one, self._ratio(one.symbol, one.start)) for one in step.candles
            ),
            events=self._converted(step.events),
        )

    def foresee(self, minute: datetime | None) -> MinuteStep | None:
        """Return it as the market has it; asked beforehand, the question itself costs nothing."""
        if self._foreseen is None or self._foreseen[0] != minute:
            self._foreseen = minute, self._market.minute_after(minute)
        return self._foreseen[1]

    def _converted(self, events: tuple[MarketEvent, ...]) -> tuple[MarketEvent, ...]:
        if not self._declared:
            return events
        # At a session's edge the quote that closes the old day comes before the opening.
        opened: datetime | None = None
        converted = []
        for event in events:
            if isinstance(event, SessionOpened):
                opened = event.at
            edge = event.at if event.at == opened else event.at - _INSTANT
            converted.append(self._converted_one(event, edge))
        return tuple(converted)

    def _converted_one(self, event: MarketEvent, moment: datetime) -> MarketEvent:
        if isinstance(event, BarClosed):
            candle = event.candle
            return replace(
                event, candle=candle_after(candle, self._ratio(candle.symbol, candle.start))
            )
        if isinstance(event, QuoteTick):
            return replace(
                event, quote=quote_after(event.quote, self._ratio(event.quote.symbol, moment))
            )
        if isinstance(event, BarOpened | TradeTick):
            return replace(
                event, price=price_after(event.price, self._ratio(event.symbol, event.at))
            )
        return event

    # --- what is not

    @property
    def dropped_rows(self) -> Mapping[str, int]:
        """Rows left out of the files so far, counted by reason."""
        return self._market.dropped_rows

    @property
    def dropped_samples(self) -> tuple[DroppedRow, ...]:
        """The first rows of each file that were left out."""
        return self._market.dropped_samples

    def history_begins(self, symbol: str) -> datetime | None:
        """Return a moment before which nothing is known."""
        return self._market.history_begins(symbol)

    def session(self, day: date) -> Session | None:
        """Return that New York day's session."""
        return self._market.session(day)

    def sessions(self, first: date, last: date) -> tuple[Session, ...]:
        """Return the sessions of these days, both inclusive."""
        return self._market.sessions(first, last)

    def clock(self, now: datetime) -> ClockReading:
        """Return what the broker's clock says."""
        return self._market.clock(now)

    def next_event_at(self, after: datetime) -> datetime | None:
        """Return when something next happens later than that."""
        return self._market.next_event_at(after)

    def skip_closed(self, now: datetime) -> datetime:
        """Return `now` while a session runs, else the next opening."""
        return self._market.skip_closed(now)

    def has_ended(self, now: datetime) -> bool:
        """Whether nothing will ever happen after that time."""
        return self._market.has_ended(now)


def rebased(market: Market) -> RebasedMarket:
    """Return the market behind its splits, itself when it stands there already."""
    return market if isinstance(market, RebasedMarket) else RebasedMarket(market)
