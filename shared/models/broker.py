"""What a broker answers, after its contract has been checked: orders, fills, clock, outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.errors import FailureClass
from shared.models.orders import (
    OrderClass,
    OrderStatus,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """An order before the guard: what we would send. Bracket and OCO carry both leg prices.

    `replaces` names the broker's order id of the order that a PATCH changes.
    """

    client_order_id: str
    purpose: Purpose
    symbol: str
    side: Side
    qty: Decimal
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    """Limit price of the target leg."""
    stop_loss_price: Decimal | None = None
    """Stop price of the protective leg."""
    strategy: str
    created_at: datetime
    """Market time of the decision."""
    reason: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """One order as the broker shows it. Legs stand under their parent while it shows them."""

    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    status: OrderStatus
    limit_price: Decimal | None
    stop_price: Decimal | None
    created_at: datetime
    submitted_at: datetime | None
    updated_at: datetime | None
    filled_at: datetime | None
    expires_at: datetime | None
    replaced_by: str | None
    replaces: str | None
    legs: tuple[BrokerOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerFill:
    """One FILL activity. `cumulative_qty` keys it together with the order's id."""

    activity_id: str
    broker_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    cumulative_qty: Decimal
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class TradeUpdate:
    """One event of the trade_updates stream: a hint; REST is the truth."""

    event: str
    order: BrokerOrder
    at: datetime
    price: Decimal | None
    qty: Decimal | None


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The broker's clock. All four in UTC."""

    now: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True)
class Asset:
    """What may be traded, as far as the guard asks."""

    symbol: str
    asset_class: str
    tradable: bool
    fractionable: bool
    shortable: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has the order."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker, or the wire before it, certainly refused: nothing was placed."""

    failure_class: FailureClass
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the order exists: full exposure until settled (rule 9)."""

    reason: str


SubmitOutcome = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """204: the request was taken; `canceled` is still to be seen."""


CancelOutcome = CancelRequested | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """The broker took the request to close a position, as its status code says."""

    order: BrokerOrder | None
    """The closing order; None when its body breaks the contract."""


@dataclass(frozen=True, slots=True)
class NoPosition:
    """The broker itself says that it holds no such position: there is nothing to close."""


CloseOutcome = CloseRequested | NoPosition | Rejected | Unknown
