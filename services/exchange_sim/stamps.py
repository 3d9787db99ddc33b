"""Moments as market data shows them: nine fraction digits where ticks are, none where bars are.

Market time knows microseconds. The last three digits of a tick follow from what it belongs to, so
that REST and stream always say the same, and a client that drops them shows itself. Pure.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NANOSECONDS = 1_000


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
    microseconds = unix_us(utc)
    rest = zlib.crc32(f"{symbol}|{microseconds}".encode()) % _NANOSECONDS
    text = f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}{rest:03d}Z"
    return Stamp.of(text, microseconds * _NANOSECONDS + rest)


def unix_us(moment: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
