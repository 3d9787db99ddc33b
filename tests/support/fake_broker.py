"""A broker in memory that tells the truth: brackets with inert legs, OCO groups, held stops.

It implements `shared.ports.Broker`. Prices move only by `trade(symbol, price)`. Faults are said
beforehand: `read_fault` makes every read raise, `next_outcome` is what the next submit answers
(`lose_reply` places the order and answers Unknown all the same).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal

from shared.errors import FailureClass, SystemFault
from shared.models.broker import (
    Accepted,
    Asset,
    BrokerFill,
    BrokerOrder,
    CancelOutcome,
    CancelRequested,
    CloseOutcome,
    CloseRequested,
    NoPosition,
    OrderRequest,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from shared.models.movements import BrokerMovement
from shared.models.orders import OrderClass, OrderStatus, OrderType, Purpose, Side, TimeInForce
from shared.models.pnl import EquityPoint
from shared.models.portfolio import Account, Position
from shared.risk.approved import Approved
from tests.support.fake_books import FakeBooks

NOT_FOUND = Rejected(FailureClass.RISK, "404", "order not found")
DUPLICATE = Rejected(FailureClass.RISK, "422", "client_order_id must be unique")


@dataclass
class FakeBroker(FakeBooks):
    """The doors of the broker in memory."""

    submitted: list[OrderRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    read_fault: SystemFault | None = None
    next_outcome: SubmitOutcome | None = None
    lose_reply: bool = False
    moved: list[BrokerMovement] = field(default_factory=list)
    """What changed the account without an order."""
    history: list[EquityPoint] = field(default_factory=list)
    """What the account was worth by the day."""
    history_fault: SystemFault | None = None
    """Why that cannot be read."""
    asked_to_close: list[str] = field(default_factory=list)
    close_answer: CloseOutcome | None = None
    """What every `close_position` answers instead of closing."""
    closes_refused: int = 0
    """How many of them are refused first."""
    positions_fault: SystemFault | None = None
    """Why positions alone cannot be read."""
    fills_fault: SystemFault | None = None
    """Why the activities cannot be read."""
    submit_fault: SystemFault | None = None
    """Why no order arrives; the bot never learns more than that."""
    asset_fault: SystemFault | None = None
    """Why nothing is said of a symbol."""
    lookup_fault: SystemFault | None = None
    """Why an order cannot be looked up by our id."""
    reads: int = 0

    def _read(self) -> None:
        self.reads += 1
        if self.read_fault is not None:
            raise self.read_fault

    def account(self) -> Account:
        self._read()
        value = sum((held.market_value for held in self.held.values()), Decimal(0))
        equity = self.cash + value
        return Account(
            account_id=self.account_id,
            status="ACTIVE",
            equity=equity,
            last_equity=self.last_equity,
            cash=self.cash,
            buying_power=self.cash * 2,
            trading_blocked=False,
            account_blocked=False,
            trade_suspended=False,
        )

    def positions(self) -> tuple[Position, ...]:
        self._read()
        if self.positions_fault is not None:
            raise self.positions_fault
        return tuple(self.held[symbol] for symbol in sorted(self.held))

    def position(self, symbol: str) -> Position | None:
        self._read()
        return self.held.get(symbol)

    def orders(
        self, status: str, *, after: datetime | None = None, symbols: Sequence[str] = ()
    ) -> tuple[BrokerOrder, ...]:
        self._read()
        found = []
        for order in self.books.values():
            if order.broker_order_id in self.parent_of and self._is_nested(order):
                continue
            if symbols and order.symbol not in symbols:
                continue
            if after is not None and order.created_at <= after:
                continue
            if status == "open" and not self._listed_as_open(order):
                continue
            if status == "closed" and not order.status.is_terminal:
                continue
            found.append(self._shown(order))
        return tuple(sorted(found, key=lambda order: (order.created_at, order.broker_order_id)))

    def _is_nested(self, leg: BrokerOrder) -> bool:
        parent = self.books[self.parent_of[leg.broker_order_id]]
        return parent.order_class is OrderClass.OCO or parent.status is not OrderStatus.FILLED

    def _listed_as_open(self, order: BrokerOrder) -> bool:
        return order.status.is_live and order.status is not OrderStatus.HELD

    def _shown(self, order: BrokerOrder) -> BrokerOrder:
        legs = tuple(
            self.books[leg_id]
            for leg_id, parent_id in self.parent_of.items()
            if parent_id == order.broker_order_id and self._is_nested(self.books[leg_id])
        )
        return replace(order, legs=legs)

    def order(self, broker_order_id: str) -> BrokerOrder | None:
        self._read()
        found = self.books.get(broker_order_id)
        return self._shown(found) if found is not None else None

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        self._read()
        if self.lookup_fault is not None:
            raise self.lookup_fault
        found = self.by_client_id(client_order_id)
        return self._shown(found) if found is not None else None

    def fills(self, after: datetime) -> tuple[BrokerFill, ...]:
        self._read()
        if self.fills_fault is not None:
            raise self.fills_fault
        return tuple(fill for fill in self.activities if fill.at > after)

    def movements(self, since: date) -> tuple[BrokerMovement, ...]:
        self._read()
        return tuple(each for each in self.moved if each.day >= since)

    def portfolio_history(self) -> tuple[EquityPoint, ...]:
        self._read()
        if self.history_fault is not None:
            raise self.history_fault
        return tuple(self.history)

    def asset(self, symbol: str) -> Asset | None:
        self._read()
        if self.asset_fault is not None:
            raise self.asset_fault
        return Asset(symbol, "us_equity", True, True, True)

    def submit(self, approved: Approved) -> SubmitOutcome:
        if self.submit_fault is not None:
            return Unknown(str(self.submit_fault))
        return self.place(approved.request)

    def place(self, request: OrderRequest) -> SubmitOutcome:
        """Place a request without a guard, as a foreign hand would."""
        self.submitted.append(request)
        if self.next_outcome is not None:
            outcome, self.next_outcome = self.next_outcome, None
            return outcome
        if self.by_client_id(request.client_order_id) is not None:
            return DUPLICATE
        # The reply shows the order as it was accepted, legs nested: it may fill right after.
        reply = self._shown(self.open(request))
        self.match(request.symbol)
        if self.lose_reply:
            self.lose_reply = False
            return Unknown("the reply was lost")
        return Accepted(reply)

    def cancel(self, broker_order_id: str) -> CancelOutcome:
        order = self.books.get(broker_order_id)
        if order is None or order.status.is_terminal:
            return NOT_FOUND
        self.cancelled.append(broker_order_id)
        for member in self.group(order):
            if member.status.is_live:
                self.put(member, status=OrderStatus.CANCELED)
        return CancelRequested()

    def close_position(self, symbol: str, qty: Decimal | None = None) -> CloseOutcome:
        self.asked_to_close.append(symbol)
        held = self.held.get(symbol)
        if self.close_answer is not None:
            return self.close_answer
        if held is None:
            return NoPosition()
        if self.closes_refused or self._is_held_by_orders(symbol):
            self.closes_refused = max(0, self.closes_refused - 1)
            return Rejected(FailureClass.RISK, "403", "insufficient qty available")
        request = OrderRequest(
            client_order_id=f"broker-close-{len(self.books)}",
            purpose=Purpose.REDUCE,
            symbol=symbol,
            side=Side.SELL,
            qty=held.qty if qty is None else qty,
            type=OrderType.MARKET,
            order_class=OrderClass.SIMPLE,
            time_in_force=TimeInForce.DAY,
            strategy="",
            created_at=self.now,
            reason="close",
        )
        shown = self._shown(self.open(request))
        self.match(symbol)
        return CloseRequested(shown)

    def _is_held_by_orders(self, symbol: str) -> bool:
        return any(
            order.symbol == symbol and order.side is Side.SELL and order.status.is_live
            for order in self.books.values()
        )
