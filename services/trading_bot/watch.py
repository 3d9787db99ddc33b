"""What must be begun: overdue entries cancelled, gaps in protection closed, positions left. Pure.

Each finding starts a plan (ORDER_PATH.md rule 6) or asks for a cancellation; the plans
themselves walk in `sequences`.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

from services.trading_bot.coverage import coverage, free_at_broker, gap_at_broker
from services.trading_bot.decision import Cancel, Decision, Facts, Note, safely
from services.trading_bot.exits import reason_to_leave
from services.trading_bot.plan_steps import start_plan
from shared.events.types import PlanStarted
from shared.models.externals import serves_externals
from shared.models.orders import Order, OrderRole, OrderStatus
from shared.models.plans import PlanKind
from shared.models.portfolio import Position
from shared.models.trading_state import TradingState

ENTRY_DEADLINE = timedelta(seconds=30)
"""Market time after which the unfilled rest of an entry is cancelled (rule 1)."""
HELD_PATIENCE = timedelta(seconds=20)
"""Market time before a stop is asked for again that somebody else's order leaves no shares for."""


def watch_entries(facts: Facts) -> Decision:
    """Cancel what of an entry must no longer rest; protect what it has bought."""
    found = Decision()
    for order in sorted(facts.state.orders.live(), key=lambda each: each.client_order_id):
        if order.role is OrderRole.ENTRY and order.broker_order_id is not None:
            look = partial(_watch_entry, order, order.broker_order_id, facts)
            found += safely(look, f"entry {order.client_order_id}")
    return found


def _watch_entry(order: Order, broker_order_id: str, facts: Facts) -> Decision:
    if any(plan.position_key == order.position_key for plan in facts.state.plans):
        return Decision()
    reason = overdue(order, facts)
    if order.filled_qty == 0:
        if reason is None:
            return Decision()
        cancel = Cancel(broker_order_id, order.client_order_id, order.symbol, reason)
        message = f"entry of {order.symbol} cancelled: {reason}"
        note = Note("entry_cancelled", message, {"client_order_id": order.client_order_id})
        return Decision(cancels=(cancel,), notes=(note,))
    words = reason or f"filled {order.filled_qty} of {order.qty}"
    plan = start_plan(facts, PlanKind.PARTIAL_ENTRY, order.position_key, (words, "bot"))
    return Decision(bookings=(PlanStarted(plan),))


def overdue(order: Order, facts: Facts) -> str | None:
    """Return why an entry must no longer work, None while it may (rule 1)."""
    since = order.created_at or order.submitted_at
    if since is not None and facts.now - since >= ENTRY_DEADLINE:
        return f"not filled within {ENTRY_DEADLINE.total_seconds():.0f} s"
    if facts.trading_state is not TradingState.ACTIVE:
        return f"trading is {facts.trading_state.value}"
    if not facts.reading.is_open:
        return "the session has ended"
    return None


def watch_coverage(facts: Facts) -> Decision:
    """Start protection for every share of ours that the broker shows and no live stop covers."""
    found = Decision()
    covered = coverage(facts.state, facts.now)
    for symbol in sorted(facts.state.positions):
        position = facts.state.positions[symbol]
        gap = gap_at_broker(covered[symbol], position, facts.broker_positions)
        if gap == 0 or _is_in_hand(position, facts) or _is_held_by_others(position, facts):
            continue
        words = f"stops cover {covered[symbol].stop_qty} of {abs(position.qty)}"
        plan = start_plan(facts, PlanKind.PROTECT, position.position_key, (words, "coverage"))
        note = Note("coverage_gap", f"{symbol}: {words}", {"symbol": symbol})
        found += Decision(bookings=(PlanStarted(plan),), notes=(note,))
    return found


def _is_held_by_others(position: Position, facts: Facts) -> bool:
    """Whether the broker has just refused an order for want of free shares, and none is free yet:
    asking at every turn would only keep the exits waiting.
    """
    refused = any(
        order.status is OrderStatus.REJECTED
        and order.created_at is not None
        and facts.now - order.created_at < HELD_PATIENCE
        for order in facts.state.orders.group(position.position_key)
    )
    return refused and free_at_broker(position.symbol, facts.broker_positions) == 0


def _is_in_hand(position: Position, facts: Facts) -> bool:
    """Whether a plan runs, or an entry still fills: then the gap is being closed already. Raising
    the stop closes nothing: whatever else is wanted ends it.
    """
    plans = (plan for plan in facts.state.plans if plan.symbol == position.symbol)
    ours = (plan for plan in plans if not serves_externals(plan.position_key))
    if any(plan.kind is not PlanKind.TRAIL for plan in ours):
        return True
    return facts.state.entry_working(position.symbol) is not None


def watch_exits(facts: Facts) -> Decision:
    """Start leaving every position that its strategy, the clock or the operator wants closed."""
    found = Decision()
    for symbol in sorted(facts.state.positions):
        look = partial(_watch_exit, facts.state.positions[symbol], facts)
        found += safely(look, f"exit of {symbol}")
    return found


def _watch_exit(position: Position, facts: Facts) -> Decision:
    why = reason_to_leave(position, facts)
    if why is None or _is_in_hand(position, facts):
        return Decision()
    reason, _ = why
    plan = start_plan(facts, leaving_kind(facts), position.position_key, why)
    message = f"leave {position.symbol}, {position.qty} at {position.entry_price:.4f}: {reason}"
    note = Note("exit_decided", message, {"symbol": position.symbol, "strategy": position.strategy})
    return Decision(bookings=(PlanStarted(plan),), notes=(note,))


def leaving_kind(facts: Facts) -> PlanKind:
    """Return how to leave a position, whoever asks: with its stop in place until it is sold.

    Out of session nothing marketable fills: then the market order of CLOSE is queued. It waits,
    too, while the account may not trade. A position that cannot be read is the broker's to close.
    """
    may_trade = facts.account is not None and facts.account.may_trade
    is_seen = facts.broker_positions is not None
    return PlanKind.REPLACE if facts.reading.is_open and may_trade and is_seen else PlanKind.CLOSE


def stop_distance(position: Position, price: Decimal | None) -> Decimal | None:
    """Return how far behind the market a trailing stop may lie: as far as the planned stop."""
    if position.stop_price is None:
        return None
    reference = price if price is not None and price > position.stop_price else None
    distance = (reference or position.entry_price) - position.stop_price
    return distance if distance > 0 else None
