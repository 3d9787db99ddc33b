"""Which order would trade with another one of the same account: Alpaca's wash table. Pure."""

from __future__ import annotations

from decimal import Decimal

from services.exchange_sim.records import SimOrder
from shared.models.orders import OrderType, Side

AT_ANY_PRICE = frozenset({OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT})
MARKET_OR_STOP = "opposite side market/stop order exists"
LIMIT = "opposite side limit order exists"


def wash_reason(order: SimOrder, resting: SimOrder) -> str:
    """Return why the new order may not stand beside the resting one; empty when it may.

    Markets and stops are refused against every opposite order, limits only when they cross;
    orders of a group and trailing stops are exempt on either side.
    """
    if order.side is resting.side or is_exempt(order) or is_exempt(resting):
        return ""
    if not resting.is_live:
        return ""
    if {order.type, resting.type} & AT_ANY_PRICE:
        return MARKET_OR_STOP
    return LIMIT if _limit(order, Side.BUY, resting) >= _limit(order, Side.SELL, resting) else ""


def is_exempt(order: SimOrder) -> bool:
    """Whether the order may stand beside any other one."""
    return order.is_complex or order.type is OrderType.TRAILING_STOP


def _limit(order: SimOrder, side: Side, resting: SimOrder) -> Decimal:
    price = (order if order.side is side else resting).limit_price
    if price is None:
        raise ValueError("a limit order without a limit price")
    return price
