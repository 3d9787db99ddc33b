"""Trailing stops, pure: the high-water mark only moves the favourable way, the stop follows it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.exchange_sim.records import ZERO, SimOrder
from shared.models.numbers import round_to_tick
from shared.models.orders import OrderType, Side

_HUNDRED = Decimal(100)


def trail_stop(order: SimOrder, mark: Decimal) -> Decimal:
    """Return the stop price that belongs to a high-water mark."""
    offset = order.trail_price or mark * (order.trail_percent or ZERO) / _HUNDRED
    return round_to_tick(mark - offset if order.side is Side.SELL else mark + offset)


def marked(order: SimOrder, price: Decimal) -> SimOrder:
    """Return the order after a price; the very same one when its mark does not move."""
    if order.type is not OrderType.TRAILING_STOP or order.triggered:
        return order
    mark = order.hwm
    if mark is not None and (price <= mark if order.side is Side.SELL else price >= mark):
        return order
    return replace(order, hwm=price, stop_price=trail_stop(order, price))
