"""Raising a stop by PATCH: a plan first, then one change under an id of our own (rule 4). Pure.

The old stop stays until the broker shows it replaced: nothing is cancelled before, and a change
that is refused, lost or denied leaves it where it was. Whatever else the position needs (an exit,
a gap to close) goes first, and ends this plan.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from services.trading_bot.decision import NOTHING, Decision, Facts, Note, safely
from services.trading_bot.exits import STRATEGY, fresh_bid, may_stand, raised_stop, stop_leg
from services.trading_bot.plan_steps import done, group, start_plan, step
from services.trading_bot.sends import Holding, stop_patch
from shared.events.types import PlanStarted
from shared.models.orders import Order, OrderRole, OrderStatus
from shared.models.plans import Plan, PlanKind
from shared.models.portfolio import Position

STOP, REPLACES = "stop_price", "replaces"
"""Facts of the plan: the price that is wanted, and the broker's id of the leg it is for."""
_UNANSWERED = frozenset({OrderStatus.INTENT, OrderStatus.UNKNOWN})


def watch_trails(facts: Facts) -> Decision:
    """Start a plan for every stop that its strategy's rules want higher."""
    found = NOTHING
    for symbol in sorted(facts.state.positions):
        look = partial(_watch_trail, facts.state.positions[symbol], facts)
        found += safely(look, f"trailing of {symbol}")
    return found


def _watch_trail(position: Position, facts: Facts) -> Decision:
    if any(plan.symbol == position.symbol for plan in facts.state.plans):
        return NOTHING
    leg = stop_leg(position, facts)
    stop = raised_stop(position, leg, facts) if leg is not None else None
    if leg is None or stop is None or leg.broker_order_id is None:
        return NOTHING
    why = (f"trail: {leg.stop_price} to {stop}", STRATEGY)
    wanted = {STOP: str(stop), REPLACES: leg.broker_order_id}
    plan = start_plan(facts, PlanKind.TRAIL, position.position_key, why, wanted)
    message = f"raise the stop of {position.symbol} from {leg.stop_price} to {stop}"
    note = Note("stop_raised", message, {"symbol": position.symbol, "strategy": position.strategy})
    return Decision(bookings=(PlanStarted(plan),), notes=(note,))


def advance_trail(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    """Return the next step of a raise."""
    if any(
        other.position_key == plan.position_key and other.plan_id != plan.plan_id
        for other in facts.state.plans
    ):
        return done(plan, "another plan has the position", facts)
    if plan.step == "send_replace":
        return _send(plan, facts, holding)
    sent = _sent(plan, facts)
    if sent is None:
        return done(plan, "the change did not go out, the old stop stays", facts)
    if sent.status in _UNANSWERED:
        return NOTHING
    old = facts.state.orders.by_broker_id(plan.facts[REPLACES])
    if sent.status.is_terminal:
        words = f"the change ended {sent.status.value} ({sent.reason})"
        return done(plan, f"{words}, coverage judges what stands", facts)
    if old is not None and old.status.is_live:
        # 200 is not yet replaced.
        return NOTHING
    return done(plan, f"the stop stands at {sent.stop_price}", facts)


def _send(plan: Plan, facts: Facts, holding: Holding) -> Decision:
    """Send the change once; the market may have come back since it was decided."""
    leg, bid = stop_leg(holding.position, facts), fresh_bid(plan.symbol, facts)
    stop = Decimal(plan.facts[STOP])
    if leg is None or leg.broker_order_id != plan.facts[REPLACES] or leg.stop_price is None:
        return done(plan, "the stop leg is another one now", facts)
    if bid is None or stop <= leg.stop_price or not may_stand(stop, holding.position, bid):
        return done(plan, "the market came back, the old stop stays", facts)
    send = stop_patch(holding, leg, stop, plan.reason)
    return step(plan, "await_replace", facts) + Decision(protective=(send,))


def _sent(plan: Plan, facts: Facts) -> Order | None:
    """Return the change that this plan has sent."""
    for order in group(plan, facts):
        is_stop = order.role is OrderRole.STOP and order.replaces == plan.facts[REPLACES]
        if is_stop and order.created_at is not None and order.created_at >= plan.started_at:
            return order
    return None
