"""Advisory gates of the strategy: portfolio delta, decay, spread, session, regime. They fail open.

A gate that cannot be computed lets the signal pass and says so; the guard's hard ceilings stand
behind them. Pure; every result is logged and shown on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.trading_bot.brain.clamps import clamped, portfolio_delta_pct
from services.trading_bot.brain.regime import Regime, regime_of
from services.trading_bot.indicators import decayed
from shared.models.market import Candle, Quote
from shared.models.orders import Side
from shared.models.portfolio import Position
from shared.models.signals import Signal

SPREAD_BPS_MAX = Decimal(30)
"""Above this the cost of entering eats too much of a minute-bar move."""
SPREAD_BPS_CLAMP = Decimal(10_000)
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
    closes_at: datetime | None = None
    """End of the running session."""
    close_minutes_min: float = 0.0
    """The strategy enters nothing when fewer minutes are left."""
    candles: Sequence[Candle] = ()
    unsuited: frozenset[Regime] = frozenset()
    """Regimes in which the strategy's entries are refused."""


def judge_gates(signal: Signal, facts: GateFacts) -> tuple[GateResult, ...]:
    """Return the result of every gate, in a fixed order."""
    return tuple(_judged(name, gate, signal, facts) for name, gate in _GATES)


Verdict = tuple[bool, str]
Gate = Callable[[Signal, GateFacts], Verdict]


def _judged(name: str, gate: Gate, signal: Signal, facts: GateFacts) -> GateResult:
    try:
        passed, detail = gate(signal, facts)
    except Exception as failure:  # advice that cannot be had is no reason to refuse
        passed, detail = True, f"cannot be computed, passed: {failure}"
    return GateResult(name, signal.symbol, passed, detail)


def _portfolio_delta(signal: Signal, facts: GateFacts) -> Verdict:
    if facts.positions is None:
        return True, "positions unknown, passed"
    delta = portfolio_delta_pct(facts.positions, facts.equity)
    if delta is None:
        return True, f"no equity to compare with ({facts.equity}), passed"
    pct, limit = delta.pct, facts.delta_limit_pct
    grows = pct >= 0 if signal.side is Side.BUY else pct <= 0
    skipped = f", {delta.skipped} positions skipped" if delta.skipped else ""
    return not grows or abs(pct) <= limit, f"delta {pct:.1f} % of equity, limit {limit}{skipped}"


def _signal_decay(signal: Signal, facts: GateFacts) -> Verdict:
    age_s = max(0.0, (facts.now - signal.at).total_seconds())
    left = signal.strength * decayed(age_s, DECAY_HALF_LIFE_S)
    return left >= DECAYED_STRENGTH_MIN, (
        f"strength {signal.strength:.3f} worth {left:.3f} after {age_s:.0f} s, "
        f"at least {DECAYED_STRENGTH_MIN}"
    )


def _spread(_: Signal, facts: GateFacts) -> Verdict:
    quote = facts.quote
    if quote is None or not quote.is_tradable or not quote.mid > 0:
        return True, "no two-sided quote, passed"
    bps = clamped(quote.spread_bps, Decimal(0), SPREAD_BPS_CLAMP)
    if bps is None:
        return True, "spread is no number, passed"
    return bps <= SPREAD_BPS_MAX, f"spread {bps:.1f} bps, limit {SPREAD_BPS_MAX}"


def _session(_: Signal, facts: GateFacts) -> Verdict:
    if facts.closes_at is None:
        return True, "end of session unknown, passed"
    left = (facts.closes_at - facts.now).total_seconds() / 60
    detail = f"{left:.0f} min to the close, at least {facts.close_minutes_min:.0f}"
    return left >= facts.close_minutes_min, detail


def _regime(_: Signal, facts: GateFacts) -> Verdict:
    reading = regime_of(facts.candles)
    if reading is None:
        return True, f"too few bars ({len(facts.candles)}), passed"
    return reading.regime not in facts.unsuited, (
        f"market is {reading.regime} (path {reading.efficiency:.2f}, ranges "
        f"{reading.storm_ratio:.2f} of usual), refused in: "
        f"{', '.join(sorted(facts.unsuited)) or 'none'}"
    )


_GATES: tuple[tuple[str, Gate], ...] = (
    ("portfolio_delta", _portfolio_delta),
    ("signal_decay", _signal_decay),
    ("spread", _spread),
    ("session", _session),
    ("regime", _regime),
)
