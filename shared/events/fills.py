"""How much of an order is filled, and for how much: the same end for any order of news.

Fills are keyed by (broker order id, cumulative quantity) (ORDER_PATH.md rule 11). An order's own
total rules; activities count only for what they show beyond it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.orders import Order, OrderStatus, may_become
from shared.models.trading_state import EarlyFills, FillPart

ZERO = Decimal(0)
_COST_STEP = Decimal("0.000000001")

_TERMINAL_RANK = {
    OrderStatus.NOT_SENT: 0,
    OrderStatus.REPLACED: 1,
    OrderStatus.EXPIRED: 2,
    OrderStatus.CANCELED: 3,
    OrderStatus.REJECTED: 4,
    OrderStatus.FILLED: 5,
}
"""Which of two ends wins, so that their order of arrival does not matter."""

_PROGRESS = {status: 2 * number for number, status in enumerate(OrderStatus)}
# A leg is held once it is accepted and before it works: at one moment that is the order of words.
_PROGRESS[OrderStatus.HELD] = _PROGRESS[OrderStatus.PENDING_NEW] + 1
_UNFILLED_WORDS = frozenset(
    {
        OrderStatus.INTENT,
        OrderStatus.UNKNOWN,
        OrderStatus.NOT_SENT,
        OrderStatus.ACCEPTED,
        OrderStatus.PENDING_NEW,
        OrderStatus.NEW,
        OrderStatus.HELD,
    }
)


def stamp_of(seen: BrokerOrder) -> datetime:
    """Return when the broker last changed the order, by its own clock."""
    return seen.updated_at or seen.submitted_at or seen.created_at


def merge_seen(order: Order, seen: BrokerOrder) -> Order:
    """Return our order with what the broker showed; older and repeated news change nothing."""
    if order.status is OrderStatus.REJECTED and order.broker_order_id is None:
        # The refusal was of a request; something on the way may have sent it twice.
        order = replace(order, status=OrderStatus.UNKNOWN)
    stamp = stamp_of(seen)
    if _shows_nothing_new(order, seen, stamp):
        return order
    newest = order.updated_at is None or (stamp, _PROGRESS[seen.status]) >= (
        order.updated_at,
        _PROGRESS[order.status],
    )
    if newest or order.broker_order_id is None:
        order = _take_terms(order, seen, stamp)
    return replace(
        order,
        status=_status_after(order, seen, newest),
        replaced_by=seen.replaced_by or order.replaced_by,
        replaces=order.replaces or seen.replaces,
    )


def _shows_nothing_new(order: Order, seen: BrokerOrder, stamp: datetime) -> bool:
    """Whether all of it is known already; each cycle reads many orders that did not move."""
    return (
        stamp == order.updated_at
        and (seen.status is order.status or order.status.is_terminal)
        and seen.broker_order_id == order.broker_order_id
        and seen.replaced_by == order.replaced_by
        and seen.qty == order.qty
        and seen.stop_price == order.stop_price
        and seen.limit_price == order.limit_price
        and seen.expires_at == order.expires_at
    )


def _take_terms(order: Order, seen: BrokerOrder, stamp: datetime) -> Order:
    return replace(
        order,
        broker_order_id=order.broker_order_id or seen.broker_order_id,
        qty=max(seen.qty, order.filled_qty),
        type=seen.type,
        order_class=seen.order_class,
        time_in_force=seen.time_in_force,
        limit_price=seen.limit_price,
        stop_price=seen.stop_price,
        submitted_at=seen.submitted_at,
        updated_at=stamp,
        expires_at=seen.expires_at,
    )


def _status_after(order: Order, seen: BrokerOrder, newest: bool) -> OrderStatus:
    old, new = order.status, seen.status
    if old.is_terminal and new.is_terminal:
        takes = _TERMINAL_RANK[new] >= _TERMINAL_RANK[old]
    elif old.is_terminal:
        # Only NOT_SENT comes back to life: the late order of rule 10.
        takes = old is OrderStatus.NOT_SENT
    else:
        takes = new.is_terminal or newest
    return new if takes and may_become(old, new) else old


def with_fill(order: Order, qty: Decimal, cost: Decimal, at: datetime) -> Order:
    """Return the order filled up to `qty` for `cost` dollars; never less than before."""
    if qty < order.filled_qty or qty <= 0:
        return order
    if qty == order.filled_qty and order.filled_at is not None:
        at = min(at, order.filled_at)
    status = order.status
    total = max(order.qty, qty)
    if qty >= total:
        status = OrderStatus.FILLED
    elif status in _UNFILLED_WORDS:
        status = OrderStatus.PARTIALLY_FILLED
    return replace(
        order,
        qty=total,
        filled_qty=qty,
        filled_avg_price=cost / qty,
        filled_at=at,
        status=status if may_become(order.status, status) else order.status,
    )


def cost_of(order: Order) -> Decimal:
    """Return what the filled part came to, in dollars.

    The average may be a rounded quotient; nine digits bring back the exact sum of the fills.
    """
    return (order.filled_qty * (order.filled_avg_price or ZERO)).quantize(_COST_STEP)


def take_total(
    order: Order, early: EarlyFills | None, seen: BrokerOrder
) -> tuple[Order, EarlyFills | None]:
    """Take the order's own total; activities beyond it keep counting, those within it go."""
    if seen.filled_qty <= 0 or seen.filled_avg_price is None:
        return order, early
    if early is None and order.filled_at is not None and seen.filled_qty == order.filled_qty:
        same_price = seen.filled_avg_price == order.filled_avg_price
        if same_price and order.filled_at <= (seen.filled_at or stamp_of(seen)):
            return order, None
    at = seen.filled_at or stamp_of(seen)
    cost = seen.filled_qty * seen.filled_avg_price
    if early is None:
        return with_fill(order, seen.filled_qty, cost, at), None
    if seen.filled_qty < early.base_qty:
        return order, early
    parts = tuple(part for part in early.parts if part.cumulative_qty > seen.filled_qty)
    if not parts:
        return with_fill(order, seen.filled_qty, cost, at), None
    early = EarlyFills(seen.filled_qty, cost, parts)
    return _with_parts(order, early), early


def take_part(
    order: Order, early: EarlyFills | None, fill: BrokerFill
) -> tuple[Order, EarlyFills | None]:
    """Take one activity; it changes nothing when the order's own total covers it."""
    early = early or EarlyFills(order.filled_qty, cost_of(order), ())
    part = FillPart(fill.cumulative_qty, fill.qty, fill.price, fill.at)
    if part.cumulative_qty <= early.base_qty or part in early.parts:
        return order, early if early.parts else None
    parts = tuple(sorted((*early.parts, part), key=lambda one: (one.cumulative_qty, one.at)))
    early = EarlyFills(early.base_qty, early.base_cost, parts)
    return _with_parts(order, early), early


def _with_parts(order: Order, early: EarlyFills) -> Order:
    """Price the parts beyond the base; a gap takes the price of the part that closes it."""
    qty, cost = early.base_qty, early.base_cost
    for part in early.parts:
        cost += max(ZERO, part.cumulative_qty - qty) * part.price
        qty = max(qty, part.cumulative_qty)
    return with_fill(order, qty, cost, early.parts[-1].at)
