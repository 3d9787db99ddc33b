"""One bar file: which rows are bars, and why the others are not. Pure: text in, rows out.

A file is read piece by piece (row_file.py). Broken rows are dropped, counted by reason, and the
first ten of a file kept word for word. Among rows in the wrong order the fewest possible are
dropped, so that one stray row does not take the day along.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Protocol

from services.exchange_sim.market.port import DroppedRow
from shared.clock import parse_utc
from shared.models.market import Candle

HEADER = "timestamp,open,high,low,close,volume"
DROPPED_SAMPLES_MAX = 10
ROW_CHARACTERS_KEPT = 200
MINUTES_PER_DAY = 1440
VOLUME_MAX = 10**15
"""Shares in one bar; more is a broken row."""

PRICE_MIN, PRICE_MAX = Decimal("0.0001"), Decimal(100_000_000)
"""Dollars: from the smallest tick to beyond any share; outside arithmetic would overflow."""

_COLUMNS = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MINUTE_OF_TEXT = {
    f"T{hour:02d}:{minute:02d}:00Z": hour * 60 + minute
    for hour in range(24)
    for minute in range(60)
}

Prices = tuple[Decimal, Decimal, Decimal, Decimal, int]
"""open, high, low, close, volume."""

SessionMinutes = Callable[[int], Sequence[tuple[int, int]]]
"""UTC day since 1970 → first and past-the-last epoch minutes of what may trade on it."""


@dataclass(frozen=True, slots=True)
class Window:
    """Epoch minutes: first <= minute < end."""

    first: int
    end: int


@dataclass(slots=True)
class BarRows:
    """The good rows of a file within a window, oldest first, and what was dropped."""

    minutes: list[int] = field(default_factory=list)
    prices: list[Prices] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    samples: list[DroppedRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a file that lie together."""

    name: str
    """The file's."""
    first_line: int
    """Line number of the first one; the file's header is 1."""
    lines: Sequence[str]


def epoch_minute(moment: datetime) -> int:
    """Return the whole minutes since 1970 of a moment."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def minute_moment(minute: int) -> datetime:
    """Return the moment at which that epoch minute starts, UTC."""
    return _EPOCH + timedelta(minutes=minute)


def candle_of(symbol: str, start: datetime, prices: Prices) -> Candle:
    """Return the candle of a row."""
    return Candle(symbol, start, *prices)


def read_rows(
    piece: Piece, window: Window, session_minutes: SessionMinutes | None = None
) -> BarRows:
    """Return the piece's bars within the window.

    With `session_minutes` rows outside their day's session are dropped as `outside_session`.
    Rows whose timestamp is unreadable belong to no window: whoever indexes the file counts them.
    """
    rows = BarRows()
    found: list[tuple[int, Prices, int]] = []
    in_order = True
    newest = -1
    spans_of_day: dict[int, Sequence[tuple[int, int]]] = {}
    read_minute = MinuteReader().read
    for number, line in enumerate(piece.lines, start=piece.first_line):
        fields = line.split(",")
        minute = read_minute(fields[0])
        if minute is None or not window.first <= minute < window.end:
            continue
        prices = _read_prices(fields)
        if isinstance(prices, str):
            drop(rows, piece, number, prices)
            continue
        if session_minutes is not None:
            day = minute // MINUTES_PER_DAY
            if day not in spans_of_day:
                spans_of_day[day] = session_minutes(day)
            if not any(first <= minute < end for first, end in spans_of_day[day]):
                drop(rows, piece, number, "outside_session")
                continue
        in_order = in_order and minute > newest
        newest = minute
        found.append((minute, prices, number))
    if not in_order:
        found = _sorted_part(piece, found, rows)
    rows.minutes = [minute for minute, _, _ in found]
    rows.prices = [prices for _, prices, _ in found]
    return rows


class MinuteReader:
    """Timestamps to epoch minutes; remembers the dates it has read, since most rows share one."""

    def __init__(self) -> None:
        self._minute_of_date: dict[str, int | None] = {}

    def read(self, text: str) -> int | None:
        """Return the epoch minute, None when the text is no whole minute with a timezone."""
        minute_of_day = _MINUTE_OF_TEXT.get(text[10:])
        if minute_of_day is None:
            return _slow_minute(text)
        day_text = text[:10]
        if day_text not in self._minute_of_date:
            self._minute_of_date[day_text] = _first_minute(day_text)
        first = self._minute_of_date[day_text]
        return None if first is None else first + minute_of_day


def _first_minute(day_text: str) -> int | None:
    try:
        day = date.fromisoformat(day_text)
    except ValueError:
        return None
    return (day.toordinal() - _EPOCH_ORDINAL) * MINUTES_PER_DAY


def _slow_minute(text: str) -> int | None:
    try:
        moment = parse_utc(text.strip())
    except (ValueError, OverflowError):
        return None
    if moment.second or moment.microsecond:
        return None
    return epoch_minute(moment)


def _read_prices(fields: list[str]) -> Prices | str:
    """Return a row's prices and volume, or the reason why it is no bar."""
    if len(fields) != _COLUMNS:
        return "columns"
    try:
        opened, high, low, close = (
            Decimal(fields[1]),
            Decimal(fields[2]),
            Decimal(fields[3]),
            Decimal(fields[4]),
        )
        if PRICE_MIN <= low <= opened <= high <= PRICE_MAX and low <= close <= high:
            volume = int(fields[5])
            if 0 <= volume <= VOLUME_MAX:
                return opened, high, low, close, volume
            return "volume"
        return _why_no_bar(opened, high, low, close)
    except InvalidOperation:
        return "not_a_number"
    except ValueError:
        return "volume"


