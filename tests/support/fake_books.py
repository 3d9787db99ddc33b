"""The books of the broker in memory: orders and their groups, fills, positions, prices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from shared.models.broker import BrokerFill, BrokerOrder, OrderRequest
from shared.models.orders import OrderClass, OrderStatus, OrderType, Side
from shared.models.portfolio import Position
from tests.support.fake_groups import bracket_legs, fills_at, oco_legs


@dataclass
class FakeBooks:
    """What the broker knows, and how the market changes it; tests may look at every field."""

    now: datetime
    cash: Decimal = Decimal(100_000)
    account_id: str = "PA0000000001"
    last_equity: Decimal = Decimal(100_000)
    books: dict[str, BrokerOrder] = field(default_factory=dict)
    """Every order by broker id, legs too."""
    held: dict[str, Position] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    activities: list[BrokerFill] = field(default_factory=list)
    parent_of: dict[str, str] = field(default_factory=dict)
    fills_on_submit: bool = True
    """Whether a marketable order fills at once, in full."""

    def by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        """Return an order from the books, without counting as a read."""
        for order in self.books.values():
            if order.client_order_id == client_order_id:
                return order
        return None

    def open(self, request: OrderRequest) -> BrokerOrder:
        """Take an order into the books, its legs with it; nothing fills yet."""
        order = BrokerOrder(
            broker_order_id=f"b-{len(self.books) + 1:04d}",
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side,
            qty=request.qty,
            filled_qty=Decimal(0),
            filled_avg_price=None,
            type=request.type,
            order_class=request.order_class,
            time_in_force=request.time_in_force,
            status=OrderStatus.NEW,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            created_at=self.now,
            submitted_at=self.now,
            updated_at=self.now,
            filled_at=None,
            expires_at=self.now + timedelta(days=90),
            replaced_by=None,
            replaces=request.replaces,
        )
        if request.replaces is not None:
            order = self._replace(order, request.replaces)
        elif request.order_class is OrderClass.OCO:
            order = replace(order, limit_price=request.take_profit_price)
        self.books[order.broker_order_id] = order
        make = {OrderClass.BRACKET: bracket_legs, OrderClass.OCO: oco_legs}
        if request.order_class in make and request.replaces is None:
            for leg in make[request.order_class](order, request):
                self.books[leg.broker_order_id] = leg
                self.parent_of[leg.broker_order_id] = order.broker_order_id
        return order

    def _replace(self, new: BrokerOrder, old_id: str) -> BrokerOrder:
        old = self.books[old_id]
        self.put(old, status=OrderStatus.REPLACED, replaced_by=new.broker_order_id)
        if old_id in self.parent_of:
            self.parent_of[new.broker_order_id] = self.parent_of[old_id]
        return replace(new, type=old.type, side=old.side, order_class=old.order_class)

    def trade(self, symbol: str, price: Decimal | str) -> None:
        """Move the market to a price and match whatever it meets."""
        self.prices[symbol] = Decimal(price)
        held = self.held.get(symbol)
        if held is not None:
            self.held[symbol] = replace(held, current_price=self.prices[symbol])
        self.match(symbol)

    def fill(self, client_order_id: str, qty: Decimal | int, price: Decimal | str) -> None:
        """Fill part of an order, whatever its limit."""
        order = self.by_client_id(client_order_id)
        if order is None:
            raise KeyError(client_order_id)
        self._fill(order, Decimal(qty), Decimal(price))

    def group(self, order: BrokerOrder) -> list[BrokerOrder]:
        root = self.parent_of.get(order.broker_order_id, order.broker_order_id)
        ids = [root, *(leg for leg, parent in self.parent_of.items() if parent == root)]
        return [self.books[each] for each in ids]

    def put(self, order: BrokerOrder, **changes: object) -> BrokerOrder:
        changed = replace(order, updated_at=self.now, **changes)  # type: ignore[arg-type] # names
        self.books[order.broker_order_id] = changed
        return changed

    def match(self, symbol: str) -> None:
        """Fill what meets the symbol's price."""
        price = self.prices.get(symbol)
        if price is None or not self.fills_on_submit:
            return
        # The stop of a group is met before its target (CONTRACTS: the cautious order).
        for order in sorted(
            (each for each in self.books.values() if each.symbol == symbol),
            key=lambda each: (each.stop_price is None, each.broker_order_id),
        ):
            current = self.books[order.broker_order_id]
            if self._is_active(current) and fills_at(current, price):
                self._fill(current, current.qty - current.filled_qty, price)

    def _is_active(self, order: BrokerOrder) -> bool:
        if not order.status.is_live:
            return False
        parent_id = self.parent_of.get(order.broker_order_id)
        if parent_id is None or self.books[parent_id].order_class is OrderClass.OCO:
            return True
        return self.books[parent_id].status is OrderStatus.FILLED

    def _fill(self, order: BrokerOrder, qty: Decimal, price: Decimal) -> None:
        total = order.filled_qty + qty
        spent = (order.filled_avg_price or Decimal(0)) * order.filled_qty + price * qty
        done = total == order.qty
        filled = self.put(
            order,
            filled_qty=total,
            filled_avg_price=spent / total,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_at=self.now if done else None,
        )
        self.activities.append(
            BrokerFill(
                activity_id=f"a-{len(self.activities) + 1:04d}",
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                side=order.side,
                qty=qty,
                cumulative_qty=total,
                price=price,
                at=self.now,
            )
        )
        self._book(filled, qty, price)
        if done:
            self._after_fill(filled)

    def _book(self, order: BrokerOrder, qty: Decimal, price: Decimal) -> None:
        signed = qty if order.side is Side.BUY else -qty
        self.cash -= signed * price
        held = self.held.pop(order.symbol, None)
        total = signed + (held.qty if held is not None else 0)
        if total == 0:
            return
        entry = price
        if held is not None:
            entry = held.entry_price
            if signed > 0:
                entry = (held.entry_price * held.qty + price * qty) / total
        current = self.prices.get(order.symbol, price)
        self.held[order.symbol] = Position(order.symbol, total, entry, current_price=current)

    def _after_fill(self, order: BrokerOrder) -> None:
        is_leg_or_oco = (
            order.broker_order_id in self.parent_of or order.order_class is OrderClass.OCO
        )
        for member in self.group(order):
            if member.broker_order_id == order.broker_order_id or not member.status.is_live:
                continue
            if is_leg_or_oco:
                self.put(member, status=OrderStatus.CANCELED)
            elif member.type is OrderType.LIMIT:
                self.put(member, status=OrderStatus.NEW)
