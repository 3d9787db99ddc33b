"""What the steps of every plan are made of: going on, ending, cancelling, looking back. Pure."""

from __future__ import annotations

from services.trading_bot.decision import Cancel, Decision, Facts, Note
from shared.events.types import PlanDone, PlanStepped
from shared.models.orders import Order, OrderRole, OrderType
from shared.models.plans import Plan


def step(plan: Plan, name: str, facts: Facts, attempts: int = 0) -> Decision:
    """Return the plan at another step."""
    return Decision(bookings=(PlanStepped(plan.plan_id, name, attempts, facts.now),))


def done(plan: Plan, outcome: str, facts: Facts) -> Decision:
    """Return the plan's end, said in the log."""
    note = Note(
        "plan_done",
        f"{plan.kind.value} of {plan.symbol} ({plan.reason}): {outcome}",
        {"symbol": plan.symbol, "plan": plan.kind.value, "by": plan.by},
    )
    return Decision(bookings=(PlanDone(plan.plan_id, outcome, facts.now),), notes=(note,))


def group(plan: Plan, facts: Facts) -> tuple[Order, ...]:
    """Return every order of the plan's position."""
    return facts.state.orders.group(plan.position_key)


def cancels(orders: list[Order], reason: str) -> Decision:
    """Ask once per group: the broker takes its other members along."""
    groups = {order.parent_id or order.client_order_id: order for order in reversed(orders)}
    return Decision(
        cancels=tuple(
            Cancel(order.broker_order_id, order.client_order_id, order.symbol, reason)
            for order in reversed(groups.values())
            if order.broker_order_id is not None
        )
    )


def live(plan: Plan, facts: Facts) -> list[Order]:
    """Return the orders of the plan's position that still work."""
    return [order for order in group(plan, facts) if order.status.is_live]


def sent_since(plan: Plan, facts: Facts, role: OrderRole, kind: OrderType) -> Order | None:
    """Return the newest order of our own that this plan sent, legs aside."""
    sent = [
        order
        for order in group(plan, facts)
        if order.role is role
        and order.type is kind
        and order.parent_id is None
        and order.created_at is not None
        and order.created_at >= plan.started_at
    ]
    return sent[-1] if sent else None
