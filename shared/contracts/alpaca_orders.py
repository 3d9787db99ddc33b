"""What Alpaca promises of orders, fills and trade updates.

An unknown word on an order of ours stops us (SchemaDrift); on a foreign order in a list it is
skipped and reported, so that another client's novelty does not blind us to our own orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from shared.contracts.drift import SchemaDrift
from shared.contracts.fields import Fields, as_list
from shared.contracts.growth import GROWTH
from shared.models.broker import BrokerFill, BrokerOrder, TradeUpdate
from shared.models.ids import parse_own_id
from shared.models.orders import OrderClass, OrderStatus, OrderType, Side, TimeInForce

_ZERO = Decimal(0)
LEGS_MAX = 10
"""A bracket has two, the largest option order four; the ids of ours are remembered."""
_OUR_OWN_STATUSES = frozenset({OrderStatus.INTENT, OrderStatus.UNKNOWN, OrderStatus.NOT_SENT})
_SIDE_WORDS = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL}
"""Activities say sell_short for a sale that opens a short."""

IsOurs = Callable[[str, str], bool]
"""(broker order id, client order id) → whether the order is ours."""


def is_own_client_id(_broker_order_id: str, client_order_id: str) -> bool:
    """Say by the client id alone whether an order is ours; legs need the stored ids."""
    return parse_own_id(client_order_id) is not None


@dataclass(frozen=True, slots=True)
class OrderList:
    """A checked list: the orders, and the drifts of foreign ones that were skipped."""

    orders: tuple[BrokerOrder, ...]
    skipped: tuple[SchemaDrift, ...]


def read_order(raw: object, path: str = "order") -> BrokerOrder:
    """Return one order with its legs."""
    fields = Fields(raw, path)
    GROWTH.see("order", fields.raw)
    qty = fields.money_above("qty", _ZERO)
    filled = fields.money_from("filled_qty", _ZERO)
    if filled > qty:
        raise fields.drift("filled_qty", f"at most qty {qty}")
    if filled > 0 and fields.raw.get("filled_avg_price") is None:
        raise fields.drift("filled_avg_price", f"a price, as {filled} are filled")
    status = fields.choice("status", OrderStatus)
    if status is OrderStatus.FILLED and filled != qty:
        raise fields.drift("filled_qty", f"qty {qty}, as status filled says")
    if status in _OUR_OWN_STATUSES:
        raise fields.drift("status", "a status of the broker")
    kind = fields.choice("type", OrderType)
    limit_price = fields.optional_money_above("limit_price", _ZERO)
    stop_price = fields.optional_money_above("stop_price", _ZERO)
    if limit_price is None and kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        raise fields.drift("limit_price", f"a price, as type {kind.value} has one")
    if stop_price is None and kind in (OrderType.STOP, OrderType.STOP_LIMIT):
        raise fields.drift("stop_price", f"a price, as type {kind.value} has one")
    return BrokerOrder(
        broker_order_id=fields.text("id"),
        client_order_id=fields.text("client_order_id"),
        symbol=fields.text("symbol"),
        side=fields.choice("side", Side),
        qty=qty,
        filled_qty=filled,
        filled_avg_price=fields.optional_money_above("filled_avg_price", _ZERO),
        type=kind,
        order_class=_order_class(fields),
        time_in_force=fields.choice("time_in_force", TimeInForce),
        status=status,
        limit_price=limit_price,
        stop_price=stop_price,
        created_at=fields.moment("created_at"),
        submitted_at=fields.optional_moment("submitted_at"),
        updated_at=fields.optional_moment("updated_at"),
        filled_at=fields.optional_moment("filled_at"),
        expires_at=fields.optional_moment("expires_at"),
        replaced_by=fields.optional_text("replaced_by"),
        replaces=fields.optional_text("replaces"),
        legs=_legs(fields),
    )


def _order_class(fields: Fields) -> OrderClass:
    # Alpaca writes simple orders with an empty class.
    if fields.optional_text("order_class") is None:
        return OrderClass.SIMPLE
    return fields.choice("order_class", OrderClass)


def _legs(fields: Fields) -> tuple[BrokerOrder, ...]:
    raw = fields.raw.get("legs")
    if raw is None:
        return ()
    path = f"{fields.path}.legs"
    legs = as_list(raw, path)
    if len(legs) > LEGS_MAX:
        raise fields.drift("legs", f"at most {LEGS_MAX} legs")
    return tuple(read_order(leg, f"{path}[{i}]") for i, leg in enumerate(legs))


class ReadRows:
    """The rows of the last list with what was read of them: the same row says the same again."""

    def __init__(self) -> None:
        self._rows: dict[object, tuple[object, BrokerOrder]] = {}
        self._earlier: dict[object, tuple[object, BrokerOrder]] = {}

    def begin(self) -> None:
        """Begin another list; rows of the one before the last are forgotten."""
        self._earlier, self._rows = self._rows, {}

    def read(self, row: object, path: str) -> BrokerOrder:
        """Return the order of a row, checked anew unless it is equal to the last one of its id."""
        name = row.get("id") if isinstance(row, dict) else None
        if not isinstance(name, str):
            return read_order(row, path)
        kept = self._earlier.get(name)
        order = kept[1] if kept is not None and kept[0] == row else read_order(row, path)
        self._rows[name] = row, order
        return order


def read_orders(
    raw: object, is_ours: IsOurs = is_own_client_id, rows: ReadRows | None = None
) -> OrderList:
    """Return a list of orders; SchemaDrift for one of ours or one that nobody can name."""
    orders: list[BrokerOrder] = []
    skipped: list[SchemaDrift] = []
    known = rows or ReadRows()
    known.begin()
    for index, row in enumerate(as_list(raw, "orders")):
        path = f"orders[{index}]"
        try:
            orders.append(known.read(row, path))
        except SchemaDrift as drift:
            fields = Fields(row, path)
            if is_ours(fields.text("id"), fields.text("client_order_id")):
                raise
            skipped.append(drift)
    return OrderList(tuple(orders), tuple(skipped))


def read_fill(raw: object, path: str = "fill") -> BrokerFill:
    """Return one FILL activity. Whose it is cannot be told here, so any drift is raised."""
    fields = Fields(raw, path)
    if fields.text("activity_type") != "FILL":
        raise fields.drift("activity_type", "FILL")
    side = _SIDE_WORDS.get(fields.text("side"))
    if side is None:
        raise fields.drift("side", "buy, sell or sell_short")
    qty = fields.money_above("qty", _ZERO)
    return BrokerFill(
        activity_id=fields.text("id"),
        broker_order_id=fields.text("order_id"),
        symbol=fields.text("symbol"),
        side=side,
        qty=qty,
        cumulative_qty=fields.money_from("cum_qty", qty),
        price=fields.money_above("price", _ZERO),
        at=fields.moment("transaction_time"),
    )


def read_fills(raw: object) -> tuple[BrokerFill, ...]:
    """Return a page of FILL activities."""
    rows = as_list(raw, "fills")
    return tuple(read_fill(row, f"fills[{i}]") for i, row in enumerate(rows))


def read_trade_update(raw: object) -> TradeUpdate:
    """Return one event of the trade_updates stream; unknown event words pass as they are.

    `at` is the event's stamp or, on events that carry none, the order's own.
    """
    fields = Fields(raw, "trade_update")
    event = fields.text("event")
    order = read_order(fields.raw.get("order"), "trade_update.order")
    is_fill = event in ("fill", "partial_fill")
    at = fields.moment("timestamp") if is_fill else fields.optional_moment("timestamp")
    return TradeUpdate(
        event=event,
        order=order,
        at=at or order.updated_at or order.created_at,
        price=fields.money_above("price", _ZERO) if is_fill else None,
        qty=fields.money_above("qty", _ZERO) if is_fill else None,
    )
