"""Brings a state up to the journal: every journaled event is applied again, once more or first."""

from __future__ import annotations

from collections.abc import Iterable

from shared.events.apply import apply
from shared.events.codec import event_from_json
from shared.models.shown import shown
from shared.models.trading_state import BotState


def replay(state: BotState, records: Iterable[object]) -> BotState:
    """Apply the `events` of journal records, oldest first; ValueError for what holds none."""
    for record in records:
        events = record.get("events") if isinstance(record, dict) else None
        if not isinstance(events, list):
            raise ValueError(f"a journal record without its events: {shown(record)}")
        for event in events:
            state = apply(state, event_from_json(event))
    return state
