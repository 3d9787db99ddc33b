"""A market that does what its history says: a quote and a trade per symbol every second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from services.exchange_sim.market.port import MarketEvent, QuoteTick, SessionClosed, TradeTick
from shared.models.broker import ClockReading
from shared.models.market import Candle, Quote
from tests.crash.history import SYMBOLS, History
from tests.support.exchange_venue import CLOSE, NOON, SESSION, SilentMarket

CENT = Decimal("0.01")
LEAST = Decimal("1.00")
EARLIER_MINUTES, EARLIER_SWING = 6, Decimal("0.05")
TAIL_S = 240
"""Seconds after the active part for which prices move, unless they are told to rest."""
NIGHT = timedelta(hours=17, minutes=30)


class ScriptedMarket(SilentMarket):
    """Prices by second, as drawn from the history's seed."""

    symbols = SYMBOLS
    identity = "scripted"

    def __init__(self, history: History) -> None:
        left = history.session_left_s
        self.begins_at = NOON if left is None else CLOSE - timedelta(seconds=left)
        self._rests_at = history.active_s + TAIL_S
        self._paths = {
            symbol: _path(history, place, symbol) for place, symbol in enumerate(SYMBOLS)
        }

    def clock(self, now: datetime) -> ClockReading:
        is_open = now < CLOSE
        next_close = CLOSE if is_open else CLOSE + NIGHT + timedelta(hours=6.5)
        return ClockReading(now, is_open, CLOSE + NIGHT, next_close)

    def price(self, symbol: str, second: int) -> Decimal:
        """Return the price from that second on."""
        path = self._paths[symbol]
        return path[max(0, min(second, self._rests_at, len(path) - 1))]

    def rest(self, now: datetime) -> None:
        """Let no price move any more."""
        self._rests_at = self.second(now)

    def second(self, now: datetime) -> int:
        """Return the whole seconds since the beginning."""
        return int((now - self.begins_at).total_seconds())

    def quote(self, symbol: str, now: datetime) -> Quote:
        second = self.second(now)
        at = self.begins_at + timedelta(seconds=second)
        price = self.price(symbol, second)
        return Quote(symbol, at, price - CENT, price + CENT, 100, 100)

    def last_trade(self, symbol: str, now: datetime) -> TradeTick:
        quote = self.quote(symbol, now)
        return TradeTick(quote.at, symbol, quote.mid, 100)

    def prior_close(self, symbol: str, now: datetime) -> Decimal:
        return self.price(symbol, 0)

    def yesterday(self, symbol: str) -> Candle:
        """Return the daily bar of the day before."""
        price = self.price(symbol, 0)
        start = self.begins_at.replace(hour=5, minute=0, second=0) - timedelta(days=1)
        return Candle(symbol, start.astimezone(UTC), price, price, price, price, 1_000)

    def earlier(self, symbol: str) -> list[Candle]:
        """Return the minutes before the beginning: a price that swings, so that it has a range."""
        price, start = self.price(symbol, 0), self.begins_at - timedelta(minutes=EARLIER_MINUTES)
        low, high = price - EARLIER_SWING, price + EARLIER_SWING
        return [
            Candle(symbol, start + timedelta(minutes=number), price, high, low, price, 6_000)
            for number in range(EARLIER_MINUTES - 1)
        ]

    def bar(self, symbol: str, second: int) -> Candle:
        """Return the minute that ended at that second."""
        prices = [self.price(symbol, one) for one in range(second - 59, second + 1)]
        start = self.begins_at + timedelta(seconds=second - 60)
        return Candle(symbol, start, prices[0], max(prices), min(prices), prices[-1], 6_000)

    def events(self, after: datetime, until: datetime) -> tuple[MarketEvent, ...]:
        found: list[MarketEvent] = []
        for second in range(self.second(after) + 1, self.second(until) + 1):
            at = self.begins_at + timedelta(seconds=second)
            if at >= CLOSE:
                break
            for symbol in self.symbols:
                found.append(QuoteTick(at, self.quote(symbol, at)))
                found.append(TradeTick(at, symbol, self.price(symbol, second), 100))
        if after < CLOSE <= until:
            found.append(SessionClosed(CLOSE, SESSION))
        return tuple(found)


def _path(history: History, place: int, symbol: str) -> tuple[Decimal, ...]:
    dice = Random(f"prices {history.seed} {symbol}")
    price = history.start_prices[place]
    phases = {phase.from_s: phase for phase in history.phases[place]}
    phase = history.phases[place][0]
    path = []
    for second in range(history.active_s + TAIL_S):
        if second in phases:
            phase = phases[second]
            price += phase.jump_cents * CENT
        step = phase.drift_cents + dice.randint(-phase.noise_cents, phase.noise_cents)
        price += step * CENT
        price = max(LEAST, price)
        path.append(price)
    return tuple(path)
