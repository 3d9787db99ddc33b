"""One symbol of the seeded market: its minutes in whole cents, and the ticks within them."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from services.exchange_sim.market.noise import Wave, levels, whole_at, wholes_of
from services.exchange_sim.market.prints import (
    TICKS_PER_MINUTE,
    Corners,
    print_prices,
    print_sizes,
    turnover,
)

MINUTES_PER_BLOCK = 60

_BASE_CENTS = {
    "AAPL": 23_000,
    "AMD": 16_000,
    "AMZN": 22_000,
    "BAC": 4_600,
    "GOOG": 19_000,
    "JPM": 25_500,
    "MSFT": 43_000,
    "NVDA": 14_000,
    "QQQ": 51_000,
    "SPY": 59_000,
    "TSLA": 34_000,
    "XOM": 11_500,
}
DEFAULT_SYMBOLS = tuple(sorted(_BASE_CENTS))
_OTHER_CENTS_MIN, _OTHER_CENTS_SPAN = 2_000, 38_000

_WAVES = (
    Wave("season", 86_399, 0.12),
    Wave("fortnight", 20_011, 0.05),
    Wave("days", 4_327, 0.025),
    Wave("day", 1_021, 0.012),
    Wave("hours", 149, 0.008),
    Wave("leg", 29, 0.006),
    Wave("swing", 7, 0.0014),
)
"""Largest swing together under a quarter of the price: no symbol can reach zero."""
_JITTER = 0.0006
"""Largest difference that the jitter of a single minute makes."""
_WICK_SHARE_MAX = 0.0009
_CHARACTER_MIN, _CHARACTER_SPAN = 0.7, 0.7
"""How lively a symbol is, against the average one."""
_VOLUME_MIN, _VOLUME_SPAN = 5_000, 60_000
_WHOLE_RANGE = 65_536


class MinuteCents(NamedTuple):
    """One minute in whole cents and shares."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class HourCents(NamedTuple):
    """Sixty minutes, by column: most readers want only a few of them."""

    opens: list[int]
    highs: list[int]
    lows: list[int]
    closes: list[int]
    volumes: list[int]

    def first_minutes(self, count: int) -> HourCents:
        """Return the first `count` minutes; itself when that is all of them."""
        if count >= MINUTES_PER_BLOCK:
            return self
        return HourCents(*(column[:count] for column in self))

    def turnover(self) -> int:
        """Return the sum of cents times shares over all trades of these minutes."""
        return sum(turnover(bar[:4], bar[4]) for bar in zip(*self, strict=True))


def dollars(cents: int) -> Decimal:
    """Return cents as dollars with two decimals."""
    return Decimal(cents).scaleb(-2)


class SeededPath:
    """The minutes of one symbol since for ever, made on demand an hour at a time."""

    def __init__(self, seed: int, symbol: str) -> None:
        self.symbol = symbol
        self._key = f"{seed}|{symbol}"
        character = _CHARACTER_MIN + _CHARACTER_SPAN * self._share("character", 0)
        self._waves = tuple(
            Wave(wave.name, wave.period, wave.amplitude * character) for wave in _WAVES
        )
        self._jitter = _JITTER * character
        self._wick = _WICK_SHARE_MAX * character
        other = _OTHER_CENTS_MIN + int(_OTHER_CENTS_SPAN * self._share("base", 0))
        self._base = _BASE_CENTS.get(symbol, other)
        self.block = lru_cache(maxsize=64)(self._make_block)
        """Minutes of the hour with that number (epoch minute // 60)."""
        self.prints = lru_cache(maxsize=64)(self._make_prints)
        """Prices in cents and sizes of the twelve trades of an epoch minute."""

    def _whole(self, what: str, place: int) -> int:
        return whole_at(f"{self._key}|{what}", place)

    def _share(self, what: str, place: int) -> float:
        return self._whole(what, place) / _WHOLE_RANGE

    def _dice(self, number: int) -> tuple[int, ...]:
        """Return the hour's random numbers: sixty jitters, highs, lows and volumes."""
        return wholes_of(f"{self._key}|hour", number, 4 * MINUTES_PER_BLOCK)

    def _make_block(self, number: int) -> HourCents:
        count = MINUTES_PER_BLOCK
        dice = self._dice(number)
        trend = levels(self._key, self._waves, number * count, count + 1)
        jitter = self._jitter / _WHOLE_RANGE
        middle = 1.0 - self._jitter / 2
        cents = [
            round(self._base * (middle + level + jitter * whole))
            for level, whole in zip(trend, (*dice[:count], self._dice(number + 1)[0]), strict=True)
        ]
        opens, closes = cents[:-1], cents[1:]
        reach = cents[0] * self._wick / _WHOLE_RANGE**2
        calls = _VOLUME_SPAN / _WHOLE_RANGE**2
        over, under = dice[count : 2 * count], dice[2 * count : 3 * count]
        edges = list(zip(opens, closes, strict=True))
        return HourCents(
            opens=opens,
            highs=[
                (first if first > last else last) + int(reach * whole * whole)
                for (first, last), whole in zip(edges, over, strict=True)
            ],
            lows=[
                (first if first < last else last) - int(reach * whole * whole)
                for (first, last), whole in zip(edges, under, strict=True)
            ],
            closes=closes,
            volumes=[_VOLUME_MIN + int(calls * whole * whole) for whole in dice[3 * count :]],
        )

    def minute(self, minute: int) -> MinuteCents:
        """Return that epoch minute."""
        number, offset = divmod(minute, MINUTES_PER_BLOCK)
        hour = self.block(number)
        return MinuteCents(
            hour.opens[offset],
            hour.highs[offset],
            hour.lows[offset],
            hour.closes[offset],
            hour.volumes[offset],
        )

    def span(self, first: int, end: int) -> tuple[MinuteCents, int]:
        """Return the epoch minutes first..end-1 as one, and their turnover in cents; `first`
        begins an hour, first < end.
        """
        hours: list[HourCents] = []
        for number in range(first // MINUTES_PER_BLOCK, -(-end // MINUTES_PER_BLOCK)):
            hours.append(self.block(number).first_minutes(end - number * MINUTES_PER_BLOCK))
        bar = MinuteCents(
            hours[0].opens[0],
            max(max(hour.highs) for hour in hours),
            min(min(hour.lows) for hour in hours),
            hours[-1].closes[-1],
            sum(sum(hour.volumes) for hour in hours),
        )
        return bar, sum(hour.turnover() for hour in hours)

    def _make_prints(self, minute: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        bar = self.minute(minute)
        dice = self._whole("ticks", minute)
        corners = Corners(bar.open, bar.high, bar.low, bar.close)
        return print_prices(corners, bar.volume, dice), print_sizes(bar.volume, dice)

    def tick(self, minute: int, number: int) -> int:
        """Return the price in cents at that tick (0..11, five seconds apart) of the minute.

        The ticks of a minute begin at its open, touch its high and its low, and end at its
        close.
        """
        return self.prints(minute)[0][number]

    def tick_size(self, minute: int, number: int) -> int:
        """Return the shares of that tick's trade; those of a minute add up to its volume."""
        return self.prints(minute)[1][number]

    def quote_lots(self, minute: int, number: int) -> int:
        """Return the hundreds of shares on each side of that tick's quote."""
        return 1 + self._whole("size", minute * TICKS_PER_MINUTE + number) % 9
