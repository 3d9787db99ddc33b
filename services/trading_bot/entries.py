"""The way in: strategies wish, the orchestrator picks, gates advise, the size follows. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.trading_bot.brain.regime import REGIME_BARS
from services.trading_bot.brain.ward import sheet_of
from services.trading_bot.decision import NOTHING, Decision, Facts, Note
from services.trading_bot.gates import GateFacts, judge_gates
from services.trading_bot.guard_facts import exposure, open_risk
from services.trading_bot.orchestrator import Choice, Rules, choose
from services.trading_bot.sends import entry_id, entry_limit, entry_send
from shared.models.signals import Signal
from shared.models.trading_state import TradingState
from shared.ports import MarketSnapshot, PortfolioView
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
    told = Decision(notes=tuple(_told(choice)))
    return told + _gated(choice.winner, facts) if choice.winner is not None else told


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
    market, signals = _entered_market(facts.market), []
    for name in sorted(facts.policy.strategies):
        for signal in facts.policy.strategies[name].decide(market, portfolio):
            own_id = entry_id(facts.state, signal)
            if own_id not in facts.decided and own_id not in facts.state.orders:
                signals.append(signal)
    return signals


def _entered_market(market: MarketSnapshot) -> MarketSnapshot:
    """Return what may be entered of the market; what is held is left by all of it."""
    if market.universe is None:
        return market
    shown = {name: row for name, row in market.buffers.items() if name in market.universe}
    return replace(market, buffers=shown)


def _rules(facts: Facts, owners: dict[str, str]) -> Rules:
    return Rules(
        now=facts.now,
        symbols=facts.policy.symbols & (facts.market.universe or facts.policy.symbols),
        owners=owners,
        reward_risk_min=facts.policy.limits.reward_risk_min,
        signal_age_s_max=facts.policy.limits.signal_age_s_max,
        allow_short=facts.policy.allow_short,
    )


def _told(choice: Choice) -> list[Note]:
    """Say who won, among how many, and why each other one lost."""
    notes = [
        Note(
            "signal_lost",
            f"{loser.signal.strategy} {loser.signal.symbol}: {loser.reason}",
            {"symbol": loser.signal.symbol, "strategy": loser.signal.strategy},
        )
        for loser in choice.losers
    ]
    winner = choice.winner
    if winner is not None:
        count = len(notes) + 1
        words = f"{winner.strategy} {winner.symbol}: strength {winner.strength:.3f}, 1 of {count}"
        notes.append(Note("signal_won", words, _facts_of(winner)))
    return notes


def _gated(signal: Signal, facts: Facts) -> Decision:
    results = judge_gates(signal, _gate_facts(signal, facts))
    closed = [result for result in results if not result.passed]
    if closed:
        words = "; ".join(f"{result.gate}: {result.detail}" for result in closed)
        note = Note("entry_gated", f"{signal.symbol} not entered: {words}", _facts_of(signal))
        return Decision(gates=results, notes=(note,))
    return Decision(gates=results) + _sized(signal, facts)


def _gate_facts(signal: Signal, facts: Facts) -> GateFacts:
    account, positions = facts.account, facts.broker_positions
    sheet = sheet_of(facts.policy.strategies.get(signal.strategy))
    buffer = facts.market.buffers.get(signal.symbol)
    return GateFacts(
        now=facts.now,
        equity=account.equity if account is not None else None,
        positions=tuple(positions.values()) if positions is not None else None,
        quote=facts.market.quotes.get(signal.symbol),
        delta_limit_pct=facts.policy.limits.portfolio_delta_limit_pct,
        closes_at=facts.reading.next_close,
        close_minutes_min=sheet.close_minutes_min if sheet is not None else 0.0,
        candles=buffer.tail(REGIME_BARS + 1) if buffer is not None else (),
        unsuited=sheet.unsuited if sheet is not None else frozenset(),
    )


def _sized(signal: Signal, facts: Facts) -> Decision:
    if facts.account is None:
        return NOTHING
    symbol_exposure, gross = exposure(facts, signal.symbol), exposure(facts, None)
    risk = open_risk(facts)
    if symbol_exposure is None or gross is None or risk is None:
        message = f"{signal.symbol} not entered: what stands already cannot be valued"
        return Decision(notes=(Note("entry_unsized", message, _facts_of(signal)),))
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
