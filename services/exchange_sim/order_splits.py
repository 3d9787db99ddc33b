"""What a split does to the resting orders of its symbol.

Single limit and stop orders are converted at a forward split and cancelled at a reverse one,
orders of a group stay as they are (do-not-reduce, do-not-cancel), trailing stops are at the
broker's discretion: each a switch. A converted order is a new one that replaces the old.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from services.exchange_sim import groups
from services.exchange_sim.books import Books
from services.exchange_sim.records import ZERO, SimOrder
from services.exchange_sim.switches import SplitRule, Switches
from services.exchange_sim.trailing import trail_stop
from shared.models.numbers import round_to_tick
from shared.models.orders import OrderStatus, OrderType

_ONE = Decimal(1)
_PENDING = frozenset(
    {OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE}
)


def split_rule(order: SimOrder, ratio: Decimal, switches: Switches) -> SplitRule:
    """Return what becomes of an order at a split of `ratio` new shares for one."""
    if order.is_complex:
        return switches.split_groups
    if order.status in _PENDING:
        return SplitRule.CANCEL
    if order.type is OrderType.TRAILING_STOP:
        return switches.split_trailing
    return switches.split_forward if ratio > _ONE else switches.split_reverse


def converted(order: SimOrder, ratio: Decimal) -> SimOrder:
    """Return an order's open part in new shares; its quantity is whole and may be zero."""
    order = replace(
        order,
        qty=(order.remaining * ratio).to_integral_value(ROUND_DOWN),
        limit_price=_price(order.limit_price, ratio),
        stop_price=_price(order.stop_price, ratio),
        trail_price=_price(order.trail_price, ratio),
        hwm=_price(order.hwm, ratio),
        filled_qty=ZERO,
        filled_avg_price=None,
        filled_at=None,
    )
    if order.type is OrderType.TRAILING_STOP and order.hwm is not None:
        return replace(order, stop_price=trail_stop(order, order.hwm))
    return order


def _price(price: Decimal | None, ratio: Decimal) -> Decimal | None:
    return None if price is None else round_to_tick(price / ratio)


def split_orders(books: Books, symbol: str, ratio: Decimal, at: datetime) -> None:
    """Carry a split into the live orders of its symbol."""
    for known in books.live_orders(symbol):
        order = books.orders[known.id]
        if not order.is_live:
            continue  # it went with another one of its group
        rule = split_rule(order, ratio, books.switches)
        if rule is SplitRule.KEEP:
            continue
        new = converted(order, ratio)
        if rule is SplitRule.CANCEL or new.qty <= 0 or order.status in _PENDING:
            groups.end_with_group(books, order, OrderStatus.CANCELED, at)
        else:
            _put_in_place(books, order, new, at)


def _put_in_place(books: Books, old: SimOrder, new: SimOrder, at: datetime) -> None:
    moment = books.stamp(at)
    status = old.status
    if status is OrderStatus.PARTIALLY_FILLED:
        status = OrderStatus.NEW
    new = replace(
        new,
        id=books.new_name(),
        client_order_id=books.new_name(),
        seq=books.next_order_seq(),
        status=status,
        created_at=moment,
        submitted_at=moment,
        updated_at=moment,
        replaces=old.id,
    )
    gone = replace(
        old,
        status=OrderStatus.REPLACED,
        replaced_at=moment,
        replaced_by=new.id,
        updated_at=moment,
    )
    books.put(new)
    groups.adopt(books, old, new)
    books.announce("replaced", books.put(gone))
