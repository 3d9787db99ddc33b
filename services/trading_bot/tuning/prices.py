"""Prices of the past for the tuning report, from minute bars: a folder's files, or market.db."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from services.trading_bot.backtest.bars import BARS_SUFFIX, closes_of
from shared.errors import ConfigFault
from shared.persistence.market_store import MarketStoreReader

STORED_MAX = 1_000_000
STALE_AFTER = timedelta(minutes=5)
"""A price older than this is no price of the moment."""
_BAR = timedelta(minutes=1)

Closes = Iterable[tuple[datetime, Decimal]]
"""When a bar was finished, and its close."""


class Prices:
    """Answers `weighing.Worth` from closes that are read once per symbol."""

    def __init__(self, read: Callable[[str], Closes]) -> None:
        self._read = read
        self._known: dict[str, tuple[list[datetime], list[Decimal]]] = {}

    def worth(
        self, symbol: str, at: datetime, horizon: timedelta
    ) -> tuple[Decimal, Decimal] | None:
        """Return the close at `at` and the last one within the horizon of that day, or None."""
        moments, closes = self._closes(symbol)
        place = bisect.bisect_right(moments, at) - 1
        later = bisect.bisect_right(moments, at + horizon) - 1
        if place < 0 or later <= place or at - moments[place] > STALE_AFTER:
            return None
        while moments[later].date() != at.date():
            later -= 1
        return (closes[place], closes[later]) if later > place else None

    def _closes(self, symbol: str) -> tuple[list[datetime], list[Decimal]]:
        if symbol not in self._known:
            rows = sorted(self._read(symbol), key=lambda row: row[0])
            self._known[symbol] = ([row[0] for row in rows], [row[1] for row in rows])
        return self._known[symbol]


def from_folder(bars: Path) -> Callable[[str], Closes]:
    """Return a reader of a folder's files; raises ConfigFault when there is no such folder."""
    if not bars.is_dir():
        raise ConfigFault(f"--bars {bars}: there is no such folder. Name one with bars.")

    def read(symbol: str) -> Closes:
        path = bars / f"{symbol}{BARS_SUFFIX}"
        return closes_of(path) if path.is_file() else ()

    return read


def from_store(market: MarketStoreReader) -> Callable[[str], Closes]:
    """Return a reader of market.db, which keeps the newest bars of each symbol."""

    def read(symbol: str) -> Closes:
        return ((one.start + _BAR, one.close) for one in market.last_candles(symbol, STORED_MAX))

    return read
