"""How an approved request is written on Alpaca's wire, and whether an order is that request.

Amounts go out as decimal texts: a JSON number would pass through a float. Pure.
"""

from __future__ import annotations

from decimal import Decimal

from shared.models.broker import BrokerOrder, OrderRequest
from shared.models.orders import OrderClass, OrderType


def amount(value: Decimal) -> str:
    """Write a decimal without an exponent."""
    return format(value, "f")


def post_fields(request: OrderRequest) -> dict[str, object]:
    """Return the body of POST /v2/orders.

    A trailing stop carries its distance in dollars in `stop_price`: a trailing order has no
    fixed price, and the request no field of its own for the distance.
    """
    fields: dict[str, object] = {
        "symbol": request.symbol,
        "qty": amount(request.qty),
        "side": request.side.value,
        "type": request.type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    if request.limit_price is not None:
        fields["limit_price"] = amount(request.limit_price)
    if request.stop_price is not None:
        is_trailing = request.type is OrderType.TRAILING_STOP
        fields["trail_price" if is_trailing else "stop_price"] = amount(request.stop_price)
    if request.order_class is not OrderClass.SIMPLE:
        fields["order_class"] = request.order_class.value
        if request.take_profit_price is not None:
            fields["take_profit"] = {"limit_price": amount(request.take_profit_price)}
        if request.stop_loss_price is not None:
            fields["stop_loss"] = {"stop_price": amount(request.stop_loss_price)}
    return fields


def patch_fields(request: OrderRequest) -> dict[str, object]:
    """Return the body of PATCH /v2/orders/{id}: prices and our new id.

    The quantity is left out: the broker keeps it, and it refuses a quantity on some legs.
    """
    fields: dict[str, object] = {"client_order_id": request.client_order_id}
    if request.limit_price is not None:
        fields["limit_price"] = amount(request.limit_price)
    if request.stop_price is not None:
        fields["stop_price"] = amount(request.stop_price)
    return fields


def is_answer_to(request: OrderRequest, order: BrokerOrder) -> bool:
    """Whether an order that the broker shows is the one that was asked for.

    The quantity of a replacement is the broker's business; everything else must agree.
    """
    same = (
        order.client_order_id == request.client_order_id
        and order.symbol == request.symbol
        and order.side is request.side
    )
    return same and (request.replaces is not None or order.qty == request.qty)
