"""Events to JSON and back, for the journal: `{"event": "OrderSeen", ...}`."""

from __future__ import annotations

from typing import Any, get_args

from shared.events.types import Event
from shared.models.json_values import from_json, to_json
from shared.models.shown import shown

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Event)}


def event_to_json(event: Event) -> dict[str, Any]:
    """Return the event as a dict of JSON values."""
    return {"event": type(event).__name__, **to_json(event)}


def event_from_json(record: object) -> Event:
    """Rebuild an event; ValueError for an unknown kind or members that do not fit.

    Other members beside the event's own, such as the journal's seq and CRC, are left alone.
    """
    if not isinstance(record, dict):
        raise ValueError(f"an event must be an object, not {shown(record)}")
    kind = _KINDS.get(str(record.get("event")))
    if kind is None:
        raise ValueError(f"unknown kind of event: {shown(record.get('event'))}")
    event: Event = from_json(kind, record)
    return event
