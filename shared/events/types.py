"""Everything that can happen to the bot's state. Frozen, small, and each applied idempotently.

Times are market time. Only `shared/events/apply.py` turns them into a next state; the journal
keeps them as JSON (`shared/events/codec.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.movements import BrokerMovement
from shared.models.orders import Order
from shared.models.plans import Plan
from shared.models.pnl import Statement
from shared.models.portfolio import Position
from shared.models.trading_state import HoldKind


@dataclass(frozen=True, slots=True)
class IntentRecorded:
    """We are about to send these orders; on disk before the wire."""

    orders: tuple[Order, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """The broker showed an order: a reply, a list or the stream. Unknown orders change nothing,
    except legs of a known parent and successors of a known order, which are learned here.
    """

    order: BrokerOrder
    at: datetime


@dataclass(frozen=True, slots=True)
class FillSeen:
    """An activity showed a fill."""

    fill: BrokerFill


@dataclass(frozen=True, slots=True)
class OrderAdopted:
    """An order that the state did not know is ours, or works on our position."""

    order: Order
    seen: BrokerOrder
    at: datetime


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Sent, or perhaps sent, and no readable answer came."""

    client_order_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """The broker certainly refused: nothing was placed."""

    client_order_id: str
    code: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NotSent:
    """Proved absent, or never left us."""

    client_order_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PlanStarted:
    """A plan begins; the same id again changes nothing."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class PlanStepped:
    """A plan goes on: a later step, or one more attempt of the same one."""

    plan_id: str
    step: str
    attempts: int
    at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanDone:
    """A plan is over."""

    plan_id: str
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OperatorPaused:
    """The operator wants no entries."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OperatorResumed:
    """The operator takes the pause back."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DayOpened:
    """A new New York day: new base, daily loss forgotten, yesterday's tombstones dropped."""

    day: date
    base_equity: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class EquitySeen:
    """The broker's own equity, whole and positive."""

    equity: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class LossReadingCounted:
    """Readings in a row beyond the daily loss limit and the drawdown limit; 0 ends a row."""

    readings: int
    at: datetime
    drawdown_readings: int = 0


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """A deposit (above 0) or withdrawal (below 0) of the day."""

    transfer_id: str
    amount: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class SharesChanged:
    """A split, or the cash for a fraction that it left, of a symbol that only we hold."""

    movement: BrokerMovement


@dataclass(frozen=True, slots=True)
class StatementCompared:
    """Our books were held against the broker's activities."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """Entries are held back until the hold ends."""

    kind: HoldKind
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HoldCleared:
    """An approver ended a hold."""

    kind: HoldKind
    approver: str
    at: datetime


@dataclass(frozen=True, slots=True)
class MoneyRebuilt:
    """What the broker still knows of a lost state: the highest equity, and since when each symbol
    rests. The hold's reason then says what is known again, and what is not.
    """

    peak_equity: Decimal
    rests: Mapping[str, datetime]
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExternalsObserved:
    """The shares at the broker that are not ours, all of them."""

    positions: tuple[Position, ...]
    strange_quantities: Mapping[str, Decimal]
    at: datetime


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A whole reconciliation is applied. `fills_until` is the newest activity it read."""

    at: datetime
    fills_until: datetime | None


@dataclass(frozen=True, slots=True)
class OutboxWritten:
    """These outbox items stand in their log or in the ledger."""

    keys: tuple[str, ...]


Event = (
    IntentRecorded
    | OrderSeen
    | FillSeen
    | OrderAdopted
    | OutcomeUnknown
    | OrderRefused
    | NotSent
    | PlanStarted
    | PlanStepped
    | PlanDone
    | OperatorPaused
    | OperatorResumed
    | DayOpened
    | EquitySeen
    | LossReadingCounted
    | TransferSeen
    | SharesChanged
    | StatementCompared
    | HoldPlaced
    | HoldCleared
    | MoneyRebuilt
    | ExternalsObserved
    | Reconciled
    | OutboxWritten
)