def _why_no_bar(opened: Decimal, high: Decimal, low: Decimal, close: Decimal) -> str:
    if not all(price.is_finite() for price in (opened, high, low, close)):
        return "not_a_number"
    if min(opened, high, low, close) <= 0:
        return "not_positive"
    if low < PRICE_MIN or high > PRICE_MAX:
        return "out_of_range"
    return "low_above_high" if low > high else "outside_low_high"


def _sorted_part(
    piece: Piece, found: list[tuple[int, Prices, int]], rows: BarRows
) -> list[tuple[int, Prices, int]]:
    """Return the longest strictly rising run of rows; drop repeated and misplaced ones."""
    seen: set[int] = set()
    unique: list[tuple[int, Prices, int]] = []
    for row in found:
        if row[0] in seen:
            drop(rows, piece, row[2], "duplicate")
        else:
            seen.add(row[0])
            unique.append(row)
    kept = set(_longest_rising([minute for minute, _, _ in unique]))
    for index, row in enumerate(unique):
        if index not in kept:
            drop(rows, piece, row[2], "unsorted")
    return [row for index, row in enumerate(unique) if index in kept]


def _longest_rising(values: list[int]) -> list[int]:
    """Return the indices of a longest strictly rising subsequence (patience sorting)."""
    tails: list[int] = []
    tail_indices: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(values):
        place = bisect_left(tails, value)
        previous.append(tail_indices[place - 1] if place else -1)
        if place == len(tails):
            tails.append(value)
            tail_indices.append(index)
        else:
            tails[place] = value
            tail_indices[place] = index
    chain: list[int] = []
    index = tail_indices[-1] if tail_indices else -1
    while index >= 0:
        chain.append(index)
        index = previous[index]
    return chain[::-1]


class Dropped(Protocol):
    """Whatever counts rows that are left out."""

    dropped: Counter[str]
    samples: list[DroppedRow]


def drop(rows: Dropped, piece: Piece, number: int, reason: str) -> None:
    """Count a row that is left out, and keep its text while there is room."""
    rows.dropped[reason] += 1
    if len(rows.samples) < DROPPED_SAMPLES_MAX:
        text = piece.lines[number - piece.first_line].rstrip("\r")[:ROW_CHARACTERS_KEPT]
        rows.samples.append(DroppedRow(piece.name, number, reason, text))
