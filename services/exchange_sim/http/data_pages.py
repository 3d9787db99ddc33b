"""Pages of history over several symbols: which points are on this one, where the next begins.

A page token names the symbol, the moment of the last point given, and how many points of that very
moment were given; so a page costs what it holds, wherever in history it lies. Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.exchange_sim.http.data_request import DataRefusal, Range
from services.exchange_sim.wire import Document
from shared.clock import parse_utc


@dataclass(frozen=True, slots=True)
class Point:
    """One bar, trade or quote; `at` orders it."""

    at: datetime
    document: Document


Read = Callable[[str, Range, int], Sequence[Point]]
"""Symbol, range and at most how many → points in the range's order."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind so many points of that moment of that symbol."""

    symbol: str = ""
    at: datetime | None = None
    given: int = 0

    def token(self) -> str:
        """Return the cursor as the text that a client sends back."""
        stamp = self.at.isoformat() if self.at else ""
        return base64.urlsafe_b64encode(f"{self.symbol}|{stamp}|{self.given}".encode()).decode()

    @classmethod
    def read(cls, token: str | None) -> Cursor:
        """Return the cursor of a token; DataRefusal when it is none of ours."""
        if not token:
            return cls()
        try:
            words = base64.urlsafe_b64decode(token.encode()).decode().split("|")
            symbol, stamp, given = words
            return cls(symbol, parse_utc(stamp) if stamp else None, max(0, int(given[:9])))
        except (binascii.Error, ValueError, OverflowError):
            raise DataRefusal("invalid page_token") from None


@dataclass(frozen=True, slots=True)
class Page:
    """The points by symbol, only of symbols that have some, and the next page's token."""

    points: dict[str, list[Document]]
    next_token: str | None


def read_page(read: Read, symbols: Sequence[str], span: Range, cursor: Cursor, limit: int) -> Page:
    """Return at most `limit` points, symbol by symbol, from the cursor on."""
    found: dict[str, list[Document]] = {}
    left = limit
    for symbol in symbols:
        if symbol < cursor.symbol:
            continue
        here = cursor if symbol == cursor.symbol else Cursor(symbol)
        points = _from(read, span, here, left + 1)
        if points:
            found[symbol] = [point.document for point in points[:left]]
        if len(points) > left:
            following = _behind(here, points[:left])
            return Page({name: kept for name, kept in found.items() if kept}, following.token())
        left -= len(points)
    return Page(found, None)


def _from(read: Read, span: Range, cursor: Cursor, count: int) -> Sequence[Point]:
    if cursor.at is None:
        return read(cursor.symbol, span, count)
    if span.newest_first:
        span = replace(span, end=min(span.end, cursor.at))
    else:
        span = replace(span, start=max(span.start, cursor.at))
    points = read(cursor.symbol, span, count + cursor.given)
    skipped = sum(point.at == cursor.at for point in points[: cursor.given])
    return points[skipped:]


def _behind(cursor: Cursor, points: Sequence[Point]) -> Cursor:
    """Return the cursor behind these points, which follow the given one."""
    if not points:
        return cursor
    last = points[-1].at
    same = sum(point.at == last for point in points)
    before = cursor.given if last == cursor.at else 0
    return Cursor(cursor.symbol, last, before + same)
