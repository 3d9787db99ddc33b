"""Orders: words, the table of legal transitions, and the record that we keep of each.

The statuses are Alpaca's 17 (reference: Alpaca trading API, order life cycle) and three of our
own that exist before the broker has spoken: `intent`, `unknown`, `not_sent`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.models.numbers import require_not_negative, require_positive, require_utc


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order finds its price, in the broker's words."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class OrderClass(StrEnum):
    """Whether an order comes alone or as a group."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class TimeInForce(StrEnum):
    """How long an order works, in the broker's words."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class Purpose(StrEnum):
    """Why an order is sent; the guard's matrix is keyed by it."""

    ENTRY = "ENTRY"
    PROTECT = "PROTECT"
    REDUCE = "REDUCE"
    CANCEL = "CANCEL"


class OrderRole(StrEnum):
    """What an order does for a position."""

    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"
    EXIT = "exit"


class OrderStatus(StrEnum):
    """Where an order stands: the broker's 17 words and our three from before it spoke."""

    INTENT = "intent"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    CALCULATED = "calculated"
    HELD = "held"

    # Looked up in sets for every order of every cycle; Enum's own hash is slow Python.
    __hash__ = str.__hash__

    @property
    def is_terminal(self) -> bool:
        """Whether nothing but a late fill can follow."""
        return self in TERMINAL

    @property
    def is_live(self) -> bool:
        """Whether the order works, or may yet work, at the broker."""
        return self not in TERMINAL and self is not OrderStatus.INTENT


TERMINAL = frozenset(
    {
        OrderStatus.NOT_SENT,
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REPLACED,
        OrderStatus.REJECTED,
    }
)

_BEFORE_BROKER = frozenset({OrderStatus.INTENT, OrderStatus.UNKNOWN})
_AT_BROKER = frozenset(OrderStatus) - _BEFORE_BROKER - {OrderStatus.NOT_SENT}

TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.INTENT: _AT_BROKER | {OrderStatus.UNKNOWN, OrderStatus.NOT_SENT},
    OrderStatus.UNKNOWN: _AT_BROKER | {OrderStatus.NOT_SENT},
    # Absent in every look, yet found later: the late order is booked and alarmed (rule 10).
    OrderStatus.NOT_SENT: _AT_BROKER,
    # A fill that races a cancel or a replace does happen at brokers; nothing else follows.
    OrderStatus.CANCELED: frozenset({OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}),
    # A leg is at times shown as `replaced` first and by its true end later.
    OrderStatus.REPLACED: frozenset(
        {
            OrderStatus.FILLED,
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
        }
    ),
    OrderStatus.EXPIRED: frozenset({OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED}),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
    # A partly filled order never becomes unfilled again.
    OrderStatus.PARTIALLY_FILLED: _AT_BROKER
    - {
        OrderStatus.ACCEPTED,
        OrderStatus.PENDING_NEW,
        OrderStatus.NEW,
        OrderStatus.HELD,
        OrderStatus.REJECTED,
    },
} | dict.fromkeys(_AT_BROKER - TERMINAL - {OrderStatus.PARTIALLY_FILLED}, _AT_BROKER)


def may_become(old: OrderStatus, new: OrderStatus) -> bool:
    """Whether an order in `old` can be seen in `new` next; staying is always legal."""
    return old is new or new in TRANSITIONS[old]


@dataclass(frozen=True, slots=True)
class Order:
    """One order, ours or an observed one, from intent to its end. Quantities in shares."""

    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    type: OrderType
    role: OrderRole
    status: OrderStatus = OrderStatus.INTENT
    order_class: OrderClass = OrderClass.SIMPLE
    time_in_force: TimeInForce = TimeInForce.GTC
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    broker_order_id: str | None = None
    parent_id: str | None = None
    """client_order_id of the group's parent, for legs."""
    filled_qty: Decimal = Decimal(0)
    filled_avg_price: Decimal | None = None
    strategy: str = ""
    created_at: datetime | None = None
    """Market time of the intent."""
    submitted_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    replaced_by: str | None = None
    reason: str = ""
    """Why it was sent, or why the broker refused it."""
    position_key: str = ""
    """client_order_id of the entry whose position this order opens, protects or closes; empty
    for an order that serves no position of ours.
    """
    take_profit_price: Decimal | None = None
    """Planned limit price of the target leg, for the parent of a group."""
    stop_loss_price: Decimal | None = None
    """Planned stop price of the protective leg, for the parent of a group."""
    replaces: str | None = None
    """Broker's id of the order that this one changed by PATCH."""
    filled_at: datetime | None = None
    """Broker's time of the newest fill that we know."""

    def __post_init__(self) -> None:
        for field in ("client_order_id", "symbol"):
            if not getattr(self, field):
                raise ValueError(f"{field} must not be empty")
        require_positive(self.qty, "qty")
        require_not_negative(self.filled_qty, "filled_qty")
        if self.filled_qty > self.qty:
            raise ValueError(f"filled_qty {self.filled_qty} exceeds qty {self.qty}")
        self._check_prices()
        for field in ("created_at", "submitted_at", "updated_at", "expires_at", "filled_at"):
            moment: datetime | None = getattr(self, field)
            if moment is not None:
                require_utc(moment, field)

    def _check_prices(self) -> None:
        for field in (
            "limit_price",
            "stop_price",
            "filled_avg_price",
            "take_profit_price",
            "stop_loss_price",
        ):
            price: Decimal | None = getattr(self, field)
            if price is not None:
                require_positive(price, field)
        if self.type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and self.limit_price is None:
            raise ValueError(f"limit_price is required for a {self.type.value} order")
        if self.type in (OrderType.STOP, OrderType.STOP_LIMIT) and self.stop_price is None:
            raise ValueError(f"stop_price is required for a {self.type.value} order")

    @property
    def remaining_qty(self) -> Decimal:
        """Shares not filled yet."""
        return self.qty - self.filled_qty

    def become(self, status: OrderStatus) -> Order:
        """Return the order in the new status; ValueError when the table forbids the step."""
        if not may_become(self.status, status):
            raise ValueError(
                f"order {self.client_order_id}: {self.status.value} cannot become {status.value}"
            )
        return replace(self, status=status)

    def __repr__(self) -> str:
        price = f" limit {self.limit_price}" if self.limit_price is not None else ""
        stop = f" stop {self.stop_price}" if self.stop_price is not None else ""
        return (
            f"Order({self.client_order_id} {self.role.value} {self.side.value} {self.qty} "
            f"{self.symbol} {self.type.value}{price}{stop} {self.status.value} "
            f"{self.filled_qty}/{self.qty})"
        )
