"""What the steps of every plan are made of: going on, ending, cancelling, looking back. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from services.trading_bot.coverage import (
    CoverageRow,
    free_at_broker,
    gap_at_broker,
    protects,
    whole,
)
from services.trading_bot.decision import Cancel, Decision, Facts, Note
from shared.events.types import PlanDone, PlanStepped
from shared.models.broker import BrokerOrder
from shared.models.externals import external_symbol, serves_externals
from shared.models.orders import Order, OrderRole, OrderStatus, OrderType
from shared.models.plans import PLAN_STEPS, Plan, PlanKind
from shared.models.portfolio import Position
from shared.models.trading_state import BotState

ANSWER_PATIENCE = timedelta(seconds=20)
"""Market time that a cancellation or a replacement gets before it is asked for again."""
UNHEARD_PATIENCE = timedelta(seconds=1)
"""The same for a cancellation of which the broker shows no sign: it may never have arrived."""
DOUBT_PATIENCE = timedelta(seconds=10)
"""Market time after which another kind of protection is tried beside one of unknown outcome: that
is sent again meanwhile, and of two the broker takes one, for the shares are held then.
"""


def start_plan(
    facts: Facts,
    kind: PlanKind,
    position_key: str,
    why: tuple[str, str],
    wanted: Mapping[str, str] | None = None,
) -> Plan:
    """Return a new plan at its first step; `why` is the reason and who asked for it.

    The id counts the position's plans by time, so that a later one never looks like an old one.
    """
    reason, by = why
    is_external = serves_externals(position_key)
    orders = facts.state.orders
    symbol = external_symbol(position_key) if is_external else orders[position_key].symbol
    stamp = int(facts.now.timestamp() * 1000)
    return Plan(
        plan_id=f"{kind.value}:{position_key}:{stamp}",
        kind=kind,
        symbol=symbol,
        position_key=position_key,
        step=PLAN_STEPS[kind][0],
        started_at=facts.now,
        updated_at=facts.now,
        reason=reason,
        by=by,
        facts=wanted or {},
    )


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
    """Ask once per group: the broker takes its other members along. An order that is just being
    replaced refuses (rule 4), and its successor is none yet.
    """
    changing = {one.broker_order_id for one in orders if one.status is OrderStatus.PENDING_REPLACE}
    groups: dict[str, Order] = {}
    for order in orders:
        is_changing = order.broker_order_id in changing or order.replaces in changing
        if order.broker_order_id is not None and not is_changing:
            groups.setdefault(order.parent_id or order.client_order_id, order)
    return Decision(
        cancels=tuple(
            Cancel(order.broker_order_id or "", order.client_order_id, order.symbol, reason)
            for order in groups.values()
        )
    )


def others_in_the_way(plan: Plan, facts: Facts) -> tuple[BrokerOrder, ...]:
    """Return the orders that are none of ours and may hold the shares, or meet their sale: they go
    for external shares, and for ours where everything is to be closed.
    """
    if not (serves_externals(plan.position_key) or facts.flatten_externals):
        return ()
    return tuple(order for order in facts.foreign_orders if order.symbol == plan.symbol)


def cancel_others(orders: Sequence[BrokerOrder], plan: Plan) -> Decision:
    """Ask for the cancellation of orders that are none of ours, each by its id."""
    return Decision(
        cancels=tuple(
            Cancel(order.broker_order_id, order.client_order_id, order.symbol, plan.reason)
            for order in orders
        )
    )


def must_ask_again(plan: Plan, orders: Sequence[Order], facts: Facts) -> bool:
    """Whether a cancellation has waited long enough for its end, or for a sign of its arrival."""
    unheard = any(order.status is not OrderStatus.PENDING_CANCEL for order in orders)
    return facts.now - plan.updated_at >= (UNHEARD_PATIENCE if unheard else ANSWER_PATIENCE)


def live(plan: Plan, facts: Facts) -> list[Order]:
    """Return the orders of the plan's position that still work."""
    return [
        order
        for order in group(plan, facts)
        if order.status.is_live and not _is_void(order, facts.state)
    ]


def in_the_way(plan: Plan, facts: Facts) -> list[Order]:
    """Return the orders that may hold the shares which an exit needs. New protection of unknown
    outcome is none: it cannot be cancelled, proving its absence takes minutes, and if it stands
    after all, the broker refuses the exit and the next look shows why.
    """
    return [order for order in live(plan, facts) if not _is_doubtful_protection(order)]


