"""Bracket, OCO and OTO: how the orders of a group follow each other.

Legs are inert until the entry is completely filled; then the target is `new` and the stop
beside it `held`. One leg filled or cancelled cancels the other; a partial fill of one shrinks
the other. Both fill only when a switch says so. A cancelled or expired entry takes its inert
legs along: what was filled by then is naked, as at the real broker.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.exchange_sim.account import tradable_qty
from services.exchange_sim.books import Books
from services.exchange_sim.naming import seeded_fraction
from services.exchange_sim.records import ZERO, LegRole, SimOrder
from services.exchange_sim.switches import SiblingEnd
from shared.models.numbers import round_to_tick
from shared.models.orders import OrderStatus

_LEGS = (LegRole.TARGET, LegRole.STOP)
_PENDING = frozenset(
    {OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE}
)


def after_fill(books: Books, order: SimOrder, at: datetime) -> None:
    """Carry a fill into the order's group."""
    if order.role is LegRole.SINGLE:
        return
    if order.role is LegRole.ENTRY:
        if order.status is OrderStatus.FILLED:
            _activate_legs(books, order, at)
        return
    for other in _live_others(books, order):
        if other.replaces == order.id:
            continue  # settling.py shortens or rejects it
        if order.status is OrderStatus.FILLED:
            _end_sibling(books, order, other, at)
        elif order.remaining + other.filled_qty < other.qty:
            books.put(
                replace(
                    other,
                    qty=order.remaining + other.filled_qty,
                    updated_at=books.stamp(at),
                )
            )


def _end_sibling(books: Books, filled: SimOrder, other: SimOrder, at: datetime) -> None:
    switches = books.switches
    tradable = tradable_qty(
        other,
        books.positions.get(other.symbol),
        no_shorting=books.account.configuration.no_shorting,
    )
    races = not other.inert and other.working_since is not None and tradable == other.remaining
    if races and seeded_fraction("both", filled.id) < switches.both_exits_rate:
        price = filled.filled_avg_price or ZERO
        books.fill(other.id, other.remaining, round_to_tick(price), at)
    elif races and switches.sibling_end is SiblingEnd.REPLACED:
        moment = books.stamp(at)
        status = OrderStatus.REPLACED
        gone = replace(other, status=status, replaced_at=moment, updated_at=moment)
        books.announce("replaced", books.put(gone))
    else:
        silent = switches.sibling_end is SiblingEnd.SILENT
        end_order(books, other, OrderStatus.CANCELED, at, announced=not silent)


def _live_others(books: Books, order: SimOrder) -> list[SimOrder]:
    return [one for one in books.group(order) if one.id != order.id and one.is_live]


def _activate_legs(books: Books, entry: SimOrder, at: datetime) -> None:
    legs = [leg for leg in _live_others(books, entry) if leg.role in _LEGS and leg.inert]
    has_target = any(leg.role is LegRole.TARGET for leg in legs)
    for leg in legs:
        moment = books.stamp(at)
        if leg.status in _PENDING:
            # Asked to end or to be replaced while inert: settling.py carries that out.
            working_since = None if leg.status is OrderStatus.PENDING_NEW else at
            books.put(replace(leg, inert=False, working_since=working_since, updated_at=moment))
            continue
        beside_target = leg.role is LegRole.STOP and has_target
        status = OrderStatus.HELD if beside_target else OrderStatus.NEW
        sent = status is OrderStatus.NEW
        active = replace(
            leg,
            inert=False,
            working_since=at,
            status=status,
            submitted_at=moment if sent else leg.submitted_at,
            updated_at=moment,
        )
        books.put(active)
        if sent:
            books.announce("new", active)


def end_order(
    books: Books, order: SimOrder, status: OrderStatus, at: datetime, *, announced: bool = True
) -> SimOrder:
    """Cancel or expire one live order, without its group, and announce it."""
    moment = books.stamp(at)
    canceled = status is OrderStatus.CANCELED
    ended = books.put(
        replace(
            order,
            status=status,
            updated_at=moment,
            canceled_at=moment if canceled else order.canceled_at,
            expired_at=order.expired_at if canceled else moment,
        )
    )
    if announced:
        books.announce(status.value, ended)
    return ended


def end_with_group(books: Books, order: SimOrder, status: OrderStatus, at: datetime) -> None:
    """Cancel or expire an order and what cannot live without it: the inert legs of an entry,
    the other leg of a leg.
    """
    end_order(books, order, status, at)
    for other in _live_others(books, order):
        if order.role is LegRole.ENTRY and not other.inert:
            continue
        end_order(books, other, OrderStatus.CANCELED, at)


def adopt(books: Books, old: SimOrder, new: SimOrder) -> None:
    """Hand the children of a replaced order to the one that replaced it."""
    for child in books.group(old):
        if child.parent_id == old.id:
            books.put(replace(child, parent_id=new.id))


def is_entry_open(books: Books, order: SimOrder) -> bool:
    """Whether the order's group still has a live entry."""
    return any(one.role is LegRole.ENTRY and one.is_live for one in books.group(order))


def nested_children(books: Books, order: SimOrder) -> list[SimOrder]:
    """Return the legs that are shown under an order: those of an entry until its complete
    fill, and the stop of an OCO always.
    """
    if order.role is LegRole.SINGLE or order.group_id is None:
        return []
    if order.role is LegRole.ENTRY and order.status is OrderStatus.FILLED:
        return []
    children = [child for child in books.group(order) if child.parent_id == order.id]
    return sorted(children, key=lambda child: child.seq)


def is_nested(books: Books, order: SimOrder) -> bool:
    """Whether the order is shown under its parent."""
    if order.parent_id is None:
        return False
    parent = books.find(order.parent_id)
    return parent is not None and not (
        parent.role is LegRole.ENTRY and parent.status is OrderStatus.FILLED
    )
