"""The bars and the flow on which every strategy is tried before it may speak. Pure, our own.

Four symbols over ninety minutes: one rises out of a quiet hour, one falls and turns, one never
moves at all, one swings. The same on every machine and in every year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import sin

from shared.models.flow import DarkPrint, FlowAlert, FlowView
from shared.models.market import Candle, CandleBuffer, Quote
from shared.models.portfolio import Position
from shared.ports import MarketSnapshot, PortfolioView

FIRST_MINUTE = datetime(2020, 3, 2, 15, 0, tzinfo=UTC)
MINUTES = 90
MOMENTS = (0, 1, 14, 31, 36, 37, 45, 52, 60, MINUTES)
"""Finished minutes at which a strategy is asked; at first it has next to nothing to go by."""
_MINUTE = timedelta(minutes=1)
_CENT = Decimal("0.01")


def _rise(minute: int) -> float:
    return 100 + 0.02 * (minute % 3) + max(0, minute - 33) * 0.12


def _fall(minute: int) -> float:
    down = min(6, max(0, minute - 29)) * 0.6
    return 80 + 0.02 * (minute % 2) - down + max(0, minute - 35) * 0.08


def _still(_: int) -> float:
    return 50.0


def _swing(minute: int) -> float:
    return 25 + 0.8 * sin(minute / 7) + 0.05 * ((minute * 7919) % 13 - 6) / 6


_PATHS = {"RISE": _rise, "FALL": _fall, "STILL": _still, "SWING": _swing}
SYMBOLS = tuple(_PATHS)


@lru_cache(maxsize=1)
def trial_candles() -> dict[str, tuple[Candle, ...]]:
    """Return the bars of every symbol, oldest first."""
    return {
        symbol: tuple(_candle(symbol, path(n), path(n + 1), n) for n in range(MINUTES))
        for symbol, path in _PATHS.items()
    }


def _candle(symbol: str, opened: float, closed: float, number: int) -> Candle:
    first, last = Decimal(f"{opened:.2f}"), Decimal(f"{closed:.2f}")
    wick = _CENT * 0 if symbol == "STILL" else _CENT * 3
    return Candle(
        symbol,
        FIRST_MINUTE + number * _MINUTE,
        first,
        max(first, last) + wick,
        min(first, last) - wick,
        last,
        0 if symbol == "STILL" else 1_000 + 37 * number,
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """One question: how many minutes are over, and whether every symbol is taken."""

    minutes: int
    is_busy: bool = False

    @property
    def now(self) -> datetime:
        """When the last of the minutes has just ended."""
        return FIRST_MINUTE + self.minutes * _MINUTE

    def snapshot(self) -> MarketSnapshot:
        """Return the market, built anew each time, so that nobody can spoil it for the next."""
        shown = {symbol: bars[: self.minutes] for symbol, bars in trial_candles().items()}
        return MarketSnapshot(
            now=self.now,
            buffers={symbol: _buffer(symbol, bars) for symbol, bars in shown.items()},
            quotes={
                symbol: Quote(symbol, self.now, bars[-1].close - _CENT, bars[-1].close + _CENT)
                for symbol, bars in shown.items()
                if bars and symbol != "SWING"
            },
            flow=_flow(self.now),
        )

    def portfolio(self) -> PortfolioView:
        """Return an account with one position."""
        held = {"SWING": self.position()}
        return PortfolioView(Decimal(100_000), held, frozenset(SYMBOLS if self.is_busy else held))

    def position(self) -> Position:
        """Return that position, opened a while ago."""
        return Position(
            "SWING",
            Decimal(10),
            Decimal(25),
            opened_at=self.now - timedelta(minutes=20),
            strategy="trial",
            stop_price=Decimal(24),
            target_price=Decimal(27),
        )


TRIAL_MOMENTS = (*(Moment(minutes) for minutes in MOMENTS), Moment(MINUTES, is_busy=True))


def _buffer(symbol: str, candles: tuple[Candle, ...]) -> CandleBuffer:
    buffer = CandleBuffer(symbol, 120, 30)
    for candle in candles:
        buffer.add(candle)
    return buffer


def _flow(now: datetime) -> FlowView:
    alerts, prints = [], []
    for number in range(0, MINUTES, 5):
        at = FIRST_MINUTE + number * _MINUTE
        symbol = SYMBOLS[number // 5 % 2]
        is_call = symbol == "RISE"
        alerts.append(
            FlowAlert(f"a{number}", symbol, at, Decimal(700_000), is_call, number % 10 == 0)
        )
        prints.append(DarkPrint(f"p{number}", symbol, at, Decimal(60), 5_000, Decimal(300_000)))
    return FlowView.at(now, alerts, prints)
