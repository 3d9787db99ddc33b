"""The option chains of a market's symbols, and what they come to minute by minute. Pure.

As the flow everything is in market time and known only once its minute is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache

from services.exchange_sim.market.calendar import NEW_YORK, new_york_day
from services.exchange_sim.market.port import ONE_DAY, ONE_MINUTE, BarQuery, Market, Session
from services.exchange_sim.steps import Steps
from services.exchange_sim.unusual_whales.chain import Chain, expiries_of, make_chain
from services.exchange_sim.unusual_whales.exposures import Exposure, Traded, exposure
from services.exchange_sim.unusual_whales.feed import WhaleFeed
from services.exchange_sim.unusual_whales.flow import FlowMinute, minute_end
from services.exchange_sim.unusual_whales.wire import StampForm

_CHAINS_KEPT = 64
_MINUTES_KEPT = 16_384
_MINUTES_PER_STEP = 4
_CLOSE = time(16)


@dataclass(frozen=True, slots=True)
class ExposedMinute:
    """A finished minute, the session's trading up to its end, and the chain at its close."""

    minute: FlowMinute
    traded: Traded
    exposure: Exposure
    call_fill_delta: float
    """Sum over the session's minutes: calls times their delta of then."""
    put_fill_delta: float


class ExposureFeed:
    """Exposures of the symbols of a market. `seed` belongs to the account's seed; `form` is that
    of the moments of what is told of them.
    """

    def __init__(self, market: Market, feed: WhaleFeed, seed: int, form: StampForm) -> None:
        self._market = market
        self._feed = feed
        self._seed = seed
        self.form = form
        self.symbols = market.symbols
        self._known = lru_cache(maxsize=_CHAINS_KEPT)(self._make)
        self._of_minute = lru_cache(maxsize=_MINUTES_KEPT)(self._make_exposure)

    def chain(self, symbol: str, session: Session) -> Chain | None:
        """Return what is listed on a symbol on that day; None before anything is known of it."""
        close = self._close_before(symbol, session)
        return None if close is None else self._known(symbol, session.day, close)

    def _close_before(self, symbol: str, session: Session) -> Decimal | None:
        close = self._market.prior_close(symbol, session.opens_at)
        if close is not None:
            return close
        opens, closes = session.opens_at, session.closes_at
        first = self._market.bars(BarQuery(symbol, opens, closes, ONE_MINUTE, closes, limit=1))
        return first[0].open if first else None

    def _make(self, symbol: str, day: date, close: Decimal) -> Chain:
        ends = {expiry: self._end_of(expiry) for expiry in expiries_of(day)}
        return make_chain(self._seed, symbol, day, close, ends)

    def _end_of(self, day: date) -> datetime:
        session = self._market.session(day)
        if session is not None:
            return session.closes_at
        return datetime.combine(day, _CLOSE, NEW_YORK).astimezone(UTC)

    def _make_exposure(self, chain: Chain, close: Decimal, at: datetime) -> Exposure:
        return exposure(chain.lines, float(close), at)

    def minutes(
        self, symbol: str, session: Session, now: datetime
    ) -> Steps[Sequence[ExposedMinute]]:
        """Return a session's finished minutes, oldest first."""
        chain = self.chain(symbol, session)
        if chain is None:
            return []
        found: list[ExposedMinute] = []
        traded, call_delta, put_delta = Traded(), 0.0, 0.0
        for number, minute in enumerate(self._feed.minutes(symbol, session, now)):
            one = self._of_minute(chain, minute.candle.close, minute_end(minute))
            traded = traded.after(minute)
            call_delta += minute.calls.volume * one.traded_calls.delta
            put_delta += minute.puts.volume * one.traded_puts.delta
            found.append(ExposedMinute(minute, traded, one, call_delta, put_delta))
            if number % _MINUTES_PER_STEP == 0:
                yield
        return found

    def days(
        self, symbol: str, first: date, last: date, now: datetime
    ) -> Steps[list[tuple[date, Exposure]]]:
        """Return the days that traded, oldest first, each at its close, or as of now."""
        found: list[tuple[date, Exposure]] = []
        for session in self._market.sessions(first, last):
            yield
            if session.opens_at >= now:
                break
            opens, closes = session.opens_at, session.closes_at
            bars = self._market.bars(BarQuery(symbol, opens, closes, ONE_DAY, now))
            bars = tuple(bar for bar in bars if new_york_day(bar.start) == session.day)
            chain = self.chain(symbol, session) if bars else None
            if chain is not None:
                at = min(closes, now)
                found.append((session.day, exposure(chain.lines, float(bars[-1].close), at)))
        return found
