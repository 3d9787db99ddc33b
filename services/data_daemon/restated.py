"""Which symbols the vendor tells in other shares than before: a split came between. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from services.data_daemon.plan import trading_day
from shared.models.market import Candle

RESTATED_MIN = Decimal("0.002")
"""A past close that changed by less was corrected; no split changes prices by so little."""

Closes = Mapping[str, Mapping[date, Decimal]]
"""By symbol: the close of each New York day that was over."""


def closes_before(candles: Iterable[Candle], today: date) -> dict[str, dict[date, Decimal]]:
    """Return the closes of the days before `today`: a day that is not over still changes."""
    closes: dict[str, dict[date, Decimal]] = {}
    for candle in candles:
        day = trading_day(candle.start)
        if day < today:
            closes.setdefault(candle.symbol, {})[day] = candle.close
    return closes


def restated_symbols(before: Closes, now: Closes) -> list[str]:
    """Return the symbols of which a close that both know is another one now, sorted."""
    return sorted(symbol for symbol in now if _is_restated(before.get(symbol, {}), now[symbol]))


def _is_restated(before: Mapping[date, Decimal], now: Mapping[date, Decimal]) -> bool:
    changes = (abs(now[day] - before[day]) / before[day] for day in before.keys() & now.keys())
    return any(change >= RESTATED_MIN for change in changes)
