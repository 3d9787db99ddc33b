"""The option chain of a symbol on one day: what is listed, what is open, who trades it. Pure.

It is made up, as the whole flow is: of the seed, the symbol and the day, around the close before.
Listed are the strikes within a tenth of that close, expiring on the day itself and on the six
Fridays after it: what the alerts of the day name too, unless the share has moved far from there
or past a price at which the steps change. Calls gather above the price, puts below it; what is
open thins out with the distance and with the time left. The minutes' volumes (see flow.py) are
shared out over the chain in fixed parts.
"""

from __future__ import annotations

import hashlib
import math
import struct
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, product

from services.exchange_sim.unusual_whales.contracts import expiry_after, strike_near, strike_step

EXPIRY_WEEKS = 6
"""As far ahead as the alerts' contracts reach."""
_REACH = Decimal("0.1")
"""Strikes are listed so far from the close before, as a part of it."""
_RANGE = 65_536
_DICE = struct.Struct("<4H")
_OPEN_MOST = 24_000
_OPEN_DISTANCE, _TRADED_DISTANCE = 0.05, 0.02
"""So far from their middle, as a part of the price, interest and volume are down to a third."""
_THINNEST = 1e-9
"""Below a few cents even the least strike lies so far away that nothing would be left."""
_OPEN_LEAN, _TRADED_LEAN = 0.01, 0.005
"""So far above the price the calls have their middle, and the puts below it."""
_VOLATILITY_LEAST, _VOLATILITY_SPAN, _SMILE = 0.18, 0.3, 1.5
_YEAR_S = 365 * 86_400
_YEARS_LEAST = 1 / (365 * 24)
"""One hour: closer to its end the greeks of an option at the money have no bounds."""


@dataclass(frozen=True, slots=True)
class Line:
    """The call and the put of one strike and expiry."""

    strike: Decimal
    level: float
    """The strike, for computing with greeks."""
    expiry: date
    expires_at: datetime
    volatility: float
    open_calls: int
    open_puts: int
    call_share: float
    """Its part of all calls that trade on that day."""
    put_share: float


@dataclass(frozen=True, eq=False)
class Chain:
    """Everything listed on one symbol on one day, by expiry, then by strike."""

    symbol: str
    day: date
    step: Decimal
    """From one strike to the next, in dollars."""
    lines: tuple[Line, ...]

    def share(self, expiries: frozenset[date], *, calls: bool) -> float:
        """Return the part of the day's calls, or puts, that expire on these days."""
        return sum(
            line.call_share if calls else line.put_share
            for line in self.lines
            if line.expiry in expiries
        )

    @cached_property
    def _by_strike(self) -> tuple[list[float], list[float], list[float]]:
        lines = sorted(self.lines, key=lambda line: line.strike)
        return (
            [float(line.strike) for line in lines],
            [0.0, *accumulate(line.call_share for line in lines)],
            [0.0, *accumulate(line.put_share for line in lines)],
        )

    def near_part(self, spot: float, *, calls: bool) -> float:
        """Return how much of the volume that is not out of the money is at the money: within half
        a step of the price.
        """
        strikes, *sums = self._by_strike
        known = sums[0] if calls else sums[1]
        half = float(self.step) / 2
        low, high = bisect_left(strikes, spot - half), bisect_left(strikes, spot + half)
        near = known[high] - known[low]
        inner = known[low] if calls else known[-1] - known[high]
        return near / (near + inner) if near + inner else 0.0


def make_chain(
    seed: int, symbol: str, day: date, close: Decimal, ends: Mapping[date, datetime]
) -> Chain:
    """Return the chain around the close before `day`; `ends` says when each of the day's
    expiries (see `expiries_of`) ends.
    """
    key = f"{seed}|chain|{symbol}"
    base = _VOLATILITY_LEAST + _VOLATILITY_SPAN * _shares(f"{key}|volatility")[0]
    lines = []
    for expiry, strike in product(sorted(ends), _strikes(close)):
        dice = _shares(f"{key}|{day}|{expiry}|{strike}")
        away = float(strike / close) - 1.0
        weigher = _Weigher(away, 1.0 / (1.0 + (expiry - day).days / 7), dice)
        lines.append(
            Line(
                strike=strike,
                level=float(strike),
                expiry=expiry,
                expires_at=ends[expiry],
                volatility=base + _SMILE * away**2,
                open_calls=weigher.interest(_OPEN_LEAN, 0),
                open_puts=weigher.interest(-_OPEN_LEAN, 1),
                call_share=weigher.volume(_TRADED_LEAN, 2),
                put_share=weigher.volume(-_TRADED_LEAN, 3),
            )
        )
    calls, puts = sum(one.call_share for one in lines), sum(one.put_share for one in lines)
    return Chain(
        symbol,
        day,
        strike_step(close),
        tuple(
            replace(one, call_share=one.call_share / calls, put_share=one.put_share / puts)
            for one in lines
        ),
    )


@dataclass(frozen=True, slots=True)
class _Weigher:
    """Interest and volume of one strike and expiry, before they are shared out."""

    away: float
    """How far the strike lies from the close, as a part of it."""
    fresh: float
    """1 on the last day, less the later it expires."""
    dice: tuple[float, ...]

    def interest(self, lean: float, number: int) -> int:
        """Return the open contracts of the kind that gathers `lean` away from the close."""
        thinned = math.exp(-abs(self.away - lean) / _OPEN_DISTANCE)
        return int(_OPEN_MOST * self.fresh * thinned * self.dice[number])

    def volume(self, lean: float, number: int) -> float:
        """Return the weight of its volume among its kind."""
        thinned = max(math.exp(-abs(self.away - lean) / _TRADED_DISTANCE), _THINNEST)
        return self.fresh * thinned * (0.5 + self.dice[number])


def _shares(key: str) -> tuple[float, ...]:
    """Return four numbers above 0, at most 1, that belong to the key."""
    digest = hashlib.blake2b(key.encode(), digest_size=_DICE.size).digest()
    return tuple((1 + whole) / _RANGE for whole in _DICE.unpack(digest))


def years_until(end: datetime, at: datetime) -> float:
    """Return the time left, an hour at least."""
    return max((end - at).total_seconds() / _YEAR_S, _YEARS_LEAST)


def expiries_of(day: date) -> tuple[date, ...]:
    """Return on which days the contracts listed on `day` expire."""
    return (day, *(expiry_after(day, weeks) for weeks in range(EXPIRY_WEEKS)))


def _strikes(close: Decimal) -> list[Decimal]:
    step = strike_step(close)
    first = max(step, strike_near(close * (1 - _REACH)))
    count = int((close * (1 + _REACH) - first) / step) + 1
    return [first + number * step for number in range(count)]
