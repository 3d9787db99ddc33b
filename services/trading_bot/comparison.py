"""Does our state equal the exchange's truth? Pure; each difference is one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from services.trading_bot.gather import Picture
from shared.models.broker import BrokerOrder
from shared.models.orders import Order
from shared.models.portfolio import Position
from shared.models.trading_state import BotState

ZERO = Decimal(0)


def differences(state: BotState, picture: Picture) -> tuple[str, ...]:
    """Return everything in which positions, cash-free, and working orders differ."""
    if picture.positions is None:
        return ("the exchange does not say what it holds",)
    positions = _position_differences(state, picture.positions)
    return (*positions, *_order_differences(state, picture))


def _position_differences(state: BotState, held: Mapping[str, Position]) -> list[str]:
    found = []
    symbols = state.positions.keys() | state.external_positions.keys() | held.keys()
    for symbol in sorted(symbols):
        ours = state.positions.get(symbol)
        external = state.external_positions.get(symbol)
        shown = held.get(symbol)
        expected = sum((known.qty for known in (ours, external) if known is not None), ZERO)
        actual = shown.qty if shown is not None else ZERO
        if expected != actual:
            found.append(f"{symbol}: we hold {expected}, the exchange {actual}")
    return found


def _order_differences(state: BotState, picture: Picture) -> list[str]:
    shown = {order.broker_order_id: order for order in _flat(picture.orders)}
    found = []
    for order in state.orders.values():
        if order.status.is_terminal:
            continue
        at_broker = shown.get(order.broker_order_id or "")
        if at_broker is None:
            found.append(f"{_name(order)} is {order.status.value} here, unknown to the exchange")
        elif (at_broker.status, at_broker.filled_qty) != (order.status, order.filled_qty):
            found.append(
                f"{_name(order)} is {order.status.value} {order.filled_qty} here, "
                f"{at_broker.status.value} {at_broker.filled_qty} there"
            )
    for broker_id, seen in shown.items():
        if seen.status.is_live and state.orders.by_broker_id(broker_id) is None:
            found.append(f"{seen.side.value} {seen.qty} {seen.symbol} works there, unknown here")
    return found


def _name(order: Order) -> str:
    return f"{order.role.value} {order.side.value} {order.qty} {order.symbol}"


def _flat(orders: tuple[BrokerOrder, ...]) -> list[BrokerOrder]:
    return [each for order in orders for each in (order, *_flat(order.legs))]
