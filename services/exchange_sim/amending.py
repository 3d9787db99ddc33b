"""Replacing an order.

PATCH makes a new order that stands behind the old one until settling.py swaps them: the old one
is `pending_replace` and may still fill, and then the new one is rejected.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.exchange_sim.admission import check_admission, refused
from services.exchange_sim.books import Books
from services.exchange_sim.desk import Desk
from services.exchange_sim.drafting import Moment, expiry
from services.exchange_sim.order_rules import check_amendment, check_stop_side
from services.exchange_sim.records import ZERO, LegRole, SimOrder
from services.exchange_sim.ticket import Amendment, bad_order
from services.exchange_sim.trailing import trail_stop
from shared.models.orders import OrderClass, OrderStatus, OrderType, Side, TimeInForce

_UNSENT = frozenset({OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW})
_REPLACEABLE = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.HELD})
_WITH_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_WITH_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


class Amending:
    """Accepts replacements."""

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
        self._check_time_in_force(new)
        self._check_market(old, new, moment)
        stamp = self._books.stamp(moment.at)
        self._books.put(
            replace(old, status=OrderStatus.PENDING_REPLACE, updated_at=stamp, asked_at=stamp)
        )
        return self._books.put(replace(new, seq=self._books.next_order_seq()))

    @staticmethod
    def _check_status(old: SimOrder) -> None:
        if old.status in _UNSENT:
            raise bad_order("unable to replace order, order isn't sent to exchange yet")
        if old.status not in _REPLACEABLE:
            raise bad_order(f"cannot replace order in {old.status.value} status")
        if old.notional is not None:
            raise bad_order("notional orders cannot be replaced")
        if old.order_class is OrderClass.OTO and old.parent_id is not None:
            raise bad_order("oto legs cannot be replaced")

    @staticmethod
    def _check_fields(old: SimOrder, amendment: Amendment) -> None:
        if amendment.limit_price is not None and old.type not in _WITH_LIMIT:
            raise bad_order(f"{old.type.value} orders have no limit price")
        if amendment.stop_price is not None and old.type not in _WITH_STOP:
            raise bad_order(f"{old.type.value} orders have no stop price")
        if amendment.trail is not None and old.type is not OrderType.TRAILING_STOP:
            raise bad_order(f"{old.type.value} orders have no trail")
        if amendment.qty is None or amendment.qty == old.qty:
            return
        if old.is_complex:
            raise bad_order("only the prices of complex orders can be replaced")
        fractional = any(qty != qty.to_integral_value() for qty in (old.qty, amendment.qty))
        if fractional:
            raise bad_order("the quantity of fractional orders cannot be replaced")
        if amendment.qty <= old.filled_qty:
            raise bad_order("qty must be greater than the filled quantity")

    def _check_time_in_force(self, new: SimOrder) -> None:
        if new.time_in_force is not TimeInForce.GTC:
            return
        if new.qty != new.qty.to_integral_value():
            raise bad_order("fractional orders must be DAY orders")
        if new.extended_hours and not self._books.switches.gtc_extended_hours:
            raise bad_order("extended hours order must be DAY limit orders")

    def _replacement(self, old: SimOrder, amendment: Amendment, moment: Moment) -> SimOrder:
        at = self._books.stamp(moment.at)
        new = replace(
            old,
            id=self._books.new_name(),
            client_order_id=amendment.client_order_id or self._books.new_name(),
            status=OrderStatus.PENDING_NEW,
            created_at=at,
            submitted_at=at,
            updated_at=at,
            working_since=None,
            triggered=_stays_elected(old, amendment),
            qty=(amendment.qty or old.qty) - old.filled_qty,
            filled_qty=ZERO,
            filled_avg_price=None,
            filled_at=None,
            limit_price=amendment.limit_price or old.limit_price,
            stop_price=amendment.stop_price or old.stop_price,
            time_in_force=amendment.time_in_force or old.time_in_force,
            replaces=old.id,
            replaced_by=None,
            asked_at=None,
            filled_before=old.filled_qty,
        )
        new = replace(new, expires_at=expiry(new, moment))
        return new if amendment.trail is None else _with_trail(new, amendment.trail)

    def _check_market(self, old: SimOrder, new: SimOrder, moment: Moment) -> None:
        if self._books.account.configuration.suspend_trade:
            raise refused("new orders are rejected by user request")
        if new.stop_price is not None and not new.inert and new.stop_price != old.stop_price:
            current = self._desk.current_price(new.symbol, moment.at)
            check_stop_side(new.side, new.stop_price, current)
        if new.role in (LegRole.TARGET, LegRole.STOP):
            self._check_sides(old, new)
        else:
            check_admission(new, self._desk.standing(new, moment, without=old.id))

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


def _stays_elected(old: SimOrder, amendment: Amendment) -> bool:
    """Whether a stop that was touched goes on as what it became: only a new stop waits again."""
    same_stop = amendment.stop_price in (None, old.stop_price)
    return old.triggered and same_stop and amendment.trail is None


def _with_trail(order: SimOrder, trail: Decimal) -> SimOrder:
    """Return a trailing stop with another trail of its kind, from the mark that it has."""
    if order.trail_price is not None:
        order = replace(order, trail_price=trail)
    else:
        order = replace(order, trail_percent=trail)
    return order if order.hwm is None else replace(order, stop_price=trail_stop(order, order.hwm))
