"""Pages of history over several symbols: which points are on this one, where the next begins.

A page token names the symbol, the moment of the last point given, and how many points of that very
moment were given; so a page costs what it holds, wherever in history it lies. History is read
part by part, so that a page which finds little in years never works long without a rest. Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from services.exchange_sim.http.data_request import LIMIT_MAX, DataRefusal, Range
from services.exchange_sim.steps import Steps
from services.exchange_sim.wire import Document
from shared.clock import parse_utc


@dataclass(frozen=True, slots=True)
class Point:
    """One bar, trade or quote; `at` orders it."""

    at: datetime
    document: Document


Read = Callable[[str, Range, int], Sequence[Point]]
"""Symbol, range and at most how many → points in the range's order."""

_INSTANT = timedelta(microseconds=1)


def _no_rest(_symbol: str, _moment: datetime) -> int:
    return 0


def _no_preparation(_symbol: str, _part: Range) -> Iterator[None]:
    yield from ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where points come from."""

    read: Read
    begins: Callable[[str], datetime | None]
    """The symbol's first point is no older; None: it has none."""
    part: timedelta
    """So much history may be read without a rest."""
    prepare: Callable[[str, Range], Iterator[None]] = _no_preparation
    """Done before a part is read, with rests of its own."""
    rest: Callable[[str, datetime], int] = _no_rest
    """Nanoseconds beyond the microsecond that a symbol's points have in their stamps."""

    def parts(self, symbol: str, span: Range) -> Iterator[Range]:
        """Return the span's parts that can hold points, in its order."""
        begins = self.begins(symbol)
        if begins is None:
            return iter(())
        known = span if begins <= span.start else replace(span, start=begins)
        return parts_of(known, self.part)


def parts_of(span: Range, length: timedelta) -> Iterator[Range]:
    """Yield what is known of a range in parts of that length, in its order, without gaps."""
    start, end = span.start, min(span.end, span.now)
    while start <= end:
        if end - start < length:
            is_all = start == span.start and end == span.end
            yield span if is_all else replace(span, start=start, end=end)
            return
        if span.newest_first:
            yield replace(span, start=end - length + _INSTANT, end=end)
            end -= length
        else:
            yield replace(span, start=start, end=start + length - _INSTANT)
            start += length


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
            cursor = cls(symbol, parse_utc(stamp) if stamp else None, int(given[:9]))
        except (binascii.Error, ValueError, OverflowError):
            raise DataRefusal("invalid page_token") from None
        # A forged count would let a single page read all of history.
        if not 0 <= cursor.given <= LIMIT_MAX:
            raise DataRefusal("invalid page_token")
        return cursor


@dataclass(frozen=True, slots=True)
class Page:
    """The points by symbol, only of symbols that have some, and the next page's token."""

    points: dict[str, list[Document]]
    next_token: str | None


def read_page(
    source: Source, symbols: Sequence[str], span: Range, cursor: Cursor, limit: int
) -> Steps[Page]:
    """Return at most `limit` points, symbol by symbol, from the cursor on."""
    found: dict[str, list[Document]] = {}
    left = limit
    for symbol in symbols:
        if symbol < cursor.symbol:
            continue
        here = cursor if symbol == cursor.symbol else Cursor(symbol)
        points = yield from _from(source, span, here, left + 1)
        yield
        if points:
            found[symbol] = [point.document for point in points[:left]]
        if len(points) > left:
            following = _behind(here, points[:left])
            return Page({name: kept for name, kept in found.items() if kept}, following.token())
        left -= len(points)
    return Page(found, None)


def _from(source: Source, span: Range, cursor: Cursor, count: int) -> Steps[list[Point]]:
    span = span.exact(partial(source.rest, cursor.symbol))
    if cursor.at is None:
        return (yield from _first_points(source, cursor.symbol, span, count))
    if span.newest_first:
        span = replace(span, end=min(span.end, cursor.at))
    else:
        span = replace(span, start=max(span.start, cursor.at))
    points = yield from _first_points(source, cursor.symbol, span, count + cursor.given)
    skipped = sum(point.at == cursor.at for point in points[: cursor.given])
    return points[skipped:]


def _first_points(source: Source, symbol: str, span: Range, count: int) -> Steps[list[Point]]:
    points: list[Point] = []
    for part in source.parts(symbol, span):
        for _ in source.prepare(symbol, part):
            yield
        points.extend(source.read(symbol, part, count - len(points)))
        if len(points) >= count:
            break
        yield
    return points


def _behind(cursor: Cursor, points: Sequence[Point]) -> Cursor:
    """Return the cursor behind these points, which follow the given one."""
    if not points:
        return cursor
    last = points[-1].at
    same = sum(point.at == last for point in points)
    before = cursor.given if last == cursor.at else 0
    return Cursor(cursor.symbol, last, before + same)
