"""Keeps the state bounded: closed groups are forgotten, oldest first, open ones never."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from shared.events.positions import is_closed
from shared.models.orders import Order, OrderStatus
from shared.models.trading_day import trading_day
from shared.models.trading_state import CLOSED_ORDERS_KEPT, BotState

_SLACK = 100
"""Orders that may stand above the bound before the closed ones are looked through again."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def _last_change(orders: tuple[Order, ...]) -> datetime:
    times = [order.updated_at or order.created_at for order in orders]
    return max((moment for moment in times if moment is not None), default=_LONG_AGO)


def forget_closed(state: BotState, changed_key: str) -> BotState:
    """Drop the oldest closed groups once more than the bound of closed orders are kept.

    `changed_key` names the group that has just changed: no other can have been closed by it.
    """
    orders = state.orders
    bound = CLOSED_ORDERS_KEPT + _SLACK
    if len(orders) <= bound:
        return state
    if not is_closed(orders.group(changed_key), state.adjustment(changed_key)):
        return state
    open_keys = {one.position_key for one in state.positions.values()}
    open_keys.update(order.position_key for order in orders.open())
    if len(orders) - sum(len(orders.group(key)) for key in open_keys) <= bound:
        return state
    closed = [
        (_last_change(members), key, members)
        for key, members in orders.groups()
        if key and is_closed(members, state.adjustment(key))
    ]
    closed.sort(key=lambda row: (row[0], row[1]))
    surplus = sum(len(members) for _, _, members in closed) - CLOSED_ORDERS_KEPT
    gone: list[Order] = []
    for _, _, members in closed:
        if len(gone) >= surplus:
            break
        gone.extend(members)
    return _without(state, gone)


def _without(state: BotState, gone: list[Order]) -> BotState:
    if not gone:
        return state
    stamps = [order.created_at for order in gone if order.created_at is not None]
    if state.forgotten_until is not None:
        stamps.append(state.forgotten_until)
    broker_ids = {order.broker_order_id for order in gone}
    keys = {order.position_key for order in gone if order.client_order_id == order.position_key}
    return replace(
        state,
        orders=state.orders.without(order.client_order_id for order in gone),
        early_fills={
            key: early for key, early in state.early_fills.items() if key not in broker_ids
        },
        forgotten_until=max(stamps, default=None),
        adjustments={key: one for key, one in state.adjustments.items() if key not in keys},
    )


def drop_tombstones(state: BotState, day: date) -> BotState:
    """Drop the NOT_SENT orders of days before: after a whole day nothing comes late."""
    gone = [
        order
        for order in state.orders.values()
        if order.status is OrderStatus.NOT_SENT
        and order.created_at is not None
        and trading_day(order.created_at) < day
    ]
    return _without(state, gone)
