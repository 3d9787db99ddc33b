"""What the logs and the ledger are still owed: one item per key, written once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from shared.models.json_values import encode_decimal
from shared.models.orders import Order, OrderStatus
from shared.models.trading_state import BotState, OutboxItem

_BEFORE_BROKER = frozenset({OrderStatus.INTENT, OrderStatus.UNKNOWN, OrderStatus.NOT_SENT})
_END_WORDS = {
    OrderStatus.REJECTED: "rejected",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.REPLACED: "replaced",
    OrderStatus.UNKNOWN: "ambiguous",
}


def post(state: BotState, items: Iterable[OutboxItem]) -> BotState:
    """Return the state owing these items too; a key that is owed already is not doubled."""
    owed = {item.key for item in state.outbox}
    fresh = tuple(item for item in items if item.key not in owed)
    return replace(state, outbox=(*state.outbox, *fresh)) if fresh else state


def order_item(order: Order, event: str, at: datetime, **more: str) -> OutboxItem:
    """Return a line of orders.jsonl: the order's step, in the words of CONTRACTS.md section 8."""
    facts = {
        "at": at.isoformat(),
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "qty": encode_decimal(order.qty),
        "role": order.role.value,
        "reason": order.reason,
        **more,
    }
    return OutboxItem(key=f"{event}:{order.client_order_id}", kind=event, facts=facts)


def change_items(old: Order | None, new: Order, at: datetime) -> tuple[OutboxItem, ...]:
    """Return the lines that the step from `old` to `new` owes: fill, acceptance, end."""
    items = []
    before = old.status if old is not None else OrderStatus.INTENT
    if before in _BEFORE_BROKER and new.status not in (*_BEFORE_BROKER, OrderStatus.REJECTED):
        items.append(order_item(new, "accepted", at, broker_order_id=new.broker_order_id or ""))
    filled_before = old.filled_qty if old is not None else Decimal(0)
    if new.filled_qty > filled_before:
        items.append(_fill_item(old, new, at))
    if new.status is not before and new.status in _END_WORDS:
        items.append(order_item(new, _END_WORDS[new.status], at))
    return tuple(items)


def _fill_item(old: Order | None, new: Order, at: datetime) -> OutboxItem:
    qty_before = old.filled_qty if old is not None else Decimal(0)
    price_before = (old.filled_avg_price if old is not None else None) or Decimal(0)
    qty = new.filled_qty - qty_before
    cost = new.filled_qty * (new.filled_avg_price or Decimal(0)) - qty_before * price_before
    price = (cost / qty).quantize(Decimal("0.000001")).normalize()
    trade_id = f"{new.broker_order_id}:{encode_decimal(new.filled_qty.normalize())}"
    item = order_item(
        new,
        "fill",
        new.filled_at or at,
        fill_qty=encode_decimal(qty),
        price=encode_decimal(price),
        trade_id=trade_id,
    )
    return replace(item, key=f"fill:{trade_id}")
