"""Replacing an order, and carrying out what the desk accepted.

PATCH makes a new order that stands behind the old one until `settle` swaps them: the old one
is `pending_replace` and may still fill, and then the new one is rejected.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from services.exchange_sim import groups
from services.exchange_sim.admission import check_admission, refused
from services.exchange_sim.books import Books
from services.exchange_sim.desk import GTC_LIFE, Desk, Moment
from services.exchange_sim.order_rules import check_amendment, check_stop_side
from services.exchange_sim.records import ZERO, LegRole, SimOrder
from services.exchange_sim.ticket import Amendment, bad_order
from shared.models.orders import OrderClass, OrderStatus, OrderType, Side, TimeInForce

_UNSENT = frozenset({OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW})
_REPLACEABLE = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.HELD})
_WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_WITH_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


class Amending:
    """Replaces orders and settles accepted requests."""

    def __init__(self, books: Books, desk: Desk) -> None:
        self._books = books
        self._desk = desk

    def replace(self, order_id: str, amendment: Amendment, moment: Moment) -> SimOrder:
        """Accept a replacement and return the new order; raises Refusal."""
        old = self._desk.order(order_id)
        self._check_status(old)
        check_amendment(amendment)
        self._check_fields(old, amendment)
        self._desk.check_client_id(amendment.client_order_id)
        new = self._replacement(old, amendment, moment)
        self._check_market(old, new, moment)
        stamp = self._books.stamp(moment.at)
        self._books.put(replace(old, status=OrderStatus.PENDING_REPLACE, updated_at=stamp))
        return self._books.put(replace(new, seq=self._books.next_order_seq()))

    @staticmethod
    def _check_status(old: SimOrder) -> None:
        if old.status in _UNSENT:
            raise bad_order("unable to replace order, order isn't sent to exchange yet")
        if old.status not in _REPLACEABLE:
            raise bad_order(f"cannot replace order in {old.status.value} status")
        if old.order_class is OrderClass.OTO and old.parent_id is not None:
            raise bad_order("oto legs cannot be replaced")

    @staticmethod
    def _check_fields(old: SimOrder, amendment: Amendment) -> None:
        if amendment.limit_price is not None and old.type not in _WITH_LIMIT:
            raise bad_order(f"{old.type.value} orders have no limit price")
        if amendment.stop_price is not None and old.type not in _WITH_STOP:
            raise bad_order(f"{old.type.value} orders have no stop price")
        if amendment.qty is None or amendment.qty == old.qty:
            return
        if old.is_complex:
            raise bad_order("only the prices of complex orders can be replaced")
        fractional = any(qty != qty.to_integral_value() for qty in (old.qty, amendment.qty))
        if fractional:
            raise bad_order("the quantity of fractional orders cannot be replaced")
        if amendment.qty <= old.filled_qty:
            raise bad_order("qty must be greater than the filled quantity")

    def _replacement(self, old: SimOrder, amendment: Amendment, moment: Moment) -> SimOrder:
        at = self._books.stamp(moment.at)
        tif = amendment.time_in_force or old.time_in_force
        gtc = tif is TimeInForce.GTC
        return replace(
            old,
            id=self._books.new_name(),
            client_order_id=amendment.client_order_id or self._books.new_name(),
            status=OrderStatus.PENDING_NEW,
            created_at=at,
            submitted_at=at,
            updated_at=at,
            working_since=None,
            triggered=False,
            qty=(amendment.qty or old.qty) - old.filled_qty,
            filled_qty=ZERO,
            filled_avg_price=None,
            filled_at=None,
            limit_price=amendment.limit_price or old.limit_price,
            stop_price=amendment.stop_price or old.stop_price,
            time_in_force=tif,
            expires_at=moment.at + GTC_LIFE if gtc else moment.session_close,
            replaces=old.id,
            replaced_by=None,
            filled_before=old.filled_qty,
        )

    def _check_market(self, old: SimOrder, new: SimOrder, moment: Moment) -> None:
        if self._books.account.configuration.suspend_trade:
            raise refused("new orders are rejected by user request")
        if new.stop_price is not None and not new.inert and new.stop_price != old.stop_price:
            current = self._desk.current_price(new.symbol, moment.at)
            check_stop_side(new.side, new.stop_price, current)
        if new.role in (LegRole.TARGET, LegRole.STOP):
            self._check_sides(old, new)
        else:
            check_admission(new, self._desk.standing(new, moment.at, without=old.id))

    def _check_sides(self, old: SimOrder, new: SimOrder) -> None:
        mine = self._reference(new)
        for other in self._books.group(old):
            if other.id == old.id or not other.is_live or other.role is LegRole.ENTRY:
                continue
            theirs = self._reference(other)
            target, stop = (mine, theirs) if new.role is LegRole.TARGET else (theirs, mine)
            if (target <= stop) if new.side is Side.SELL else (target >= stop):
                relation = ">" if new.side is Side.SELL else "<"
                raise bad_order(f"take_profit.limit_price must be {relation} stop_loss.stop_price")

    @staticmethod
    def _reference(leg: SimOrder) -> Decimal:
        price = leg.limit_price if leg.role is LegRole.TARGET else leg.stop_price
        return price or ZERO

    # --- carrying out

    def settle(self, at: datetime, is_open: bool) -> list[SimOrder]:
        """Carry out every accepted request; return the orders that began to work."""
        begun = []
        for waiting in self._books.unsettled():
            order = self._books.orders[waiting.id]
            if order.status is OrderStatus.PENDING_CANCEL:
                groups.end_with_group(self._books, order, OrderStatus.CANCELED, at)
            elif order.status is OrderStatus.PENDING_REPLACE:
                begun.extend(self._swap(order, at, is_open))
            elif order.status is OrderStatus.PENDING_NEW:
                if order.replaces is None:
                    begun.append(self._desk.activate(order, at))
                else:
                    self._reject(order, at)
        return begun

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
        works = not new.inert and status is not OrderStatus.ACCEPTED
        new = self._books.put(
            replace(
                new,
                qty=new.qty - late,
                status=status,
                working_since=at if works else None,
                submitted_at=self._books.stamp(at),
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
        return OrderStatus.NEW if is_open else OrderStatus.ACCEPTED

    def _reject(self, new: SimOrder, at: datetime) -> None:
        """The old order was filled before the swap: the replacement never lived."""
        moment = self._books.stamp(at)
        failed = self._books.put(
            replace(new, status=OrderStatus.REJECTED, failed_at=moment, updated_at=moment)
        )
        self._books.announce("order_replace_rejected", self._books.orders[new.replaces or ""])
        self._books.announce("rejected", failed)
