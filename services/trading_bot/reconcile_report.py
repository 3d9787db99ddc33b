"""The words of a reconciliation, and the state that it works on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.events.apply import apply
from shared.events.types import Event
from shared.models.trading_state import BotState


class Outcome(StrEnum):
    """The closed outcomes of ORDER_PATH.md rule 18."""

    MATCHED = "matched"
    MISSED_FILL = "missed_fill"
    OWN_LOST_INTENT = "own_lost_intent"
    """Our prefix and an epoch that we know: adopted."""
    EXTERNAL = "external"
    """Not ours: observed, counted, never traded."""
    SECOND_WRITER = "second_writer"
    """Our prefix, an epoch that nobody here opened."""
    LOST = "lost"
    """We hold it for working, and the broker's whole list does not show it."""
    UNRESOLVED = "unresolved"
    """Not to be decided from what was read; asked again."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was compared."""

    outcome: Outcome
    symbol: str
    client_order_id: str
    """Empty for a position."""
    detail: str


class Working:
    """The state while it is being brought up to date, with what led there."""

    def __init__(self, local: BotState, at: datetime) -> None:
        self.state = local
        self.at = at
        self.items: list[Item] = []
        self.events: list[Event] = []

    def take(self, event: Event) -> bool:
        """Apply an event and keep it; False, and not kept, when it changes nothing."""
        after = apply(self.state, event)
        if after is self.state:
            return False
        self.state = after
        self.events.append(event)
        return True

    def note(self, outcome: Outcome, symbol: str, client_order_id: str, detail: str) -> None:
        """Add an item."""
        self.items.append(Item(outcome, symbol, client_order_id, detail))
