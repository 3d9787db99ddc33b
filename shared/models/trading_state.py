"""What the bot knows and must not lose: one frozen value, changed only by events.

`shared/events/apply.py` makes the next state; `shared/models/state_codec.py` writes it as the
payload of trading_state.json (CONTRACTS.md section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.models.movements import UNCHANGED, Adjustment
from shared.models.order_book import OrderBook
from shared.models.orders import Order, OrderRole
from shared.models.plans import Plan
from shared.models.pnl import Day, Pnl, Statement, Trade
from shared.models.portfolio import Position

TRADES_KEPT = 500
"""Closed trades kept in the state; ledger.db has all."""

CLOSED_ORDERS_KEPT = 500
"""Orders of closed positions kept in the state; those of open ones are never dropped."""


class TradingState(StrEnum):
    """What trading may do (ORDER_PATH.md rule 20)."""

    ACTIVE = "ACTIVE"
    """Enters and exits."""
    REDUCING = "REDUCING"
    """Exits and protection only; exit rules keep running."""
    HALTED = "HALTED"
    """Working entries cancelled, protection kept, closing only on command."""

    @property
    def severity(self) -> int:
        """0 for ACTIVE, 1 for REDUCING, 2 for HALTED."""
        return _SEVERITY[self]


_SEVERITY = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}


class Cause(StrEnum):
    """Which input set the trading state, in the words of CONTRACTS.md section 5."""

    OPERATOR = "operator"
    RISK = "risk"
    CONTRACTS = "contracts"
    DATA = "data"
    UNKNOWN_OUTCOME = "unknown_outcome"
    COVERAGE = "coverage"
    SUPERVISION = "supervision"
    NONE = "none"


class HoldKind(StrEnum):
    """A condition that stays, restarts included, until its end is said."""

    DAILY_LOSS = "daily_loss"
    """Ends with the New York day."""
    DRAWDOWN = "drawdown"
    """Ends by an approver, like the two below."""
    REBUILD = "rebuild"
    """State was lost and could not be rebuilt whole (rule 15)."""
    SECOND_WRITER = "second_writer"
    """Orders with our prefix and an epoch that nobody here opened (rule 18)."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why entries are held back until further notice."""

    kind: HoldKind
    since: datetime
    """Market time."""
    reason: str
    is_rebuilt: bool = False
    """Of REBUILD alone: what the broker still knows has been taken back."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator last asked for, persisted. The emergency stop is a file of its own."""

    paused: bool = False
    by: str = ""
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """An order of which nobody can say whether it exists (rule 9)."""

    client_order_id: str
    since: datetime
    """Market time."""
    reason: str


@dataclass(frozen=True, slots=True)
class FillPart:
    """One fill that an activity showed before the order's own total did."""

    cumulative_qty: Decimal
    qty: Decimal
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class EarlyFills:
    """Fills ahead of an order's own total, which stood at `base_qty` for `base_cost` dollars."""

    base_qty: Decimal
    base_cost: Decimal
    parts: tuple[FillPart, ...]


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """Something to be written to a log or the ledger, exactly once per key."""

    key: str
    kind: str
    """The `event` word of orders.jsonl, or `trade` for the ledger."""
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BotState:
    """Everything the bot knows. Positions and trades follow from the orders' fills alone."""

    mode: str
    account_id: str
    id_epoch: str
    """Epoch in our client_order_ids; a new state or a new exchange opens a new one."""
    operator: Operator = field(default_factory=Operator)
    positions: Mapping[str, Position] = field(default_factory=dict)
    """Our own positions by symbol, from the fills of our orders."""
    external_positions: Mapping[str, Position] = field(default_factory=dict)
    """Shares at the broker that are not ours: counted and shown, never traded."""
    orders: OrderBook = field(default_factory=OrderBook)
    plans: tuple[Plan, ...] = ()
    pnl: Pnl = field(default_factory=Pnl)
    day: Day | None = None
    cooldowns: Mapping[str, datetime] = field(default_factory=dict)
    """Market time of each symbol's last exit or refused entry; the cooldown counts from it."""
    outbox: tuple[OutboxItem, ...] = ()
    trade_history: tuple[Trade, ...] = ()
    """The newest trades, oldest first."""
    unknown_outcomes: Mapping[str, UnknownOutcome] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    early_fills: Mapping[str, EarlyFills] = field(default_factory=dict)
    """By the broker's order id."""
    known_epochs: tuple[str, ...] = ()
    """Epochs that this account's states have used; the present one is added when asked."""
    reconciled_at: datetime | None = None
    """Market time of the last whole reconciliation."""
    fills_seen_until: datetime | None = None
    """Activities are read from here on, with overlap."""
    forgotten_until: datetime | None = None
    """Closed orders created up to here may have been dropped from `orders`, booked."""
    strange_quantities: Mapping[str, Decimal] = field(default_factory=dict)
    """Broker quantities that did not fit ours at the last reconciliation, by symbol."""

    statement: Statement | None = None
    """The last comparison with the broker's activities."""
    adjustments: Mapping[str, Adjustment] = field(default_factory=dict)
    """What splits made of positions, by position key."""

    @property
    def owns_epoch(self) -> frozenset[str]:
        """Every epoch whose ids are ours."""
        return frozenset((*self.known_epochs, self.id_epoch))

    def adjustment(self, position_key: str) -> Adjustment:
        """Return what splits made of a position."""
        return self.adjustments.get(position_key, UNCHANGED)

    def entry_working(self, symbol: str) -> Order | None:
        """Return the entry of this symbol that is intended, unknown or working."""
        for order in self.orders.of_symbol(symbol):
            if order.role is OrderRole.ENTRY and not order.status.is_terminal:
                return order
        return None

    def is_busy(self, symbol: str) -> bool:
        """Whether the symbol has an owner: a position, a plan or an order not ended (rule 8)."""
        return (
            symbol in self.positions
            or any(plan.symbol == symbol for plan in self.plans)
            or any(not order.status.is_terminal for order in self.orders.of_symbol(symbol))
        )
