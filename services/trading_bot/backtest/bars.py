"""Reads what a backtest needs to know of the bar files: how many there are, and their quotes."""

from __future__ import annotations

import bisect
import csv
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path

from services.trading_bot.backtest.measures import CostedFill
from shared.errors import ConfigFault
from shared.models.numbers import CENT

BARS_SUFFIX, QUOTES_SUFFIX = "_1min.csv", "_1min_quote.csv"
QUOTES_FOLDER = "quotes"
_DATE_CHARACTERS = 10
_BAR = timedelta(minutes=1)
_HALF = Decimal("0.5")
_SMALL_TICK = Decimal("0.0001")


def bar_files(bars: Path, symbols: Sequence[str]) -> tuple[Path, ...]:
    """Return the minute files of these symbols (none named: of all); raises ConfigFault."""
    if not bars.exists():
        raise ConfigFault(f"--bars {bars}: there is no such folder or file. Name one with bars.")
    found = (bars,) if bars.is_file() else tuple(sorted(bars.glob(f"*{BARS_SUFFIX}")))
    if not found:
        raise ConfigFault(f"--bars {bars}: no file SYMBOL{BARS_SUFFIX} lies there.")
    names = {path.name.removesuffix(BARS_SUFFIX): path for path in found}
    absent = sorted(set(symbols) - set(names))
    if absent:
        raise ConfigFault(f"--symbols {','.join(absent)}: no file of bars lies in {bars}.")
    return tuple(names[name] for name in sorted(symbols or names))


def minutes_of(files: Sequence[Path], first: date, last: date) -> tuple[int, tuple[str, ...]]:
    """Return how many bars lie in those days, and their minutes (as in the files), sorted. Rows
    whose time cannot be read are left out, as the exchange leaves them out.
    """
    low, high = first.isoformat(), last.isoformat()
    count, minutes = 0, set()
    for path in files:
        for line in _lines(path):
            minute = line.partition(",")[0]
            if low <= minute[:_DATE_CHARACTERS] <= high and moment_of(minute) is not None:
                count += 1
                minutes.add(minute)
    return count, tuple(sorted(minutes))


def moment_of(text: str) -> datetime | None:
    """Return the moment that a file's text means, None when it means none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def closes_of(path: Path) -> Iterator[tuple[datetime, Decimal]]:
    """Return when each bar of a file was finished, and its close; rows without one are left out.
    Raises ConfigFault for a file that cannot be read.
    """
    for row in _rows(path):
        start, close = moment_of(row.get("timestamp") or ""), _number(row.get("close"))
        if start is not None and close is not None:
            yield start + _BAR, close


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _rows(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        # What is no text becomes a row that means nothing.
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except (OSError, csv.Error) as failure:
        raise ConfigFault(f"{path.name} cannot be read: {failure}") from failure


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as file:
            next(file, None)
            yield from file
    except (OSError, UnicodeDecodeError) as failure:
        raise ConfigFault(f"--bars: {path.name} cannot be read: {failure}") from failure


class Closes:
    """The closes of minute files, read once per symbol."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {path.name.removesuffix(BARS_SUFFIX): path for path in files}
        self._known: dict[str, tuple[list[datetime], list[Decimal]]] = {}

    def last(self, symbol: str, moment: datetime) -> tuple[datetime, Decimal] | None:
        """Return when the last bar finished by that moment did, and its close; None without."""
        if symbol not in self._known:
            path = self._files.get(symbol)
            rows = sorted(closes_of(path)) if path is not None else []
            self._known[symbol] = ([row[0] for row in rows], [row[1] for row in rows])
        ends, closes = self._known[symbol]
        place = bisect.bisect_right(ends, moment) - 1
        return (ends[place], closes[place]) if place >= 0 else None


class Spreads:
    """Half the spread at a fill: of the recorded quotes where there are some, else as the exchange
    makes them, `spread_bps` basis points of the price and at least one tick.
    """

    def __init__(self, bars: Path, spread_bps: Decimal) -> None:
        self._folder = (bars if bars.is_dir() else bars.parent) / QUOTES_FOLDER
        self._spread_bps = spread_bps
        self._known: dict[str, tuple[list[datetime], list[Decimal]]] = {}

    def half(self, fill: CostedFill) -> Decimal:
        """Return half of bid to ask, dollars per share."""
        moments, widths = self._quotes(fill.symbol)
        place = bisect.bisect_right(moments, fill.at)
        if place and moments[place - 1].date() == fill.at.date():
            return widths[place - 1] * _HALF
        return self._made(fill.price) * _HALF

    def _made(self, price: Decimal) -> Decimal:
        if self._spread_bps <= 0:
            return Decimal(0)
        tick = CENT if price >= 1 else _SMALL_TICK
        ticks = (price * self._spread_bps / (10_000 * tick)).to_integral_value(ROUND_HALF_EVEN)
        return max(Decimal(1), ticks) * tick

    def _quotes(self, symbol: str) -> tuple[list[datetime], list[Decimal]]:
        if symbol not in self._known:
            self._known[symbol] = self._read(self._folder / f"{symbol}{QUOTES_SUFFIX}")
        return self._known[symbol]

    def _read(self, path: Path) -> tuple[list[datetime], list[Decimal]]:
        moments: list[datetime] = []
        widths: list[Decimal] = []
        if not path.is_file():
            return moments, widths
        for row in _rows(path):
            bid, ask = _number(row.get("bid_close")), _number(row.get("ask_close"))
            moment = moment_of(row.get("timestamp") or "")
            if moment is not None and bid is not None and ask is not None and bid <= ask:
                moments.append(moment)
                widths.append(ask - bid)
        return moments, widths
