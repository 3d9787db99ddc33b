"""The books: the account's orders, positions and fills in memory, and what of them changed.

Every change of an order goes through `put`, which obeys the transition table; whoever owns the
books takes the changes, writes them durably, and only then lets the events out. Groups that have
wholly ended leave memory again by `forget_ended`, and are found in the archive from then on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from services.exchange_sim.account import FillEffect, apply_fill, available_qty
from services.exchange_sim.archive import OrderArchive
from services.exchange_sim.changes import Changes
from services.exchange_sim.movements import SplitRecord
from services.exchange_sim.naming import seeded_uuid
from services.exchange_sim.open_orders import OpenOrders, largest_part
from services.exchange_sim.records import (
    ZERO,
    AccountRecord,
    EquityDay,
    SimFill,
    SimOrder,
    SimPosition,
    TradeEvent,
)
from services.exchange_sim.switches import Switches
from shared.models.orders import OrderStatus, Side, may_become

ENDED_GROUPS_KEPT = 256
"""So many ended groups stay in memory: the newest are the ones that are asked for."""
_UNSETTLED = frozenset(
    {OrderStatus.PENDING_NEW, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE}
)
_TICK = timedelta(microseconds=1)
_AVERAGE_DIGITS = Decimal("0.000001")


class Books:
    """One account's books. Not thread-safe: one loop owns them."""

    def __init__(self, account: AccountRecord, archive: OrderArchive | None = None) -> None:
        """Without an archive nothing is ever forgotten."""
        self.account = account
        self.archive = archive
        self.switches = Switches()
        self.orders: dict[str, SimOrder] = {}
        """Every order that may still change, and the newest of the others."""
        self.positions: dict[str, SimPosition] = {}
        self.days: list[EquityDay] = []
        self.splits: dict[int, SplitRecord] = {}
        self.changes = Changes()
        self.shown: dict[str, tuple[SimOrder, Switches, dict[str, Any]]] = {}
        """Orders as they were shown last; who shows one again needs not render it again."""
        self._client_ids: dict[str, str] = {}
        self.open = OpenOrders()
        self._groups: dict[str, dict[str, None]] = {}
        self._unsettled: dict[str, None] = {}
        self._ended: dict[str, None] = {}
        """Ended groups, and ended orders without one, in the order of their end."""

    # --- names and stamps

    def new_name(self) -> str:
        """Return the next seeded UUID; the account's id, which clients see, is not its seed."""
        account = self.account
        self.update_account(name_count=account.name_count + 1)
        return seeded_uuid("name", account.seed, account.number, account.name_count)

    def stamp(self, at: datetime) -> datetime:
        """Return a moment not before `at` and after every earlier stamp."""
        last = self.account.last_stamp
        moment = at if last is None or at > last else last + _TICK
        self.update_account(last_stamp=moment)
        return moment

    def next_order_seq(self) -> int:
        """Return the number of the next order."""
        seq = self.account.order_count + 1
        self.update_account(order_count=seq)
        return seq

    def update_account(self, **fields: object) -> None:
        """Change fields of the account record."""
        self.account = replace(self.account, **fields)  # type: ignore[arg-type] # by name
        self.changes.account = True

    # --- orders

    def load_order(self, order: SimOrder) -> None:
        """Take an order that is on disk already."""
        self.orders[order.id] = order
        self._client_ids[order.client_order_id] = order.id
        self._index(order)

    def put(self, order: SimOrder) -> SimOrder:
        """Store an order; ValueError when the transition table forbids the step."""
        old = self.orders.get(order.id)
        if old is not None and not may_become(old.status, order.status):
            raise ValueError(f"order {order.id}: {old.status} cannot become {order.status}")
        self.load_order(order)
        self.changes.orders[order.id] = None
        return order

    def _index(self, order: SimOrder) -> None:
        if order.status in _UNSETTLED:
            self._unsettled[order.id] = None
        else:
            self._unsettled.pop(order.id, None)
        name = order.group_id or order.id
        if order.group_id is not None:
            self._groups.setdefault(name, {})[order.id] = None
        members = self._members(name)
        self.open.put(order, members)
        self._ended.pop(name, None)
        if not any(one.is_live for one in members):
            self._ended[name] = None

    def _members(self, name: str) -> list[SimOrder]:
        return [self.orders[one] for one in self._groups.get(name, (name,))]

    def forget_ended(self, kept: int = ENDED_GROUPS_KEPT) -> None:
        """Drop all but the newest ended groups; what has changed must be on disk by now."""
        while self.archive is not None and len(self._ended) > kept:
            name = next(iter(self._ended))
            del self._ended[name]
            for order in self._members(name):
                del self.orders[order.id]
                self.shown.pop(order.id, None)
                del self._client_ids[order.client_order_id]
            self._groups.pop(name, None)

    def find(self, order_id: str) -> SimOrder | None:
        """Return any order of the account, None when it never had it."""
        order = self.orders.get(order_id)
        if order is None and self.archive is not None:
            return self.archive.by_id(order_id)
        return order

    def find_client_id(self, client_order_id: str) -> SimOrder | None:
        """Return the order that ever had this client id, None when it is free."""
        order_id = self._client_ids.get(client_order_id)
        if order_id is not None:
            return self.orders[order_id]
        return None if self.archive is None else self.archive.by_client_id(client_order_id)

    def live_orders(self, symbol: str | None = None) -> list[SimOrder]:
        """Return live orders, oldest first; of one symbol or of all."""
        symbols = self.open.symbols() if symbol is None else (symbol,)
        found = [self.orders[name] for one in symbols for name in self.open.names(one)]
        return sorted(found, key=lambda order: order.seq)

    def available(self, position: SimPosition, without: str | None = None) -> Decimal:
        """Return the shares of a position that no closing order holds, as if one of them did not
        exist when it is named; signed as the position.
        """
        side = Side.SELL if position.qty > 0 else Side.BUY
        held = self.open.held_qty(position.symbol, side)
        left_out = self.orders.get(without or "")
        if left_out is not None and left_out.side is side:
            others = (one for one in self.group(left_out) if one.id != without)
            held += largest_part(others, side) - self.open.part(left_out)
        return available_qty(position, held)

    def unsettled(self) -> list[SimOrder]:
        """Return orders whose last request is accepted but not carried out, oldest first."""
        return sorted((self.orders[name] for name in self._unsettled), key=lambda order: order.seq)

    def group(self, order: SimOrder) -> list[SimOrder]:
        """Return every order of its group, itself included; itself alone without a group."""
        if order.group_id is None:
            return [self.orders.get(order.id, order)]
        if order.group_id not in self._groups and self.archive is not None:
            return self.archive.group(order.group_id)
        return self._members(order.group_id)

    # --- events, fills, money

    def announce(self, event: str, order: SimOrder, fill: SimFill | None = None) -> None:
        """Queue an event of the trade_updates stream."""
        execution = fill.execution_id if fill else self.new_name()
        at = fill.at if fill else order.updated_at
        self.changes.events.append(TradeEvent(event, execution, order, at, fill))

    def fill(self, order_id: str, qty: Decimal, price: Decimal, at: datetime) -> SimOrder:
        """Book an execution of a live order: order, position, cash, activity, event."""
        order = self.orders[order_id]
        moment = self.stamp(at)
        filled = order.filled_qty + qty
        paid = order.filled_qty * (order.filled_avg_price or ZERO) + qty * price
        complete = filled >= order.qty
        status = OrderStatus.FILLED if complete else self._status_of_partial(order)
        order = self.put(
            replace(
                order,
                filled_qty=filled,
                filled_avg_price=(paid / filled).quantize(_AVERAGE_DIGITS),
                status=status,
                triggered=True,
                updated_at=moment,
                filled_at=moment,
            )
        )
        self._book_money(order, qty, price)
        self._note_fill(order, qty, price, moment)
        return order

    def _note_fill(self, order: SimOrder, qty: Decimal, price: Decimal, moment: datetime) -> None:
        position = self.positions.get(order.symbol)
        fill = SimFill(
            seq=self.next_activity_seq(),
            execution_id=self.new_name(),
            order_id=order.id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=price,
            cum_qty=order.filled_qty,
            leaves_qty=order.remaining,
            order_status=order.status,
            position_qty=position.qty if position else ZERO,
            at=moment,
        )
        self.update_account(fill_count=self.account.fill_count + 1)
        self.changes.activities.append(fill)
        self.announce(fill.kind, order, fill)

    @staticmethod
    def _status_of_partial(order: SimOrder) -> OrderStatus:
        pending = (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE)
        return order.status if order.status in pending else OrderStatus.PARTIALLY_FILLED

    def _book_money(self, order: SimOrder, qty: Decimal, price: Decimal) -> None:
        signed = qty if order.side is Side.BUY else -qty
        effect = apply_fill(self.positions.get(order.symbol), order.symbol, signed, price)
        self.book(order.symbol, effect)

    def book(self, symbol: str, effect: FillEffect) -> None:
        """Let cash, realized gains and the position change together."""
        if effect.position is None:
            self.positions.pop(symbol, None)
        else:
            self.positions[symbol] = effect.position
        self.changes.symbols[symbol] = None
        account = self.account
        self.update_account(
            cash=account.cash + effect.cash, realized=account.realized + effect.realized
        )

    def next_activity_seq(self) -> int:
        """Return the number of the next activity."""
        seq = self.account.activity_count + 1
        self.update_account(activity_count=seq)
        return seq

    @property
    def fills(self) -> list[SimFill]:
        """Fills that are not on disk yet, oldest first."""
        return [one for one in self.changes.activities if isinstance(one, SimFill)]

    def put_split(self, split: SplitRecord) -> None:
        """Keep a split, declared or carried out."""
        self.splits[split.seq] = split
        self.changes.splits.append(split)

    def close_day(self, day: EquityDay) -> None:
        """Note the equity at a session's close."""
        self.days.append(day)
        self.changes.days.append(day)
        self.update_account(closed_day=day.day)

    def roll_day(self) -> None:
        """Begin a trading day: what the last close was worth becomes `last_equity`."""
        if self.days:
            last = self.days[-1]
            self.update_account(last_equity=last.equity, last_maintenance=last.maintenance)

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        changes = self.changes
        self.changes = Changes()
        return changes
