"""Moments as market data shows them: nine fraction digits where ticks are, none where bars are.

Market time knows microseconds. The last three digits of a tick follow from what it belongs to, so
that REST and stream always say the same, and a client that drops them shows itself. Pure.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = 1_000
_FRACTION = re.compile(r"[.,](\d+)")
_MICRO_DIGITS = 6


class Stamp(str):
    """RFC 3339 text in UTC that also knows its nanoseconds since 1970, for msgpack."""

    __slots__ = ("unix_ns",)
    unix_ns: int

    @classmethod
    def of(cls, text: str, unix_ns: int) -> Stamp:
        """Return the text with its number."""
        stamp = cls(text)
        stamp.unix_ns = unix_ns
        return stamp


def whole_stamp(moment: datetime) -> Stamp:
    """Return the stamp of a bar or a session, to the second."""
    utc = moment.astimezone(UTC)
    return Stamp.of(f"{utc:%Y-%m-%dT%H:%M:%SZ}", unix_us(utc) * _NANOSECONDS)


def tick_stamp(symbol: str, moment: datetime) -> Stamp:
    """Return the stamp of a trade, a quote or a status of a symbol, to the nanosecond."""
    utc = moment.astimezone(UTC)
    microseconds, rest = unix_us(utc), tick_rest(symbol, moment)
    text = f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}{rest:03d}Z"
    return Stamp.of(text, microseconds * _NANOSECONDS + rest)


def tick_rest(symbol: str, moment: datetime) -> int:
    """Return the nanoseconds beyond the microsecond in the stamp of a tick."""
    return zlib.crc32(f"{symbol}|{unix_us(moment)}".encode()) % _NANOSECONDS


def rest_of(text: str) -> int:
    """Return the nanoseconds beyond the microsecond in the text of a moment; later digits are
    cut.
    """
    digits = _FRACTION.search(text)
    return int(digits[1][_MICRO_DIGITS:].ljust(3, "0")[:3]) if digits else 0


def unix_us(moment: datetime) -> int:
    """Return whole microseconds since 1970: exact, and sorted as time is."""
    return (moment - _EPOCH) // _MICROSECOND
