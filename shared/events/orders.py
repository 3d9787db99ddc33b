"""Applies what happens to orders: intents, what the broker shows, outcomes, adoption."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.events.fills import merge_seen, take_part, take_total
from shared.events.outbox import change_items, order_item, post
from shared.events.positions import refresh_group
from shared.events.retention import forget_closed
from shared.events.types import (
    FillSeen,
    IntentRecorded,
    NotSent,
    OrderAdopted,
    OrderRefused,
    OrderSeen,
    OutcomeUnknown,
)
from shared.models.broker import BrokerOrder
from shared.models.orders import Order, OrderRole, OrderStatus, OrderType, may_become
from shared.models.trading_state import BotState, UnknownOutcome

_STOP_TYPES = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


def record_intent(state: BotState, event: IntentRecorded) -> BotState:
    """Store the orders that are not known yet, each tied to the position it serves."""
    fresh = [order for order in event.orders if order.client_order_id not in state.orders]
    if not fresh:
        return state
    orders = tuple(_with_key(state, order) for order in fresh)
    state = replace(state, orders=state.orders.put(*orders))
    return post(state, (order_item(order, "intent", event.at) for order in orders))


def _with_key(state: BotState, order: Order) -> Order:
    if order.position_key:
        return order
    if order.role is OrderRole.ENTRY:
        return replace(order, position_key=order.client_order_id)
    held = state.positions.get(order.symbol)
    return replace(order, position_key=held.position_key) if held is not None else order


def see_order(state: BotState, event: OrderSeen) -> BotState:
    """Merge what the broker shows into the order that we know, and learn its legs."""
    order = _find(state, event.order)
    if order is None:
        return state
    return _take_seen(state, order, event.order, event.at)


def _find(state: BotState, seen: BrokerOrder) -> Order | None:
    known = state.orders.by_broker_id(seen.broker_order_id)
    if known is None:
        known = state.orders.get(seen.client_order_id)
    if known is not None:
        strange = known.broker_order_id not in (None, seen.broker_order_id)
        return None if strange else known
    old = state.orders.by_broker_id(seen.replaces) if seen.replaces else None
    return _successor(old, seen) if old is not None else None


def _successor(old: Order, seen: BrokerOrder) -> Order:
    """Return the order with which the broker replaced an order of ours."""
    return replace(
        order_from_seen(seen, old.role),
        parent_id=old.parent_id,
        strategy=old.strategy,
        position_key=old.position_key,
        reason=old.reason,
        replaces=old.broker_order_id,
    )


def order_from_seen(seen: BrokerOrder, role: OrderRole) -> Order:
    """Return our record of a broker's order, before its status and fills are merged in."""
    return Order(
        client_order_id=seen.client_order_id,
        symbol=seen.symbol,
        side=seen.side,
        qty=seen.qty,
        type=seen.type,
        role=role,
        order_class=seen.order_class,
        time_in_force=seen.time_in_force,
        limit_price=seen.limit_price,
        stop_price=seen.stop_price,
        created_at=seen.created_at,
    )


def role_of_leg(seen: BrokerOrder) -> OrderRole:
    """Return what a leg does, by its type: every kind of stop protects, a limit takes profit."""
    return OrderRole.STOP if seen.type in _STOP_TYPES else OrderRole.TARGET


def _take_seen(state: BotState, order: Order, seen: BrokerOrder, at: datetime) -> BotState:
    old = state.orders.get(order.client_order_id)
    early = state.early_fills.get(seen.broker_order_id)
    merged, early_left = take_total(merge_seen(order, seen), early, seen)
    if merged != old:
        state = replace(state, orders=state.orders.put(merged))
        state = post(state, change_items(old, merged, at))
    if early is not early_left:
        kept = {key: one for key, one in state.early_fills.items() if key != seen.broker_order_id}
        if early_left is not None:
            kept[seen.broker_order_id] = early_left
        state = replace(state, early_fills=kept)
    state = _settle(state, merged)
    for leg in seen.legs:
        state = _learn_leg(state, merged, leg, at)
    if merged == old:
        return state
    return forget_closed(refresh_group(state, merged.position_key), merged.position_key)


def _settle(state: BotState, order: Order) -> BotState:
    if order.client_order_id not in state.unknown_outcomes:
        return state
    if order.status in (OrderStatus.UNKNOWN, OrderStatus.INTENT):
        return state
    return replace(
        state,
        unknown_outcomes={
            key: one for key, one in state.unknown_outcomes.items() if key != order.client_order_id
        },
    )


