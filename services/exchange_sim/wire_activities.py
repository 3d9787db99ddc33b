"""Alpaca's shapes of account activities: fills and what happens without an order. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from services.exchange_sim.admission import plain
from services.exchange_sim.market.calendar import new_york_day
from services.exchange_sim.movements import Activity, Movement, MovementKind
from services.exchange_sim.records import SimFill
from services.exchange_sim.wire import cents, stamp

FILL = "FILL"
KINDS = frozenset({FILL, *MovementKind})


def activity_kind(activity: Activity) -> str:
    """Return Alpaca's word for it."""
    return FILL if isinstance(activity, SimFill) else activity.kind.value


def activity_id(activity: Activity) -> str:
    """Return the id: time, then a name; rises with time. A movement has the day's midnight."""
    if isinstance(activity, Movement):
        return f"{new_york_day(activity.at):%Y%m%d}000000000::{activity.movement_id}"
    at = activity.at.astimezone(UTC)
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{activity.execution_id}"


def activity_document(activity: Activity) -> dict[str, Any]:
    """Return one row of /v2/account/activities."""
    if isinstance(activity, Movement):
        return _movement_document(activity)
    return {
        "id": activity_id(activity),
        "activity_type": FILL,
        "transaction_time": stamp(activity.at),
        "type": activity.kind,
        "price": plain(activity.price),
        "qty": plain(activity.qty),
        "side": activity.side.value,
        "symbol": activity.symbol,
        "leaves_qty": plain(activity.leaves_qty),
        "order_id": activity.order_id,
        "cum_qty": plain(activity.cum_qty),
        "order_status": activity.order_status.value,
    }


def _movement_document(movement: Movement) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": activity_id(movement),
        "activity_type": movement.kind.value,
        "date": new_york_day(movement.at).isoformat(),
        "created_at": stamp(movement.at),
        "net_amount": cents(movement.amount),
        "description": movement.description,
        "status": "executed",
        "currency": "USD",
    }
    if movement.symbol:
        document |= {"symbol": movement.symbol, "qty": plain(movement.qty)}
    if movement.per_share is not None:
        document["per_share_amount"] = plain(movement.per_share)
    return document
