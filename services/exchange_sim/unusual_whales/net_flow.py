"""Net flow by what it is on, by how far from the money, and by when it expires. Pure.

The premium of a minute is shared out: over the expiries as the chain's volume is, and out of the
money as the market tide has it; of the rest the chain says how much is at the money.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from services.exchange_sim.unusual_whales.chain import Chain
from services.exchange_sim.unusual_whales.flow import FlowMinute

_ZERO, _ONE = Decimal(0), Decimal(1)
_FINEST = Decimal("0.000000001")
_FRIDAY = 4
_WEEK_DAYS = 7


class Expiration(StrEnum):
    """Which contracts count: of the running week, or those that expire today."""

    WEEKLY = "weekly"
    ZERO_DTE = "zero_dte"


class Moneyness(StrEnum):
    """Which contracts count by their strike."""

    ALL = "all"
    IN = "itm"
    OUT = "otm"
    AT = "atm"


class TideType(StrEnum):
    """Which underlyings count."""

    ALL = "all"
    SHARES = "equity_only"
    FUNDS = "etf_only"
    INDEXES = "index_only"

    def holds(self, *, is_fund: bool) -> bool:
        """Whether a share, or a fund, counts; no index trades here."""
        return self is TideType.ALL or self is (TideType.FUNDS if is_fund else TideType.SHARES)


def wanted_expiries(chain: Chain, kinds: Iterable[Expiration]) -> frozenset[date]:
    """Return the expiries that any of these words names; the week ends with its next Friday."""
    friday = chain.day + timedelta(days=(_FRIDAY - chain.day.weekday()) % _WEEK_DAYS)
    last = {Expiration.WEEKLY: friday, Expiration.ZERO_DTE: chain.day}
    latest = max((last[kind] for kind in kinds), default=chain.day)
    return frozenset(line.expiry for line in chain.lines if line.expiry <= latest)


@dataclass(frozen=True, slots=True)
class NetFlow:
    """What a minute's calls and puts at the ask came to, less those at the bid."""

    calls: Decimal = _ZERO
    puts: Decimal = _ZERO
    volume: Decimal = _ZERO
    """Net calls less net puts, in contracts."""

    def plus(self, other: NetFlow) -> NetFlow:
        """Return both together."""
        return NetFlow(self.calls + other.calls, self.puts + other.puts, self.volume + other.volume)


class FlowPart:
    """What some expiries of a chain have of every minute's flow."""

    def __init__(self, chain: Chain, expiries: frozenset[date]) -> None:
        self._chain = chain
        self._calls = _exact(chain.share(expiries, calls=True))
        self._puts = _exact(chain.share(expiries, calls=False))

    def of(self, minute: FlowMinute, moneyness: Moneyness) -> NetFlow:
        """Return the part of a minute at strikes of that kind."""
        calls = self._calls * self._share(minute, moneyness, calls=True)
        puts = self._puts * self._share(minute, moneyness, calls=False)
        return NetFlow(
            minute.calls.net_premium * calls,
            minute.puts.net_premium * puts,
            minute.calls.net_volume * calls - minute.puts.net_volume * puts,
        )

    def _share(self, minute: FlowMinute, moneyness: Moneyness, *, calls: bool) -> Decimal:
        """Return the part out of, in, or at the money; the three add up to 1."""
        if moneyness is Moneyness.ALL:
            return _ONE
        if moneyness is Moneyness.OUT:
            return minute.otm_share
        rest = _ONE - minute.otm_share
        near = self._chain.near_part(float(minute.candle.close), calls=calls)
        at_money = rest * _exact(near)
        return at_money if moneyness is Moneyness.AT else rest - at_money


def _exact(share: float) -> Decimal:
    return Decimal(share).quantize(_FINEST)
