"""What a chain's contracts come to for those who made the market in them. Pure.

By the vendor's assumption they hold the calls and owe the puts: see `owed`. By side there is no
such assumption: they bought what traded at the bid and sold what traded at the ask.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import mul
from typing import NamedTuple, TypeVar

from services.exchange_sim.unusual_whales.chain import Line, years_until
from services.exchange_sim.unusual_whales.flow import FlowMinute
from services.exchange_sim.unusual_whales.greeks import greeks

Key = TypeVar("Key", bound=Hashable)


class Sums(NamedTuple):
    """Greeks of some contracts, each times how many there are; of shares, not of contracts."""

    delta: float = 0.0
    gamma: float = 0.0
    charm: float = 0.0
    vanna: float = 0.0

    def times(self, factor: float) -> Sums:
        """Return so many of them."""
        return Sums(*(one * factor for one in self))

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        return Sums(*(one + more for one, more in zip(self, other, strict=True)))

    def owed(self) -> Sums:
        """Return what they count for whoever owes these contracts; as the vendor shows it, the
        delta keeps its own sign.
        """
        return Sums(self.delta, -self.gamma, -self.charm, -self.vanna)


class Exposure(NamedTuple):
    """Calls and puts of some lines, those open and those that trade, for whoever holds them."""

    open_calls: Sums
    open_puts: Sums
    traded_calls: Sums
    """For one call that traded on the whole chain."""
    traded_puts: Sums


def exposure(lines: Iterable[Line], spot: float, at: datetime) -> Exposure:
    """Return what these lines come to at that price and moment."""
    known = list(lines)
    years = {end: years_until(end, at) for end in {line.expires_at for line in known}}
    found = [greeks(spot, line.level, years[line.expires_at], line.volatility) for line in known]
    calls = list(zip(*found, strict=True)) or [()] * len(Sums._fields)
    puts = [[delta - 1.0 for delta in calls[0]], *calls[1:]]
    return Exposure(
        _sums([line.open_calls for line in known], calls),
        _sums([line.open_puts for line in known], puts),
        _sums([line.call_share for line in known], calls),
        _sums([line.put_share for line in known], puts),
    )


def _sums(counts: Sequence[float], columns: Sequence[Sequence[float]]) -> Sums:
    return Sums(*(sum(map(mul, counts, column)) for column in columns))


def grouped(lines: Iterable[Line], key: Callable[[Line], Key]) -> dict[Key, list[Line]]:
    """Return the lines that share a key, in order of the lines."""
    found: dict[Key, list[Line]] = {}
    for line in lines:
        found.setdefault(key(line), []).append(line)
    return found


@dataclass(frozen=True, slots=True)
class Traded:
    """Contracts that traded since the session began."""

    calls: int = 0
    calls_at_ask: int = 0
    calls_at_bid: int = 0
    puts: int = 0
    puts_at_ask: int = 0
    puts_at_bid: int = 0
    shares: int = 0
    """Of the underlying."""

    def after(self, minute: FlowMinute) -> Traded:
        """Return what it comes to with one minute more."""
        calls, puts = minute.calls, minute.puts
        return Traded(
            self.calls + calls.volume,
            self.calls_at_ask + calls.at_ask,
            self.calls_at_bid + calls.at_bid,
            self.puts + puts.volume,
            self.puts_at_ask + puts.at_ask,
            self.puts_at_bid + puts.at_bid,
            self.shares + minute.candle.volume,
        )
