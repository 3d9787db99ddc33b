"""Minute bars for tests of indicators and strategies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shared.models.market import Candle, CandleBuffer, Quote
from shared.ports import MarketSnapshot, PortfolioView

FIRST_BAR = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
HALF_RANGE = Decimal("0.05")


def bars_of_closes(
    closes: Sequence[float], symbol: str = "AAPL", first: datetime = FIRST_BAR
) -> tuple[Candle, ...]:
    """Return one bar per close, ten cents from low to high, one minute apart."""
    bars = []
    for number, close in enumerate(closes):
        price = Decimal(f"{close:.2f}")
        bars.append(
            Candle(
                symbol=symbol,
                start=first + timedelta(minutes=number),
                open=price,
                high=price + HALF_RANGE,
                low=price - HALF_RANGE,
                close=price,
                volume=1_000,
            )
        )
    return tuple(bars)


def buffer_of(candles: Sequence[Candle], warm_count: int = 30) -> CandleBuffer:
    """Return a buffer holding these candles."""
    buffer = CandleBuffer(candles[0].symbol, capacity=240, warm_count=warm_count)
    for candle in candles:
        buffer.add(candle)
    return buffer


def quote_at(price: Decimal, at: datetime, symbol: str = "AAPL") -> Quote:
    """Return a quote two cents wide around a price."""
    return Quote(symbol, at, price - Decimal("0.01"), price + Decimal("0.01"), 100, 100)


def flat_then_breakout(rise: float = 0.5) -> list[float]:
    """Return closes that lie flat for 30 bars and then climb for ten."""
    return [100.0] * 30 + [100.0 + rise * step / 10 for step in range(1, 11)]


def snapshot_of(*series: Sequence[Candle]) -> MarketSnapshot:
    """Return the moment when the last bar of the first series has just ended."""
    now = series[0][-1].start + timedelta(minutes=1)
    buffers = {candles[0].symbol: buffer_of(candles) for candles in series}
    quotes = {c[0].symbol: quote_at(c[-1].close, now, c[0].symbol) for c in series}
    return MarketSnapshot(now=now, buffers=buffers, quotes=quotes)


def flat_portfolio(*busy: str) -> PortfolioView:
    """Return a portfolio of 100,000 dollars without positions; `busy` symbols are taken."""
    return PortfolioView(equity=Decimal(100_000), positions={}, busy_symbols=frozenset(busy))
