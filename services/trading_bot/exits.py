"""When a position is left, and where its stop should stand: the rules alone. Pure.

`watch` and `trailing` begin the plans that these rules ask for. No rule lowers a stop, and none
speaks while trading is HALTED: then positions are closed only on command (ORDER_PATH.md rule 20).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from math import isfinite
from typing import Protocol, runtime_checkable

from services.trading_bot.brain.port import ExitingStrategy
from services.trading_bot.coverage import is_stale
from services.trading_bot.decision import Facts
from services.trading_bot.indicators import average_true_range, decayed
from shared.models.exits import ExitRules
from shared.models.market import Quote
from shared.models.numbers import CENT
from shared.models.orders import Order, OrderClass, OrderRole, OrderStatus, OrderType
from shared.models.portfolio import Position
from shared.models.trading_state import TradingState
from shared.risk.dollars import HUGE

CLOSE_BEFORE_END = timedelta(minutes=5)
"""EXIT_AT_CLOSE leaves every position this long before the session ends."""
STRATEGY = "strategy"
OPERATOR = "operator"

_CHANGEABLE = frozenset({OrderStatus.NEW, OrderStatus.HELD})
_GROUPS = frozenset({OrderClass.BRACKET, OrderClass.OCO})
"""The legs of an OTO cannot be replaced (rule 4)."""
_SUB_CENT = Decimal("0.0001")


@runtime_checkable
class HasExitRules(Protocol):
    """A strategy that carries rules beside its own `exit_reason`."""

    exit_rules: ExitRules


def exit_rules_of(strategies: Iterable[ExitingStrategy]) -> Mapping[str, ExitRules]:
    """Return the rules of those strategies that carry any, by name."""
    return {one.name: one.exit_rules for one in strategies if isinstance(one, HasExitRules)}


def reason_to_leave(position: Position, facts: Facts) -> tuple[str, str] | None:
    """Return why a position must be left now and who asks for it, None to keep it."""
    if facts.flatten is not None:
        return facts.flatten, OPERATOR
    if facts.trading_state is TradingState.HALTED or not facts.reading.is_open:
        return None
    left = facts.reading.next_close - facts.now
    if facts.policy.exit_at_close and left <= CLOSE_BEFORE_END:
        return f"close: the session ends in {left.total_seconds() / 60:.0f} min", STRATEGY
    reason = (
        _time_is_up(position, facts)
        or _signal_is_gone(position, facts)
        or _strategy_reason(position, facts)
    )
    return (reason, STRATEGY) if reason is not None else None


def _time_is_up(position: Position, facts: Facts) -> str | None:
    rules = facts.policy.exit_rules.get(facts.policy.owner(position.strategy))
    if rules is None or rules.hold_max is None or position.opened_at is None:
        return None
    held = facts.now - position.opened_at
    if held < rules.hold_max:
        return None
    minutes, most = held.total_seconds() / 60, rules.hold_max.total_seconds() / 60
    return f"time: held {minutes:.0f} min, at most {most:.0f}"


def _signal_is_gone(position: Position, facts: Facts) -> str | None:
    rules = facts.policy.exit_rules.get(facts.policy.owner(position.strategy))
    if rules is None or rules.decay_half_life is None or position.opened_at is None:
        return None
    held_s = (facts.now - position.opened_at).total_seconds()
    left = decayed(held_s, rules.decay_half_life.total_seconds())
    if left > rules.decay_min:
        return None
    return (
        f"decay: its signal is worth {left:.3f} after {held_s / 60:.0f} min, "
        f"left at {rules.decay_min:.3f}"
    )


def _strategy_reason(position: Position, facts: Facts) -> str | None:
    strategy = facts.policy.strategies.get(facts.policy.owner(position.strategy))
    buffer = facts.market.buffers.get(position.symbol)
    if strategy is None or buffer is None:
        return None
    return strategy.exit_reason(position, buffer, facts.now)


def stop_leg(position: Position, facts: Facts) -> Order | None:
    """Return the one stop leg of a long position that a PATCH can change, else None."""
    if position.qty <= 0:
        return None
    stops = [
        order
        for order in facts.state.orders.group(position.position_key)
        if order.role is OrderRole.STOP and order.status.is_live
    ]
    if len(stops) != 1 or not _is_changeable(stops[0], facts):
        return None
    return stops[0]


def _is_changeable(leg: Order, facts: Facts) -> bool:
    parent = facts.state.orders.get(leg.parent_id or "")
    is_inert = (
        parent is not None
        and parent.role is OrderRole.ENTRY
        and parent.status is not OrderStatus.FILLED
    )
    return (
        leg.type is OrderType.STOP
        and leg.order_class in _GROUPS
        and leg.status in _CHANGEABLE
        and leg.stop_price is not None
        and leg.broker_order_id is not None
        and not is_inert
        and not is_stale(leg, facts.state)
    )


def raised_stop(position: Position, leg: Order, facts: Facts) -> Decimal | None:
    """Return the higher stop price that trailing wants at this moment, None to leave it.

    Never lower, at least one step and a cent higher, a cent below bid and target, not before its
    time; a price or a range that is unknown, stale, NaN or infinite moves nothing.
    """
    rules = facts.policy.exit_rules.get(facts.policy.owner(position.strategy))
    if rules is None or rules.trail_atr_multiple is None or leg.stop_price is None:
        return None
    if facts.trading_state is TradingState.HALTED or not facts.reading.is_open:
        return None
    bid = fresh_bid(position.symbol, facts)
    atr = recent_atr(position.symbol, rules.trail_atr_bars, facts)
    if bid is None or atr is None or not _is_time(position, rules, facts):
        return None
    wanted = _on_tick(bid - atr * Decimal(repr(rules.trail_atr_multiple)))
    step = max(CENT, atr * Decimal(repr(rules.trail_step_atr)))
    if wanted - leg.stop_price < step or not may_stand(wanted, position, bid):
        return None
    denied = facts.denied_raises.get(leg.broker_order_id or "")
    if denied is not None and facts.now - denied.at < rules.trail_every:
        # The guard would say the same; only another price, a step away, is another question.
        return wanted if abs(wanted - denied.stop) >= step else None
    return wanted


def may_stand(stop: Decimal, position: Position, bid: Decimal) -> bool:
    """Whether the broker can take this stop for a long position at this bid."""
    if not stop.is_finite() or stop <= 0 or stop > bid - CENT:
        return False
    return position.target_price is None or stop <= position.target_price - CENT


def fresh_bid(symbol: str, facts: Facts) -> Decimal | None:
    """Return the sane bid of a two-sided quote of an age that the guard would take, else None."""
    quote: Quote | None = facts.market.quotes.get(symbol)
    if quote is None or not quote.is_tradable or not quote.bid < HUGE:
        return None
    age_s = (facts.now - quote.at).total_seconds()
    return quote.bid if 0 <= age_s <= float(facts.policy.limits.quote_age_s_max) else None


def recent_atr(symbol: str, bars: int, facts: Facts) -> Decimal | None:
    """Return the average true range of the last bars, in dollars; None when it is not known."""
    buffer = facts.market.buffers.get(symbol)
    candles = buffer.tail(bars + 1) if buffer is not None else ()
    if len(candles) <= bars:
        return None
    atr = average_true_range(
        [float(candle.high) for candle in candles],
        [float(candle.low) for candle in candles],
        [float(candle.close) for candle in candles],
        bars,
    )
    return Decimal(f"{atr:.6f}") if isfinite(atr) and atr > 0 else None


def _is_time(position: Position, rules: ExitRules, facts: Facts) -> bool:
    changes = (
        order.created_at
        for order in facts.state.orders.group(position.position_key)
        if order.role is OrderRole.STOP and order.replaces is not None
    )
    last = max((moment for moment in changes if moment is not None), default=None)
    return last is None or facts.now - last >= rules.trail_every


def _on_tick(price: Decimal) -> Decimal:
    return price.quantize(CENT if price >= 1 else _SUB_CENT, rounding=ROUND_DOWN)
