"""What the market says: candles, quotes, and the bounded window of candles per symbol."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice

from shared.models.numbers import require_not_negative, require_positive, require_utc

FEED_DRIFT = "drift"
"""State word of a feed whose items break their contract: the market may be otherwise than shown."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One bar of trading. `start` is the bar's first moment (Alpaca's convention), prices in
    dollars, volume in shares. Cannot be built with low > high or an open or close outside.
    """

    symbol: str
    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("symbol must not be empty")
        require_utc(self.start, "start")
        for field in ("open", "high", "low", "close"):
            require_positive(getattr(self, field), field)
        if self.low > self.high:
            raise ValueError(f"low {self.low} lies above high {self.high}")
        for field in ("open", "close"):
            price: Decimal = getattr(self, field)
            if not self.low <= price <= self.high:
                raise ValueError(f"{field} {price} lies outside {self.low}..{self.high}")
        if self.volume < 0:
            raise ValueError(f"volume must be 0 or more, not {self.volume}")

    def __repr__(self) -> str:
        return (
            f"Candle({self.symbol} {self.start:%Y-%m-%d %H:%M} o={self.open} h={self.high} "
            f"l={self.low} c={self.close} v={self.volume})"
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask at one market moment. A crossed quote cannot be built; a zero side,
    which brokers do send, can, and `is_tradable` says no to it.
    """

    symbol: str
    at: datetime
    bid: Decimal
    ask: Decimal
    bid_size: int = 0
    ask_size: int = 0

    def __post_init__(self) -> None:
        if not self.symbol:
            raise ValueError("symbol must not be empty")
        require_utc(self.at, "at")
        require_not_negative(self.bid, "bid")
        require_not_negative(self.ask, "ask")
        if self.bid > self.ask > 0:
            raise ValueError(f"crossed quote: bid {self.bid} above ask {self.ask}")

    @property
    def is_tradable(self) -> bool:
        """Whether both sides show a price."""
        return self.bid > 0 and self.ask > 0

    @property
    def mid(self) -> Decimal:
        """Middle of bid and ask, in dollars; 0 when a side is missing."""
        return (self.bid + self.ask) / 2 if self.is_tradable else Decimal(0)

    @property
    def spread_bps(self) -> Decimal:
        """Spread in basis points of mid; 10,000 (the clamp) when a side is missing."""
        if not self.is_tradable:
            return Decimal(10_000)
        return min(Decimal(10_000), (self.ask - self.bid) / self.mid * 10_000)

    def __repr__(self) -> str:
        return f"Quote({self.symbol} {self.at:%H:%M:%S} {self.bid} x {self.ask})"


class CandleBuffer:
    """The last `capacity` candles of one symbol, oldest first, strictly rising in time.

    `is_warm` turns true once `warm_count` candles are there: indicators say nothing before.
    """

    def __init__(self, symbol: str, capacity: int, warm_count: int) -> None:
        if not 0 < warm_count <= capacity:
            raise ValueError(f"warm_count must be 1..{capacity} (the capacity), not {warm_count}")
        self.symbol = symbol
        self.capacity = capacity
        self.warm_count = warm_count
        self._candles: deque[Candle] = deque(maxlen=capacity)

    def add(self, candle: Candle) -> bool:
        """Append a newer candle; replace the last one when it is the same minute, corrected.

        Returns False, changing nothing, for a candle older than the last. Raises ValueError
        for a foreign symbol.
        """
        if candle.symbol != self.symbol:
            raise ValueError(f"candle of {candle.symbol} does not belong to {self.symbol}")
        if self._candles and candle.start <= self._candles[-1].start:
            if candle.start < self._candles[-1].start:
                return False
            self._candles.pop()
        self._candles.append(candle)
        return True

    def copy(self) -> CandleBuffer:
        """Return a buffer of the same candles; what is added to one is not in the other."""
        twin = CandleBuffer(self.symbol, self.capacity, self.warm_count)
        twin._candles = self._candles.copy()
        return twin

    @property
    def is_warm(self) -> bool:
        """Whether enough candles are there for the indicators."""
        return len(self._candles) >= self.warm_count

    @property
    def last(self) -> Candle | None:
        """The newest candle, or None while the buffer is empty."""
        return self._candles[-1] if self._candles else None

    def tail(self, count: int) -> tuple[Candle, ...]:
        """Return the newest `count` candles (fewer while there are fewer), oldest first."""
        return tuple(islice(reversed(self._candles), count))[::-1]

    def __len__(self) -> int:
        return len(self._candles)

    def __iter__(self) -> Iterator[Candle]:
        return iter(self._candles)

    def __repr__(self) -> str:
        warmth = "warm" if self.is_warm else f"cold, needs {self.warm_count}"
        return f"CandleBuffer({self.symbol} {len(self)}/{self.capacity}, {warmth})"
