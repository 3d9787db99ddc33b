"""The trades within a minute: from its open over high and low to its close. Pure.

A bar is not made up beside its trades, it follows from them: they lie within its range and touch
both ends of it, their sizes add up to its volume, and their turnover is known without listing
them, so that the average price of a day costs no more than its high. That works because the
price runs straight between the four corners, mirrored to the last tick around the middle of each
stretch, and all trades of a stretch have one size.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeVar

TICK_SECONDS = 5
TICKS_PER_MINUTE = 12
_LAST = TICKS_PER_MINUTE - 1
_SHARES_FOR_ALL_TICKS = 4 * TICKS_PER_MINUTE
"""With fewer shares some ticks between the corners carry no trade."""

_FEW = 3
"""So many shares are one at the open, one at an extreme and one at the close."""

Amount = TypeVar("Amount", int, Decimal)


class Corners(NamedTuple):
    """A minute in whole ticks of its price."""

    open: int
    high: int
    low: int
    close: int


def _settled(volume: int, dice: int) -> int:
    """Return the dice; 0 in a thin minute, so that its volume alone says how it is shared out."""
    return dice if volume >= _SHARES_FOR_ALL_TICKS else 0


def _corner_ticks(dice: int) -> tuple[int, int]:
    """Return at which ticks the first and the second extreme are touched.

    Odd distances only: a stretch then has no middle tick, which could not be mirrored.
    """
    return 1 + 2 * (dice % 3), 6 + 2 * ((dice >> 4) % 3)


def print_prices(corners: Corners, volume: int, dice: int) -> tuple[int, ...]:
    """Return the price at each of the twelve ticks; `dice` is 0..65535."""
    dice = _settled(volume, dice)
    early, late = _corner_ticks(dice)
    low_first = ((dice >> 8) % 4 != 0) is (corners.close >= corners.open)
    extremes = (corners.low, corners.high) if low_first else (corners.high, corners.low)
    prices = [corners.open]
    left, left_price = 0, corners.open
    stops = ((early, extremes[0]), (late, extremes[1]), (_LAST, corners.close))
    for right, right_price in stops:
        prices.extend(_between(left_price, right_price, right - left))
        prices.append(right_price)
        left, left_price = right, right_price
    return tuple(prices)


def _between(left: int, right: int, length: int) -> list[int]:
    """Return the prices strictly between two corners, each as far from one end as its mirror
    image is from the other.
    """
    rise, half = right - left, (length + 1) // 2
    steps = [(2 * rise * place + length) // (2 * length) for place in range(1, half)]
    return [left + step for step in steps] + [right - step for step in reversed(steps)]


@lru_cache(maxsize=4096)
def print_sizes(volume: int, dice: int) -> tuple[int, ...]:
    """Return the shares at each of the twelve ticks; 0 where nothing trades.

    Each corner has a twelfth of the volume, the stretches between them a sixth, a third and a
    sixth; what a stretch cannot share out evenly goes in halves to its ends, what cannot be
    divided by twelve to the close.
    """
    early, late = _corner_ticks(_settled(volume, dice))
    unit, rest = divmod(volume, TICKS_PER_MINUTE)
    sizes = [0] * TICKS_PER_MINUTE
    if unit == 0:
        return _few(volume, early, late)
    for corner in (0, early, late, _LAST):
        sizes[corner] += unit
    for left, right, total in (
        (0, early, 2 * unit),
        (early, late, 4 * unit),
        (late, _LAST, 2 * unit),
    ):
        count = right - left - 1
        each = 2 * (total // (2 * count)) if count else 0
        sizes[left + 1 : right] = [each] * count
        half = (total - count * each) // 2
        sizes[left] += half
        sizes[right] += half
    sizes[_LAST] += rest
    return tuple(sizes)


def _few(volume: int, early: int, late: int) -> tuple[int, ...]:
    """Share out less than a dozen: the close first, then open and extremes, the rest to close."""
    sizes = [0] * TICKS_PER_MINUTE
    for corner in (_LAST, 0, early, late)[:volume]:
        sizes[corner] = 1
    sizes[_LAST] += volume - sum(sizes)
    return tuple(sizes)


def trade_count(volume: int) -> int:
    """Return how many trades a minute of that volume has."""
    if volume >= _SHARES_FOR_ALL_TICKS:
        return TICKS_PER_MINUTE
    return sum(1 for size in print_sizes(volume, 0) if size)


def turnover(prices: tuple[Amount, Amount, Amount, Amount], volume: int) -> Amount:
    """Return the sum of price times size over a minute's trades, without listing them.

    `prices` are open, high, low and close. Follows from `print_sizes`: a stretch is worth its
    shares at the middle of its two ends.
    """
    first, high, low, last = prices
    unit, rest = divmod(volume, TICKS_PER_MINUTE)
    if unit:
        return 2 * unit * (first + last) + 4 * unit * (high + low) + rest * last
    if volume > _FEW:
        return first + high + low + (volume - _FEW) * last
    earlier = (high if last >= first else low) if volume == _FEW else 0
    return earlier + (volume > 1) * first + (volume > 0) * last
