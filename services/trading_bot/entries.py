"""The way in: strategies wish, the orchestrator picks, gates advise, the size follows. Pure."""

from __future__ import annotations

from decimal import Decimal

from services.trading_bot.decision import NOTHING, Decision, Facts, Note
from services.trading_bot.gates import GateFacts, judge_gates
from services.trading_bot.guard_facts import exposure, open_risk
from services.trading_bot.orchestrator import Choice, Rules, choose
from services.trading_bot.sends import entry_id, entry_limit, entry_send
from shared.models.signals import Signal
from shared.models.trading_state import TradingState
from shared.ports import PortfolioView
from shared.risk.dollars import DollarLimits
from shared.risk.sizing import Room, size_entry

POSITION_SHARE_MIN = Decimal("0.1")
"""An entry worth less than this share of a full position is not worth its slot."""


def plan_entry(facts: Facts) -> Decision:
    """Return at most one entry, with every reason for and against, as notes."""
    if not _is_time(facts) or facts.account is None:
        return NOTHING
    owners = _owners(facts)
    signals = _signals(facts, frozenset(owners))
    if not signals:
        return NOTHING
    choice = choose(signals, _rules(facts, owners))
    lost = Decision(notes=tuple(_lost(choice)))
    if choice.winner is None:
        return lost
    return lost + _gated(choice.winner, facts)


def _is_time(facts: Facts) -> bool:
    return facts.may_enter and facts.reading.is_open and facts.trading_state is TradingState.ACTIVE


def _owners(facts: Facts) -> dict[str, str]:
    """Name who, or what, closes each busy symbol for an entry."""
    state = facts.state
    owners = {symbol: held.strategy or "unknown" for symbol, held in state.positions.items()}
    owners.update(dict.fromkeys(state.external_positions, "external"))
    for symbol in (facts.broker_positions or {}).keys() - owners.keys():
        owners[symbol] = "at the broker"
    owners.update({plan.symbol: f"{plan.kind.value} plan" for plan in state.plans})
    for order in state.orders.live():
        owners.setdefault(order.symbol, f"{order.role.value} order {order.status.value}")
    rest_s = float(facts.policy.limits.cooldown_minutes) * 60
    for symbol, since in state.cooldowns.items():
        if (facts.now - since).total_seconds() < rest_s:
            owners.setdefault(symbol, "cooling down")
    return owners


def _signals(facts: Facts, busy: frozenset[str]) -> list[Signal]:
    if facts.account is None:
        return []
    portfolio = PortfolioView(facts.account.equity, facts.state.positions, busy)
    signals = []
    for name in sorted(facts.policy.strategies):
        for signal in facts.policy.strategies[name].decide(facts.market, portfolio):
            own_id = entry_id(facts.state, signal)
            if own_id not in facts.decided and own_id not in facts.state.orders:
                signals.append(signal)
    return signals


def _rules(facts: Facts, owners: dict[str, str]) -> Rules:
    return Rules(
        now=facts.now,
        symbols=facts.policy.symbols,
        owners=owners,
        reward_risk_min=facts.policy.limits.reward_risk_min,
        signal_age_s_max=facts.policy.limits.signal_age_s_max,
        allow_short=facts.policy.allow_short,
    )


def _lost(choice: Choice) -> list[Note]:
    return [
        Note(
            "signal_lost",
            f"{loser.signal.strategy} {loser.signal.symbol}: {loser.reason}",
            {"symbol": loser.signal.symbol, "strategy": loser.signal.strategy},
        )
        for loser in choice.losers
    ]


def _gated(signal: Signal, facts: Facts) -> Decision:
    account, positions = facts.account, facts.broker_positions
    results = judge_gates(
        signal,
        GateFacts(
            now=facts.now,
            equity=account.equity if account is not None else None,
            positions=tuple(positions.values()) if positions is not None else None,
            quote=facts.market.quotes.get(signal.symbol),
            delta_limit_pct=facts.policy.limits.portfolio_delta_limit_pct,
        ),
    )
    closed = [result for result in results if not result.passed]
    if closed:
        words = "; ".join(f"{result.gate}: {result.detail}" for result in closed)
        note = Note("entry_gated", f"{signal.symbol} not entered: {words}", _facts_of(signal))
        return Decision(gates=results, notes=(note,))
    return Decision(gates=results) + _sized(signal, facts)


def _sized(signal: Signal, facts: Facts) -> Decision:
    if facts.account is None:
        return NOTHING
    symbol_exposure, gross = exposure(facts, signal.symbol), exposure(facts, None)
    risk = open_risk(facts)
    if symbol_exposure is None or gross is None or risk is None:
        return NOTHING
    room = Room(symbol_exposure, gross, risk, facts.account.buying_power)
    limits = facts.policy.limits
    qty = size_entry(signal, facts.account.equity, limits, entry_limit(signal), room)
    least = DollarLimits.of(limits, facts.account.equity).position * POSITION_SHARE_MIN
    if qty < 1 or qty * entry_limit(signal) < least:
        message = f"{signal.symbol} not entered: the limits leave {qty} shares"
        return Decision(notes=(Note("entry_too_small", message, _facts_of(signal)),))
    send = entry_send(facts.state, signal, Decimal(qty), facts.now)
    message = f"enter {signal.side.value} {qty} {signal.symbol}: {signal.reason}"
    note = Note("entry_decided", message, {**_facts_of(signal), "qty": str(qty)})
    return Decision(entries=(send,), notes=(note,))


def _facts_of(signal: Signal) -> dict[str, object]:
    return {
        "symbol": signal.symbol,
        "strategy": signal.strategy,
        "entry_price": str(signal.entry_price),
        "stop_price": str(signal.stop_price),
        "target_price": str(signal.target_price),
        "reward_risk": f"{signal.reward_risk:.2f}",
        "strength": signal.strength,
    }
