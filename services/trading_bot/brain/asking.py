"""Asks for a signal of each symbol that nobody owns, and ranks what comes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from shared.models.signals import Signal
from shared.ports import PortfolioView


def strongest_first(
    symbols: Iterable[str],
    portfolio: PortfolioView,
    signal_of: Callable[[str], Signal | None],
) -> list[Signal]:
    """Return the signals of the free symbols, the strongest first, equal ones by symbol."""
    free = (symbol for symbol in sorted(symbols) if symbol not in portfolio.busy_symbols)
    signals = [signal for symbol in free if (signal := signal_of(symbol)) is not None]
    return sorted(signals, key=lambda signal: (-signal.strength, signal.symbol))
