"""Alpaca's shapes of orders, activities and events: money as strings, RFC 3339 stamps. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.exchange_sim import groups
from services.exchange_sim.admission import plain
from services.exchange_sim.books import Books
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.naming import asset_id
from services.exchange_sim.records import SimFill, SimOrder, TradeEvent
from shared.models.orders import OrderClass

Document = dict[str, Any]


def stamp(moment: datetime) -> str:
    """Write a moment with nine fraction digits and Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def stamp_or_null(moment: datetime | None) -> str | None:
    """Write a moment, or null."""
    return None if moment is None else stamp(moment)


def new_york_stamp(moment: datetime) -> str:
    """Write a moment with New York's offset, as the clock endpoint does."""
    local = moment.astimezone(NEW_YORK)
    text = local.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000"
    offset = local.strftime("%z")
    return f"{text}{offset[:3]}:{offset[3:]}"


def money(value: Decimal | None) -> str | None:
    """Write a number as a string, or null."""
    return None if value is None else plain(value)


def cents(value: Decimal) -> str:
    """Write dollars, rounded to cents."""
    return plain(value.quantize(Decimal("0.01")))


def order_document(books: Books, order: SimOrder, *, nested: bool = True) -> Document:
    """Return an order as the API shows it, with its legs when they are nested under it."""
    legs = groups.nested_children(books, order) if nested else []
    simple = order.order_class is OrderClass.SIMPLE
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at),
        "submitted_at": stamp(order.submitted_at),
        "filled_at": stamp_or_null(order.filled_at),
        "expired_at": stamp_or_null(order.expired_at),
        "expires_at": stamp_or_null(order.expires_at),
        "canceled_at": stamp_or_null(order.canceled_at),
        "failed_at": stamp_or_null(order.failed_at),
        "replaced_at": stamp_or_null(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": None,
        "qty": plain(order.qty),
        "filled_qty": plain(order.filled_qty),
        "filled_avg_price": money(order.filled_avg_price),
        "order_class": "" if simple else order.order_class.value,
        "order_type": order.type.value,
        "type": order.type.value,
        "side": order.side.value,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force.value,
        "limit_price": money(order.limit_price),
        "stop_price": money(order.stop_price),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": [order_document(books, leg) for leg in legs] or None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
    }


def event_document(books: Books, event: TradeEvent) -> Document:
    """Return a message of the trade_updates stream."""
    data: Document = {
        "event": event.event,
        "execution_id": event.execution_id,
        "order": order_document(books, event.order),
        "timestamp": stamp(event.at),
        "at": stamp(event.at),
        "event_id": f"{event.at:%Y%m%d%H%M%S%f}::{event.execution_id}",
    }
    if event.fill is not None:
        data["price"] = plain(event.fill.price)
        data["qty"] = plain(event.fill.qty)
        data["position_qty"] = plain(event.fill.position_qty)
    return {"stream": "trade_updates", "data": data}


def activity_id(fill: SimFill) -> str:
    """Return the id of a FILL activity: time, then the execution; rises with time."""
    at = fill.at.astimezone(UTC)
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{fill.execution_id}"


def activity_document(fill: SimFill) -> Document:
    """Return a FILL activity."""
    return {
        "id": activity_id(fill),
        "activity_type": "FILL",
        "transaction_time": stamp(fill.at),
        "type": fill.kind,
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "side": fill.side.value,
        "symbol": fill.symbol,
        "leaves_qty": plain(fill.leaves_qty),
        "order_id": fill.order_id,
        "cum_qty": plain(fill.cum_qty),
        "order_status": fill.order_status.value,
    }
