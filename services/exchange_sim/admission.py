"""Whether the account may send this order now: shares, money, wash trades, shorts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.exchange_sim.account import (
    MARGIN_EQUITY_MIN,
    Worth,
    available_qty,
    cost_price,
    opening_qty,
)
from services.exchange_sim.records import ZERO, Configuration, Refusal, SimOrder, SimPosition
from shared.models.orders import OrderClass, OrderType, Side

FORBIDDEN = 403
REFUSED = 40310000
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


@dataclass(frozen=True, slots=True)
class Standing:
    """What the books and the market say at the moment of the request."""

    configuration: Configuration
    position: SimPosition | None
    symbol_orders: Sequence[SimOrder]
    """Live orders of the symbol; for a replacement without the order it replaces."""
    worth: Worth
    """Its reservations are those of every other order."""
    bid_ask: tuple[Decimal, Decimal]


def refused(message: str, **fields: object) -> Refusal:
    """Return a 403 with Alpaca's one code for many reasons."""
    return Refusal(FORBIDDEN, REFUSED, message, fields)


def plain(value: Decimal) -> str:
    """Write a number as Alpaca does: no exponent, no trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_admission(order: SimOrder, standing: Standing) -> None:
    """Refuse an order that this account may not send; raises Refusal."""
    if standing.configuration.suspend_trade:
        raise refused("new orders are rejected by user request")
    _check_wash(order, standing)
    closes = _check_shares(order, standing)
    if not closes:
        _check_money(order, standing)


def _check_wash(order: SimOrder, standing: Standing) -> None:
    if order.is_complex:
        return
    for other in standing.symbol_orders:
        if other.side is order.side or other.is_complex or not other.is_live:
            continue
        reason = _wash_reason(order, other)
        if reason:
            raise refused(
                "potential wash trade detected. use complex orders",
                reject_reason=reason,
                existing_order_id=other.id,
            )


def _wash_reason(order: SimOrder, other: SimOrder) -> str:
    kinds = {order.type, other.type}
    if OrderType.MARKET in kinds or kinds & _STOPS:
        return "opposite side market/stop order exists"
    buy, sell = (order, other) if order.side is Side.BUY else (other, order)
    crosses = (
        buy.limit_price is not None
        and sell.limit_price is not None
        and buy.limit_price >= sell.limit_price
    )
    return "opposite side limit order exists" if crosses else ""


def _check_shares(order: SimOrder, standing: Standing) -> bool:
    """Return whether the order only closes shares that are there and free."""
    position = standing.position
    held_side = position is not None and (position.qty > 0) is (order.side is Side.SELL)
    if position is not None and held_side:
        free = abs(available_qty(position, standing.symbol_orders))
        if order.qty - order.filled_qty > free:
            raise _too_few(order, position, free)
        return True
    if order.order_class is OrderClass.OCO:
        raise refused(
            "oco orders must be exit orders: insufficient qty available for order "
            f"(requested: {plain(order.qty)}, available: 0)",
            available="0",
            existing_qty="0",
            held_for_orders="0",
            symbol=order.symbol,
        )
    if order.side is Side.SELL:
        _check_short(order, standing)
    return False


def _too_few(order: SimOrder, position: SimPosition, free: Decimal) -> Refusal:
    return refused(
        "insufficient qty available for order "
        f"(requested: {plain(order.remaining)}, available: {plain(free)})",
        available=plain(free),
        existing_qty=plain(abs(position.qty)),
        held_for_orders=plain(abs(position.qty) - free),
        symbol=order.symbol,
    )


def _check_short(order: SimOrder, standing: Standing) -> None:
    poor = standing.worth.equity < MARGIN_EQUITY_MIN
    if standing.configuration.no_shorting or poor:
        raise refused("account is not allowed to short")
    if order.qty != order.qty.to_integral_value():
        raise refused("fractional orders cannot be sold short")


def _check_money(order: SimOrder, standing: Standing) -> None:
    opening = opening_qty(order, standing.position)
    cost = opening * cost_price(order, standing.bid_ask)
    power = standing.worth.buying_power()
    if cost > power:
        raise refused(
            "insufficient buying power",
            buying_power=plain(power.quantize(Decimal("0.01"))),
            cost_basis=plain(cost),
        )


def reservation(
    order: SimOrder, position: SimPosition | None, bid_ask: tuple[Decimal, Decimal]
) -> Decimal:
    """Return what a live order keeps back from the buying power, in dollars."""
    if order.inert or not order.is_live or (order.is_complex and order.parent_id is not None):
        return ZERO
    return opening_qty(order, position) * cost_price(order, bid_ask)
