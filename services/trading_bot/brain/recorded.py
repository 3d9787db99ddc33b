"""The bars that this system itself recorded, as moments of a strategy's trial.

Bars of our own making show every shape that we thought of; recorded ones those that markets have:
gaps, minutes without trading, odd ticks. On a first start there are none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.errors import TransientFault
from shared.models.market import Candle, CandleBuffer
from shared.models.portfolio import Position
from shared.persistence.market_store import MarketStoreReader
from shared.ports import MarketSnapshot, PortfolioView
from shared.telemetry.logs import log_event

SYMBOLS_MAX, LOOKS_MAX = 3, 6
BARS_MAX = 60
"""The newest of each symbol. A start must not take longer for them than some milliseconds."""
BARS_MIN = 31
"""With fewer no strategy says anything."""
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RecordedMoment:
    """One question: the bars of some symbols up to a minute."""

    candles: Mapping[str, Sequence[Candle]]

    @property
    def now(self) -> datetime:
        """When the newest bar has just ended."""
        return max(bars[-1].start for bars in self.candles.values()) + _MINUTE

    def snapshot(self) -> MarketSnapshot:
        """Return the market, built anew each time, so that nobody can spoil it for the next."""
        return MarketSnapshot(
            self.now, {name: _buffer(name, self.candles) for name in self.candles}, {}
        )

    def portfolio(self) -> PortfolioView:
        """Return an account without positions, so that every symbol may be entered."""
        return PortfolioView(Decimal(100_000), {}, frozenset())

    def position(self) -> Position:
        """Return the position about which it is asked whether to leave, bought a while ago."""
        symbol = max(self.candles)
        price = self.candles[symbol][0].close
        opened_at = self.now - timedelta(minutes=20)
        return Position(symbol, Decimal(10), price, opened_at=opened_at, strategy="trial")


def recorded_moments(
    store: MarketStoreReader, symbols: Sequence[str]
) -> tuple[RecordedMoment, ...]:
    """Return an early and the newest moment of what the store holds; none while it holds too
    little, or cannot be read: that is no strategy's fault.
    """
    found: dict[str, Sequence[Candle]] = {}
    try:
        for symbol in sorted(symbols)[:LOOKS_MAX]:
            bars = store.last_candles(symbol, BARS_MAX)
            if len(bars) >= BARS_MIN:
                found[symbol] = bars
            if len(found) == SYMBOLS_MAX:
                break
    except TransientFault as fault:
        log_event(logging.getLogger("strategies"), "no_recorded_bars", str(fault))
        return ()
    early = {symbol: bars[:BARS_MIN] for symbol, bars in found.items()}
    return (RecordedMoment(early), RecordedMoment(found)) if found else ()


def _buffer(symbol: str, candles: Mapping[str, Sequence[Candle]]) -> CandleBuffer:
    buffer = CandleBuffer(symbol, 120, 30)
    for candle in candles[symbol]:
        buffer.add(candle)
    return buffer
