"""What the simulated broker keeps: orders, positions, fills, the account. Frozen values.

Money and quantities are Decimal, moments are market time in UTC. Statuses, sides and types are
the words of shared.models.orders, so that the books obey the same transition table as the bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.models.orders import (
    OrderClass,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

ZERO = Decimal(0)
Place = tuple[datetime, int]
"""When an order was submitted, which moves, and its number: what lists are sorted by."""
PRICE_DIGITS = Decimal("0.000001")


class LegRole(StrEnum):
    """What an order is within its group; SINGLE has no group."""

    SINGLE = "single"
    ENTRY = "entry"
    TARGET = "target"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class SimOrder:
    """One order as the broker holds it."""

    id: str
    client_order_id: str
    seq: int
    """Order of creation within the account."""
    symbol: str
    side: Side
    qty: Decimal
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    status: OrderStatus
    created_at: datetime
    submitted_at: datetime
    updated_at: datetime
    role: LegRole = LegRole.SINGLE
    group_id: str | None = None
    parent_id: str | None = None
    """The order under which it is nested, for legs."""
    inert: bool = False
    """A leg whose entry is not completely filled: it can neither fill nor hold shares."""
    triggered: bool = False
    """A stop-limit whose stop was touched: it rests as a limit."""
    working_since: datetime | None = None
    """From when it may fill; None while queued or inert."""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    notional: Decimal | None = None
    """Dollars to trade; `qty` is then an estimate until the fill."""
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    hwm: Decimal | None = None
    """High-water mark of a trailing stop: highest price for a sell, lowest for a buy."""
    extended_hours: bool = False
    position_intent: str = ""
    filled_qty: Decimal = ZERO
    filled_avg_price: Decimal | None = None
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    expires_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    asked_at: datetime | None = None
    """When the pending cancellation or replacement was accepted."""
    filled_before: Decimal = ZERO
    """What the order that it replaces had filled when the change was accepted."""

    @property
    def place(self) -> Place:
        """Where it stands in lists."""
        return self.submitted_at, self.seq

    @property
    def remaining(self) -> Decimal:
        """Shares not filled yet."""
        return self.qty - self.filled_qty

    @property
    def is_live(self) -> bool:
        """Whether it is not at its end."""
        return not self.status.is_terminal

    @property
    def is_complex(self) -> bool:
        """Whether it belongs to a bracket, OCO or OTO."""
        return self.order_class is not OrderClass.SIMPLE

    @property
    def is_waiting_swap(self) -> bool:
        """Whether it is a replacement that stands behind the order it replaces."""
        return self.status is OrderStatus.PENDING_NEW and self.replaces is not None

    @property
    def is_auction(self) -> bool:
        """Whether it trades in the opening or the closing auction only."""
        return self.time_in_force in (TimeInForce.OPG, TimeInForce.CLS)

    @property
    def can_match(self) -> bool:
        """Whether a price may fill it: working, or held beside its target, or racing a
        cancellation or replacement.
        """
        return self.working_since is not None and not self.inert and self.is_live


@dataclass(frozen=True, slots=True)
class SimPosition:
    """Shares held; `qty` is signed and never zero."""

    symbol: str
    qty: Decimal
    cost: Decimal
    """What the shares cost, to the last digit; negative for a short."""
    today_qty: Decimal = field(default=ZERO, compare=False)
    """Those of the shares that were opened on the running trading day."""
    today_cost: Decimal = field(default=ZERO, compare=False)
    """What those cost: the day's gain begins there, that of the others at the prior close."""

    @property
    def avg_entry_price(self) -> Decimal:
        """Dollars per share, to six digits."""
        return (self.cost / self.qty).quantize(PRICE_DIGITS)


@dataclass(frozen=True, slots=True)
class SimFill:
    """One execution: a FILL activity, a `fill` or `partial_fill` event."""

    seq: int
    """Its place among the account's activities, of every kind."""
    execution_id: str
    order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    order_status: OrderStatus
    position_qty: Decimal
    at: datetime

    @property
    def kind(self) -> str:
        """`fill` when it completed the order, else `partial_fill`."""
        return "partial_fill" if self.leaves_qty > 0 else "fill"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Account configurations that a client may PATCH."""

    suspend_trade: bool = False
    no_shorting: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: int = 4
    trade_confirm_email: str = "none"
    ptp_no_exception_entry: bool = False
    max_options_trading_level: int | None = None
    disable_overnight_trading: bool = False
    """Shown and kept; there is no overnight session here that it could close."""


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """The account, its market time, and where its seeded names have got to."""

    account_id: str
    number: int
    """How many accounts this database had before."""
    epoch: str
    """Eight characters of 0-9a-z that tell this account from every other one."""
    identity: str
    """The market and the settings that this account belongs to."""
    seed: int
    created_at: datetime
    now: datetime
    """Market time."""
    start_cash: Decimal
    cash: Decimal
    last_equity: Decimal
    """Equity at the last session's close before the running trading day."""
    last_maintenance: Decimal = ZERO
    """Maintenance margin at that close."""
    realized: Decimal = ZERO
    """Gains and losses of all closed shares so far."""
    transferred: Decimal = ZERO
    """Cash that came in and went out without a trade, `start_cash` aside."""
    closed_day: str = ""
    """New York day of the newest session that has closed; empty before the first."""
    configuration: Configuration = field(default_factory=Configuration)
    name_count: int = 0
    """Seeded names given so far."""
    order_count: int = 0
    activity_count: int = 0
    """Fills and movements so far."""
    fill_count: int = 0
    last_stamp: datetime | None = None
    session_open: bool = False
    begun: bool = False
    """Whether the market's first moment was processed."""
    minute: datetime | None = None
    """Lock-step: the minute that is released to the participants."""
    daemon_done: datetime | None = None
    bot_done: datetime | None = None
    ended: bool = False
    closed_cleanly: bool = False
    """The process was asked to stop after the end: the next one opens a new account."""


@dataclass(frozen=True, slots=True)
class EquityDay:
    """Equity at one session's close."""

    day: str
    at: datetime
    equity: Decimal
    maintenance: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class TradeEvent:
    """One message of the trade_updates stream. `fill` is there for fills only."""

    event: str
    execution_id: str
    order: SimOrder
    at: datetime
    fill: SimFill | None = None


class Refusal(Exception):
    """The broker says no: HTTP status, Alpaca's code, message and extra fields."""

    def __init__(
        self, status: int, code: int, message: str, fields: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = dict(fields or {})

    def document(self) -> dict[str, object]:
        """Return the JSON body."""
        return {"code": self.code, "message": self.message, **self.fields}
