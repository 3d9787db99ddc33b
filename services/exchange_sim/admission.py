"""Whether the account may send this order now: shares, money, wash trades, shorts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.exchange_sim.account import (
    Worth,
    cost_price,
    opening_qty,
)
from services.exchange_sim.records import ZERO, Configuration, Refusal, SimOrder, SimPosition
from services.exchange_sim.switches import Switches
from services.exchange_sim.ticket import bad_order
from services.exchange_sim.wash import wash_reason
from shared.models.orders import OrderClass, Side

FORBIDDEN = 403
REFUSED = 40310000
_AMOUNT_MIN = Decimal(1)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the books and the market say at the moment of the request."""

    configuration: Configuration
    position: SimPosition | None
    free: Decimal
    """Shares of the position that no closing order holds; for a replacement the order that it
    replaces holds none.
    """
    rivals: Sequence[SimOrder]
    """Resting orders of the other side: if none of these would trade with the order, none would.
    """
    worth: Worth
    """Its reservations are those of every other order."""
    bid_ask: tuple[Decimal, Decimal]
    switches: Switches


def refused(message: str, **fields: object) -> Refusal:
    """Return a 403 with Alpaca's one code for many reasons."""
    return Refusal(FORBIDDEN, REFUSED, message, fields)


def plain(value: Decimal) -> str:
    """Write a number as Alpaca does: no exponent, no trailing zeros."""
    text = format(value or ZERO, "f")  # no minus before a zero
    return text.rstrip("0").rstrip(".") if "." in text else text


def check_admission(order: SimOrder, standing: Standing) -> None:
    """Refuse an order that this account may not send; raises Refusal."""
    if standing.configuration.suspend_trade:
        raise refused("new orders are rejected by user request")
    _check_fraction(order, standing)
    _check_wash(order, standing)
    closes = _check_shares(order, standing)
    if closes:
        return
    if standing.worth.is_closing_only:
        raise refused("account is restricted to closing orders")
    _check_money(order, standing)


def _check_fraction(order: SimOrder, standing: Standing) -> None:
    if order.notional is None and order.qty == order.qty.to_integral_value():
        return
    if not standing.configuration.fractional_trading:
        raise refused("fractional trading is not enabled for this account")
    if order.symbol in standing.switches.not_fractionable:
        raise bad_order(f'asset "{order.symbol}" is not fractionable')
    amount = order.notional or order.qty * cost_price(order, standing.bid_ask)
    if amount < _AMOUNT_MIN and (order.notional is not None or order.side is Side.BUY):
        raise refused(f"cost basis must be >= minimal amount of order {_AMOUNT_MIN}")


def _check_wash(order: SimOrder, standing: Standing) -> None:
    for resting in standing.rivals:
        reason = wash_reason(order, resting)
        if reason:
            raise refused(
                "potential wash trade detected. use complex orders",
                reject_reason=reason,
                existing_order_id=resting.id,
            )


def _check_shares(order: SimOrder, standing: Standing) -> bool:
    """Return whether the order only closes shares that are there and free."""
    position = standing.position
    held_side = position is not None and (position.qty > 0) is (order.side is Side.SELL)
    if position is not None and held_side:
        free = standing.free
        if order.remaining <= free:
            return True
        exits_only = order.order_class is OrderClass.OCO
        if exits_only or not (standing.switches.over_close and free == abs(position.qty)):
            raise too_few(order.remaining, position, free)
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


def too_few(wanted: Decimal, position: SimPosition, free: Decimal) -> Refusal:
    """Return the refusal of closing more shares than are there and free."""
    return refused(
        "insufficient qty available for order "
        f"(requested: {plain(wanted)}, available: {plain(free)})",
        available=plain(free),
        existing_qty=plain(abs(position.qty)),
        held_for_orders=plain(abs(position.qty) - free),
        symbol=position.symbol,
    )


def _check_short(order: SimOrder, standing: Standing) -> None:
    if standing.configuration.no_shorting or not standing.worth.may_short:
        raise refused("account is not allowed to short")
    if order.notional is not None or order.qty != order.qty.to_integral_value():
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