def is_in_doubt(plan: Plan, facts: Facts) -> bool:
    """Return whether new protection of the plan's position has an unknown outcome."""
    return any(_is_doubtful_protection(order) for order in live(plan, facts))


def is_long_in_doubt(sent: Order, facts: Facts) -> bool:
    """Return whether an order has been of unknown outcome for longer than DOUBT_PATIENCE."""
    since = sent.created_at
    is_late = since is not None and facts.now - since >= DOUBT_PATIENCE
    return is_late and sent.status is OrderStatus.UNKNOWN


def _is_doubtful_protection(order: Order) -> bool:
    is_new = order.status is OrderStatus.UNKNOWN and order.replaces is None
    return is_new and order.role is not OrderRole.EXIT


def _is_void(order: Order, state: BotState) -> bool:
    """Whether it is a change of unknown outcome whose order has ended: it can replace nothing any
    more, and no exit waits for it.
    """
    if order.status is not OrderStatus.UNKNOWN or order.replaces is None:
        return False
    old = state.orders.by_broker_id(order.replaces)
    return old is not None and old.status.is_terminal and old.status is not OrderStatus.REPLACED


def left_alone(plan: Plan, facts: Facts) -> list[Order]:
    """Return the targets whose stop has ended without them: they hold the shares and protect none.
    A stop that was replaced has not ended as long as nobody has seen its successor.
    """
    members = group(plan, facts)
    stops = [order for order in members if order.role is OrderRole.STOP]
    found = []
    for order in members:
        if order.role is OrderRole.TARGET and order.status.is_live and order.broker_order_id:
            key = order.parent_id or order.client_order_id
            beside = [stop for stop in stops if stop.parent_id == key]
            if beside and all(_has_ended(stop, facts.state) for stop in beside):
                found.append(order)
    return found


def was_exit_refused(plan: Plan, facts: Facts) -> bool:
    """Return whether the newest market exit of the plan's position was refused, as beside a resting
    order of somebody else for the other side.
    """
    exits = [
        order
        for order in group(plan, facts)
        if order.role is OrderRole.EXIT and order.type is OrderType.MARKET
    ]
    return bool(exits) and exits[-1].status is OrderStatus.REJECTED


def _has_ended(stop: Order, state: BotState) -> bool:
    if stop.status is OrderStatus.REPLACED:
        return state.orders.by_broker_id(stop.replaced_by or "") is not None
    return stop.status.is_terminal


def is_done_in_part(plan: Plan, facts: Facts) -> bool:
    """Return whether what the plan brought covers some of the shares: the rest, which it did not
    know of, gets a plan of its own.
    """
    return any(protects(order, facts.state, facts.now) for order in _brought(plan, facts))


def is_on_way(plan: Plan, facts: Facts) -> bool:
    """Return whether something that the plan brought may yet come to cover the shares; a target
    that stands never will.
    """
    return any(
        (order.role is not OrderRole.TARGET or order.status is OrderStatus.UNKNOWN)
        and not order.status.is_terminal
        and not protects(order, facts.state, facts.now)
        for order in _brought(plan, facts)
    )


def gap_to_close(plan: Plan, row: CoverageRow, position: Position, facts: Facts) -> Decimal:
    """Return for how many shares the plan may ask the broker for a stop now."""
    gap = gap_at_broker(row, position, facts.broker_positions)
    free = free_since_refused(plan, facts)
    return gap if free is None else min(gap, free)


def free_since_refused(plan: Plan, facts: Facts) -> Decimal | None:
    """Return how many whole shares are free once the broker refused an order of the plan: somebody
    else's order may hold some of ours. None while none was refused, or he does not say.
    """
    if all(order.status is not OrderStatus.REJECTED for order in _brought(plan, facts)):
        return None
    free = free_at_broker(plan.symbol, facts.broker_positions)
    return whole(free) if free is not None else None


def _brought(plan: Plan, facts: Facts) -> list[Order]:
    """Return what was sent since the plan began, with its legs; an entry's are none of its own."""
    members = group(plan, facts)
    entries = {one.client_order_id for one in members if one.role is OrderRole.ENTRY}
    return [
        order
        for order in members
        if order.created_at is not None
        and order.created_at >= plan.started_at
        and order.client_order_id not in entries
        and order.parent_id not in entries
    ]


def is_market_exit(order: Order) -> bool:
    """Return whether the order sells at market: its shares have no stop to come back to."""
    return order.role is OrderRole.EXIT and order.type is OrderType.MARKET


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
