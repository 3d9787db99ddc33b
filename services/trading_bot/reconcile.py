"""Reconcile: a pure function of what we know and what the broker shows (ORDER_PATH.md 17-19).

Intents and orders first, then fills, then positions; so a trade that opened, filled and stopped
out while the bot was dead is booked, not overlooked as flat = flat. Every item gets one closed
outcome. No fill is ever made up: positions are compared, never copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.trading_bot.reconcile_orders import match_orders
from services.trading_bot.reconcile_positions import match_positions
from services.trading_bot.reconcile_report import Item, Outcome, Working
from shared.events.types import Event, Reconciled
from shared.models.broker import BrokerFill, BrokerOrder
from shared.models.portfolio import Account, Position
from shared.models.trading_state import BotState

_BAD = frozenset({Outcome.UNRESOLVED, Outcome.LOST, Outcome.SECOND_WRITER})


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """What the broker answered, every part read whole and successfully; else there is none."""

    account: Account
    orders: tuple[BrokerOrder, ...]
    """All statuses, nested, back to before the oldest order that may still change."""
    positions: tuple[Position, ...]
    fills: tuple[BrokerFill, ...]
    """FILL activities since `fills_seen_until`, with overlap."""
    at: datetime
    """Market time at which the reading began."""


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """What was found, and the events that bring the state up to it, in their order."""

    items: tuple[Item, ...]
    events: tuple[Event, ...]

    @property
    def bad_items(self) -> tuple[Item, ...]:
        """The items that keep trading back: unresolved, lost, second writer."""
        return tuple(item for item in self.items if item.outcome in _BAD)

    @property
    def is_clean(self) -> bool:
        """Whether every item is resolved."""
        return not self.bad_items

    @property
    def counts(self) -> Mapping[str, int]:
        """How many items of each outcome."""
        return dict(Counter(item.outcome.value for item in self.items))


def reconcile(local: BotState, broker: BrokerSnapshot) -> ReconciliationReport:
    """Compare our state with the broker's. The order of the broker's lists does not matter."""
    if broker.account.account_id != local.account_id:
        detail = f"the broker's account is {broker.account.account_id}, ours {local.account_id}"
        return ReconciliationReport((Item(Outcome.UNRESOLVED, "", "", detail),), ())
    working = Working(local, broker.at)
    shares = {position.symbol: position.qty for position in broker.positions}
    match_orders(working, broker.orders, broker.fills, shares)
    match_positions(working, broker.positions)
    newest = max((fill.at for fill in broker.fills), default=None)
    working.take(Reconciled(broker.at, newest))
    return ReconciliationReport(tuple(working.items), tuple(working.events))
