"""From a request to the order that is recorded before it is sent, and ids that do not repeat."""

from __future__ import annotations

from datetime import datetime

from shared.models.broker import OrderRequest
from shared.models.ids import parse_own_id
from shared.models.orders import Order, OrderRole
from shared.models.trading_state import BotState


def order_of(request: OrderRequest, role: OrderRole, position_key: str = "") -> Order:
    """Return the intent of a request. An entry's position key is its own id; for the others an
    empty key is filled with the symbol's position when the intent is recorded.
    """
    return Order(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        qty=request.qty,
        type=request.type,
        role=role,
        order_class=request.order_class,
        time_in_force=request.time_in_force,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        strategy=request.strategy,
        created_at=request.created_at,
        reason=request.reason,
        position_key=position_key or (request.client_order_id if role is OrderRole.ENTRY else ""),
        take_profit_price=request.take_profit_price,
        stop_loss_price=request.stop_loss_price,
        replaces=request.replaces,
    )


def next_sequence(state: BotState, position_key: str) -> int:
    """Return the number of the position's next protective or closing order of our own.

    The same number makes the same id, so a repeated send is refused by the broker; it rises
    only once the order before it stands in the state.
    """
    sent = sum(
        1
        for order in state.orders.group(position_key)
        if order.role is not OrderRole.ENTRY and parse_own_id(order.client_order_id) is not None
    )
    return sent + 1


def decided_at(state: BotState, position_key: str) -> datetime | None:
    """Return the time that a position's ids are made of: the decision of its entry."""
    for order in state.orders.group(position_key):
        if order.client_order_id == position_key:
            return order.created_at
    return None
