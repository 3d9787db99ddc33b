"""Random numbers by position: the same place gives the same number, in any order of asking.

A path is a sum of waves of different lengths. Each wave has a hashed value at regular places
and runs straight between them: long ones make the season, half-hour ones the trend legs that a
momentum strategy lives on, short ones the jitter. No step depends on the one before it, so any
moment of any year costs the same, and nothing needs to be stored.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_VALUES_PER_BLOCK = 32
_UNPACK = struct.Struct(f"<{_VALUES_PER_BLOCK}H").unpack
_HALF_RANGE = 32767.5


@dataclass(frozen=True, slots=True)
class Wave:
    """`period` in minutes; `amplitude` as a fraction of the price, reached at most."""

    name: str
    period: int
    amplitude: float


@lru_cache(maxsize=4096)
def _block(key: str, number: int) -> tuple[int, ...]:
    digest = hashlib.blake2b(f"{key}|{number}".encode(), digest_size=2 * _VALUES_PER_BLOCK)
    return _UNPACK(digest.digest())


def whole_at(key: str, place: int) -> int:
    """Return a number of 0..65535 that belongs to that key and place."""
    number, offset = divmod(place, _VALUES_PER_BLOCK)
    return _block(key, number)[offset]


def value_at(key: str, place: int) -> float:
    """Return a number of -1..1 that belongs to that key and place."""
    return (whole_at(key, place) - _HALF_RANGE) / _HALF_RANGE


@lru_cache(maxsize=256)
def wholes_of(key: str, number: int, count: int) -> tuple[int, ...]:
    """Return `count` numbers of 0..65535 that belong to that key and number."""
    digest = hashlib.shake_256(f"{key}|{number}".encode()).digest(2 * count)
    return struct.unpack(f"<{count}H", digest)


def levels(key: str, waves: Sequence[Wave], first: int, count: int) -> list[float]:
    """Return the sum of the waves at `count` minutes from `first` on, as fractions around 0."""
    totals = [0.0] * count
    for wave in waves:
        values = _wave_values(f"{key}|{wave.name}", wave, first, count)
        totals = [total + value for total, value in zip(totals, values, strict=True)]
    return totals


def _wave_values(key: str, wave: Wave, first: int, count: int) -> list[float]:
    # Each symbol's waves start elsewhere, or all markets would turn at the same minute.
    phase = whole_at(f"{key}|phase", 0) % wave.period
    index, rest = divmod(first + phase, wave.period)
    values: list[float] = []
    while len(values) < count:
        left = wave.amplitude * value_at(key, index)
        slope = (wave.amplitude * value_at(key, index + 1) - left) / wave.period
        end = min(wave.period, rest + count - len(values))
        values.extend([left + slope * place for place in range(rest, end)])
        index, rest = index + 1, 0
    return values
