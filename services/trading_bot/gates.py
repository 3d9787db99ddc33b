"""Advisory gates of the strategy: portfolio delta, signal decay, spread. They fail open.

A gate that cannot be computed lets the signal pass and says so; the guard's hard ceilings stand
behind them. Pure; every result is logged and shown on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.models.market import Quote
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal

SPREAD_BPS_MAX = Decimal(30)
"""Above this the cost of entering eats too much of a minute-bar move."""
DECAY_HALF_LIFE_S = 60.0
"""Market seconds after which a signal is worth half."""
DECAYED_STRENGTH_MIN = 0.05


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate said of one signal."""

    gate: str
    symbol: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the gates look at; None where it could not be read."""

    now: datetime
    equity: Decimal | None
    positions: Sequence[Position] | None
    quote: Quote | None
    delta_limit_pct: Decimal
    """Percent points of equity (PORTFOLIO_DELTA_LIMIT_PCT)."""


def judge_gates(signal: Signal, facts: GateFacts) -> tuple[GateResult, ...]:
    """Return the result of every gate, in a fixed order."""
    return (
        _portfolio_delta(signal, facts),
        _signal_decay(signal, facts),
        _spread(signal, facts),
    )


def _portfolio_delta(signal: Signal, facts: GateFacts) -> GateResult:
    if facts.equity is None or facts.equity <= 0 or facts.positions is None:
        return GateResult("portfolio_delta", signal.symbol, True, "unknown, passed")
    value = sum((position.market_value for position in facts.positions), Decimal(0))
    delta_pct = value / facts.equity * 100
    grows = delta_pct >= 0 if signal.side is Side.BUY else delta_pct <= 0
    passed = not grows or abs(delta_pct) < facts.delta_limit_pct
    detail = f"delta {delta_pct:.1f} % of equity, limit {facts.delta_limit_pct}"
    return GateResult("portfolio_delta", signal.symbol, passed, detail)


def _signal_decay(signal: Signal, facts: GateFacts) -> GateResult:
    age_s = max(0.0, (facts.now - signal.at).total_seconds())
    left = signal.strength * 0.5 ** (age_s / DECAY_HALF_LIFE_S)
    detail = (
        f"strength {signal.strength:.3f} worth {left:.3f} after {age_s:.0f} s, "
        f"at least {DECAYED_STRENGTH_MIN}"
    )
    return GateResult("signal_decay", signal.symbol, left >= DECAYED_STRENGTH_MIN, detail)


def _spread(signal: Signal, facts: GateFacts) -> GateResult:
    if facts.quote is None or not facts.quote.is_tradable:
        return GateResult("spread", signal.symbol, True, "no two-sided quote, passed")
    spread_bps = facts.quote.spread_bps
    detail = f"spread {spread_bps:.1f} bps, limit {SPREAD_BPS_MAX}"
    return GateResult("spread", signal.symbol, spread_bps <= SPREAD_BPS_MAX, detail)
