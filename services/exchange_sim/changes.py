"""What of the books has changed since it was last written."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.exchange_sim.movements import Activity, SplitRecord
from services.exchange_sim.records import EquityDay, TradeEvent


@dataclass(slots=True)
class Changes:
    """What is not on disk yet, and the events that wait for it."""

    orders: dict[str, None] = field(default_factory=dict)
    symbols: dict[str, None] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    splits: list[SplitRecord] = field(default_factory=list)
    days: list[EquityDay] = field(default_factory=list)
    events: list[TradeEvent] = field(default_factory=list)
    account: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.account and self.is_account_alone

    @property
    def is_account_alone(self) -> bool:
        """Whether nothing beside the account record changed."""
        written = (self.orders, self.symbols, self.activities, self.splits, self.days)
        return not any(written)