def _learn_leg(state: BotState, parent: Order, seen: BrokerOrder, at: datetime) -> BotState:
    leg = _find(state, seen)
    if leg is None:
        if seen.client_order_id in state.orders:
            return state
        leg = replace(
            order_from_seen(seen, role_of_leg(seen)),
            parent_id=parent.client_order_id,
            strategy=parent.strategy,
            position_key=parent.position_key,
            reason=f"leg of {parent.client_order_id}",
        )
    return _take_seen(state, leg, seen, at)


def see_fill(state: BotState, event: FillSeen) -> BotState:
    """Book an activity when it shows more than the order's own total did."""
    fill = event.fill
    order = state.orders.by_broker_id(fill.broker_order_id)
    if order is None:
        return state
    early = state.early_fills.get(fill.broker_order_id)
    merged, early_left = take_part(order, early, fill)
    if merged == order and early_left == early:
        return state
    kept = {key: one for key, one in state.early_fills.items() if key != fill.broker_order_id}
    if early_left is not None:
        kept[fill.broker_order_id] = early_left
    state = replace(state, early_fills=kept, orders=state.orders.put(merged))
    state = post(state, change_items(order, merged, fill.at))
    return forget_closed(refresh_group(state, merged.position_key), merged.position_key)


def adopt_order(state: BotState, event: OrderAdopted) -> BotState:
    """Take an order into the book with the role and owner that the reconciliation found."""
    known = _find(state, event.seen)
    order = known if known is not None else _with_key(state, event.order)
    state = _take_seen(state, order, event.seen, event.at)
    item = order_item(order, "reconciled", event.at, outcome="adopted")
    return post(state, (item,)) if known is None else state


def outcome_unknown(state: BotState, event: OutcomeUnknown) -> BotState:
    """Mark an order as unknown, unless the broker has spoken of it already."""
    order = state.orders.get(event.client_order_id)
    if order is None or order.status not in (OrderStatus.INTENT, OrderStatus.UNKNOWN):
        return state
    if event.client_order_id in state.unknown_outcomes:
        return state
    unknown = UnknownOutcome(event.client_order_id, event.at, event.reason)
    changed = replace(order, status=OrderStatus.UNKNOWN)
    state = replace(
        state,
        orders=state.orders.put(changed),
        unknown_outcomes={**state.unknown_outcomes, event.client_order_id: unknown},
    )
    return post(state, change_items(order, changed, event.at))


def order_refused(state: BotState, event: OrderRefused) -> BotState:
    """End an order that the broker refused; the symbol rests after a refused entry.

    What was sent before, with an outcome that nobody knows, is not settled by the refusal of a
    repeat: it stays unknown until its looks end. Protection is ended all the same, so that the
    next kind of it is tried; an exit may be selling already, and waits.
    """
    order = state.orders.get(event.client_order_id)
    ended = _end(state, event, OrderStatus.REJECTED, f"{event.code}: {event.message}")
    is_unknown = event.client_order_id in state.unknown_outcomes
    if order is None or not is_unknown or order.role is OrderRole.ENTRY:
        return ended
    is_exit = order.role is OrderRole.EXIT
    return state if is_exit else replace(ended, unknown_outcomes=state.unknown_outcomes)


def not_sent(state: BotState, event: NotSent) -> BotState:
    """End an order that certainly does not exist; its tombstone stays until the next day."""
    order = state.orders.get(event.client_order_id)
    if order is not None and order.status is OrderStatus.REJECTED:
        return _settle(state, order)
    return _end(state, event, OrderStatus.NOT_SENT, event.reason)


def _end(
    state: BotState, event: OrderRefused | NotSent, status: OrderStatus, reason: str
) -> BotState:
    order = state.orders.get(event.client_order_id)
    if order is None or order.broker_order_id or not may_become(order.status, status):
        return state
    if order.status is status:
        return state
    ended = replace(order, status=status, reason=reason)
    state = replace(state, orders=state.orders.put(ended))
    state = _settle(post(state, change_items(order, ended, event.at)), ended)
    if order.role is OrderRole.ENTRY:
        before = state.cooldowns.get(order.symbol)
        rest = max(before, event.at) if before else event.at
        state = replace(state, cooldowns={**state.cooldowns, order.symbol: rest})
    return forget_closed(refresh_group(state, ended.position_key), ended.position_key)
