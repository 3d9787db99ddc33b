"""Alpaca's shapes of orders and events: money as strings, RFC 3339 stamps. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.exchange_sim import groups
from services.exchange_sim.account import working_limit
from services.exchange_sim.admission import plain
from services.exchange_sim.books import Books
from services.exchange_sim.market.calendar import NEW_YORK
from services.exchange_sim.naming import asset_id, seeded_uuid
from services.exchange_sim.records import SimOrder, TradeEvent
from shared.models.orders import OrderClass, OrderType, Side

Document = dict[str, Any]


def stamp(moment: datetime) -> str:
    """Write a moment with nine fraction digits and Z."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "000Z"


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
    shown = [order_document(books, leg) for leg in legs]
    return {**_document_without_legs(books, order), "legs": shown or None}


def _document_without_legs(books: Books, order: SimOrder) -> Document:
    """Return what of an order follows from itself and the switches, rendered once."""
    kept = books.shown.get(order.id)
    if kept is not None and kept[0] is order and kept[1] is books.switches:
        return kept[2]
    document = _rendered(books, order)
    if books.orders.get(order.id) is order:
        books.shown[order.id] = order, books.switches, document
    return document


def _rendered(books: Books, order: SimOrder) -> Document:
    simple = order.order_class is OrderClass.SIMPLE
    kind, limit = _shown_kind(books, order)
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
        "notional": money(order.notional),
        "qty": plain(order.qty) if order.notional is None else None,
        "filled_qty": plain(order.filled_qty),
        "filled_avg_price": money(order.filled_avg_price),
        "order_class": "" if simple else order.order_class.value,
        "order_type": kind.value,
        "type": kind.value,
        "side": order.side.value,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force.value,
        "limit_price": money(limit),
        "stop_price": money(order.stop_price),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": None,
        "trail_percent": money(order.trail_percent),
        "trail_price": money(order.trail_price),
        "hwm": money(order.hwm),
        "subtag": None,
        "source": None,
    }


def _shown_kind(books: Books, order: SimOrder) -> tuple[OrderType, Decimal | None]:
    buy_stop = order.type is OrderType.STOP and order.side is Side.BUY
    if buy_stop and books.switches.buy_stop_shown_as_limit:
        return OrderType.STOP_LIMIT, working_limit(order)
    return order.type, order.limit_price


def event_document(books: Books, event: TradeEvent) -> Document:
    """Return a message of the trade_updates stream."""
    execution = event.execution_id
    if books.switches.own_stream_ids:
        execution = seeded_uuid("stream", execution)
    data: Document = {
        "event": event.event,
        "execution_id": execution,
        "order": order_document(books, event.order),
        "timestamp": stamp(event.at),
        "at": stamp(event.at),
        "event_id": f"{event.at:%Y%m%d%H%M%S%f}::{execution}",
    }
    if event.fill is not None:
        data["price"] = plain(event.fill.price)
        data["qty"] = plain(event.fill.qty)
        data["position_qty"] = plain(event.fill.position_qty)
    return {"stream": "trade_updates", "data": data}
