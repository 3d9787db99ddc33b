"""Carries out what the desk accepted: new orders work, cancellations and replacements happen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.exchange_sim import groups
from services.exchange_sim.books import Books
from services.exchange_sim.desk import Desk
from services.exchange_sim.records import ZERO, LegRole, SimOrder
from services.exchange_sim.trailing import marked
from shared.models.orders import OrderStatus


class Settling:
    """Settles accepted requests on the books."""

    def __init__(self, books: Books, desk: Desk) -> None:
        self._books = books
        self._desk = desk

    def settle(self, at: datetime, is_open: bool) -> list[SimOrder]:
        """Carry out every accepted request that is due; return the orders that began to work."""
        begun = []
        for waiting in self._books.unsettled():
            order = self._books.orders[waiting.id]
            if not self._is_due(order, at):
                continue
            if order.status is OrderStatus.PENDING_CANCEL:
                groups.end_with_group(self._books, order, OrderStatus.CANCELED, at)
            elif order.status is OrderStatus.PENDING_REPLACE:
                begun.extend(self._swap(order, at, is_open))
            elif order.status is OrderStatus.PENDING_NEW:
                begun.extend(self._begin(order, at))
        return begun

    def _is_due(self, order: SimOrder, at: datetime) -> bool:
        switches = self._books.switches
        lag_s = 0.0
        if order.status is OrderStatus.PENDING_CANCEL:
            if switches.stuck_cancels:
                return False
            lag_s = switches.cancel_lag_s
        elif order.status is OrderStatus.PENDING_REPLACE:
            lag_s = switches.replace_lag_s
        if lag_s <= 0 or order.asked_at is None:
            return True
        return at - order.asked_at >= timedelta(seconds=lag_s)

    def _begin(self, order: SimOrder, at: datetime) -> list[SimOrder]:
        if order.replaces is None:
            return [self._desk.activate(order, at)]
        old = self._books.find(order.replaces)
        if old is None or old.status is not OrderStatus.PENDING_REPLACE:
            self._reject(order, at)
        return []

    def _swap(self, old: SimOrder, at: datetime, is_open: bool) -> list[SimOrder]:
        """Put the replacement in the old order's place and return it, or let the old one work
        on: its replacement expired first, or fills overtook the new quantity.
        """
        new = next((one for one in self._books.unsettled() if one.replaces == old.id), None)
        late = ZERO if new is None else old.filled_qty - new.filled_before
        if new is None or new.qty <= late:
            self._resume(old, at)
            if new is not None:
                self._reject(new, at)
            return []
        moment = self._books.stamp(at)
        gone = self._books.put(
            replace(
                old,
                status=OrderStatus.REPLACED,
                replaced_at=moment,
                replaced_by=new.id,
                updated_at=moment,
            )
        )
        groups.adopt(self._books, old, new)
        self._books.announce("replaced", gone)
        status = new.status
        if status is OrderStatus.PENDING_NEW:
            status = self._status_after_swap(new, is_open)
        if old.hwm is not None:
            new = marked(new, old.hwm)
        works = not new.inert and status is not OrderStatus.ACCEPTED
        began = self._books.stamp(at)
        new = self._books.put(
            replace(
                new,
                qty=new.qty - late,
                status=status,
                working_since=at if works else None,
                submitted_at=began,
                updated_at=began,
            )
        )
        if status is OrderStatus.NEW:
            self._books.announce("new", new)
        return [new]

    def _resume(self, old: SimOrder, at: datetime) -> None:
        status = self._status_after_swap(old, is_open=True)
        if old.filled_qty > 0:
            status = OrderStatus.PARTIALLY_FILLED
        self._books.put(replace(old, status=status, updated_at=self._books.stamp(at)))

    def _status_after_swap(self, new: SimOrder, is_open: bool) -> OrderStatus:
        beside_target = new.role is LegRole.STOP and any(
            one.role is LegRole.TARGET and one.is_live for one in self._books.group(new)
        )
        if new.inert or beside_target:
            return OrderStatus.HELD
        return OrderStatus.NEW if is_open or new.extended_hours else OrderStatus.ACCEPTED

    def _reject(self, new: SimOrder, at: datetime) -> None:
        """The old order was filled before the swap: the replacement never lived."""
        moment = self._books.stamp(at)
        failed = self._books.put(
            replace(new, status=OrderStatus.REJECTED, failed_at=moment, updated_at=moment)
        )
        old = self._books.find(new.replaces or "")
        if old is not None:
            self._books.announce("order_replace_rejected", old)
        self._books.announce("rejected", failed)
