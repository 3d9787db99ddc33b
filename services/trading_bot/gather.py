"""Reads the broker once per turn: account, orders, positions; and keeps why a read failed.

A failed or partial read is "unknown", never an empty list (ORDER_PATH.md rule 18): without account
or orders there is no picture; one without positions says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import ConfigFault, SystemFault
from shared.events.types import Event, OrderSeen
from shared.models.broker import Asset, BrokerFill, BrokerOrder
from shared.models.portfolio import Account, Position
from shared.models.trading_state import BotState
from shared.ports import Broker

OVERLAP = timedelta(minutes=2)
"""Market time by which every list is read again: submission times may move a little."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The broker's own word at one market moment, read in one piece."""

    at: datetime
    account: Account
    orders: tuple[BrokerOrder, ...]
    positions: Mapping[str, Position] | None
    """None: they could not be read."""


class BrokerEye:
    """Reads pictures. `fault` says why the last read failed, None when it did not."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._assets: dict[str, Asset] = {}
        self._seen: dict[str, BrokerOrder] = {}
        self.fault: SystemFault | None = None
        self.account: Account | None = None
        """The account as the last look read it, None when it could not."""

    def look(self, state: BotState, now: datetime) -> Picture | None:
        """Return the picture, or None; `fault` says what could not be read. Raises ConfigFault when
        the broker refuses our keys: no retry can mend that.

        Orders first, then positions: a fill in between shows in the orders' next reading.
        """
        self.account = None
        try:
            self.account = self._broker.account()
        except ConfigFault:
            raise
        except SystemFault as fault:
            self.fault = fault
            return None
        orders = self._orders(state, now)
        if orders is None:
            return None
        return Picture(now, self.account, orders, self._positions())

    def _positions(self) -> Mapping[str, Position] | None:
        try:
            return {held.symbol: held for held in self._broker.positions()}
        except ConfigFault:
            raise
        except SystemFault as fault:
            self.fault = fault
            return None

    def fills(self, after: datetime) -> tuple[BrokerFill, ...]:
        """Return the fill activities since then; raises SystemFault."""
        return self._broker.fills(after)

    def asset(self, symbol: str) -> Asset | None:
        """Return what the broker says of a symbol, asked once; None when it cannot be known."""
        known = self._assets.get(symbol)
        if known is not None:
            return known
        try:
            asset = self._broker.asset(symbol)
        except SystemFault:
            return None
        if asset is not None:
            self._assets[symbol] = asset
        return asset

    def glance(self, state: BotState, now: datetime) -> tuple[Event, ...] | None:
        """Read the orders alone and return their news, or None; `fault` says why. Raises as `look`
        does. An entry that fills is told by its order, and each further call costs naked time.
        """
        orders = self._orders(state, now)
        return self._news(orders, now) if orders is not None else None

    def _orders(self, state: BotState, now: datetime) -> tuple[BrokerOrder, ...] | None:
        try:
            orders = self._broker.orders("all", after=orders_since(state, now))
        except ConfigFault:
            raise
        except SystemFault as fault:
            self.fault = fault
            return None
        self.fault = None
        return orders

    def news(self, picture: Picture) -> tuple[Event, ...]:
        """Return an event for each order that the broker shows otherwise than last time."""
        return self._news(picture.orders, picture.at)

    def _news(self, orders: tuple[BrokerOrder, ...], at: datetime) -> tuple[Event, ...]:
        events = tuple(
            OrderSeen(order, at)
            for order in orders
            if self._seen.get(order.broker_order_id) != order
        )
        self._seen = {order.broker_order_id: order for order in orders}
        return events


def orders_since(state: BotState, now: datetime | None = None) -> datetime | None:
    """Return from when on orders must be read: the oldest that lives, or the last reconciling;
    never from later than `now` when it is given, since a clock may have gone back.

    None, everything, when this account was never reconciled.
    """
    if state.reconciled_at is None:
        return None
    moments = [min(state.reconciled_at, now or state.reconciled_at)]
    moments += [order.created_at for order in state.orders.live() if order.created_at is not None]
    return min(moments) - OVERLAP
