"""Order groups of the broker in memory: the legs of a bracket or OCO, and what fills at a price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from shared.models.broker import BrokerOrder, OrderRequest
from shared.models.orders import OrderClass, OrderStatus, OrderType, Side


def bracket_legs(parent: BrokerOrder, request: OrderRequest) -> tuple[BrokerOrder, ...]:
    """Return target and stop of a bracket, both held: inert until the entry fills in full."""
    return (_target(parent, request), _stop(parent, request))


def oco_legs(parent: BrokerOrder, request: OrderRequest) -> tuple[BrokerOrder, ...]:
    """Return the stop of an OCO; its parent is the target itself."""
    return (replace(_stop(parent, request), side=request.side),)


def _target(parent: BrokerOrder, request: OrderRequest) -> BrokerOrder:
    return _leg(parent, "t", OrderType.LIMIT, limit_price=request.take_profit_price)


def _stop(parent: BrokerOrder, request: OrderRequest) -> BrokerOrder:
    return _leg(parent, "s", OrderType.STOP, stop_price=request.stop_loss_price)


def _leg(
    parent: BrokerOrder,
    mark: str,
    kind: OrderType,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
) -> BrokerOrder:
    return replace(
        parent,
        broker_order_id=f"{parent.broker_order_id}{mark}",
        client_order_id=f"leg-of-{parent.broker_order_id}{mark}",
        side=parent.side.opposite,
        type=kind,
        status=OrderStatus.HELD,
        limit_price=limit_price,
        stop_price=stop_price,
        legs=(),
    )


def fills_at(order: BrokerOrder, price: Decimal) -> bool:
    """Whether a working order meets the market at that price."""
    if order.type is OrderType.MARKET:
        return True
    if order.type in (OrderType.STOP, OrderType.TRAILING_STOP):
        stop = order.stop_price
        if stop is None:
            return False
        return price <= stop if order.side is Side.SELL else price >= stop
    if order.limit_price is None:
        return False
    if order.order_class is OrderClass.OCO and order.side is Side.SELL:
        return price >= order.limit_price
    return price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price
