"""A day's record, replayed: the lines in, the state out, and everything that did not fit. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import SchemaFault
from shared.events.replay import replay
from shared.models.state_codec import state_from_payload, state_to_payload
from shared.models.trading_state import BotState
from shared.persistence.document import VERSION
from shared.persistence.journal_lines import Line, scan


@dataclass(slots=True)
class DayReplay:
    """What the record of a day comes to."""

    state: BotState | None = None
    """The state at the end; None without a whole snapshot."""
    first: BotState | None = None
    """The first snapshot."""
    events: int = 0
    snapshots: int = 0
    broken: list[str] = field(default_factory=list)
    """Lines that do not verify, or mean nothing, each named."""
    gaps: list[str] = field(default_factory=list)
    """Where a start of the bot began with another state than the events before it gave."""


def replay_day(raw: bytes) -> DayReplay:
    """Replay the bytes of a day's file; raises SchemaFault for a newer version."""
    found = scan(raw)
    if found.version > VERSION:
        raise SchemaFault(f"it is of version {found.version}; this code knows up to {VERSION}")
    done = DayReplay(broken=list(found.notes))
    at, records = 0, found.records
    while at < len(records):
        line = records[at]
        parts = line.value.get("parts")
        if "snapshot" in line.value and type(parts) is int and parts >= 0:
            _begin(done, line, records[at + 1 : at + 1 + parts])
            at += 1 + parts
        else:
            _go_on(done, line)
            at += 1
    return done


def first_snapshot(raw: bytes) -> BotState | None:
    """Return the state with which a day began, None when its file has none."""
    return replay_day(raw).first


def _begin(done: DayReplay, line: Line, parts: list[Line]) -> None:
    missing = line.value["parts"] - len(parts)
    if missing:
        done.broken.append(f"record {line.seq}: {missing} parts of its snapshot are missing")
        return
    orders: dict[str, Any] = {}
    for part in parts:
        some = part.value.get("orders")
        if not isinstance(some, dict):
            done.broken.append(f"record {part.seq}: it is no part of a snapshot")
            return
        orders |= some
    try:
        state = state_from_payload({**line.value["snapshot"], "orders": orders})
    except (ValueError, TypeError) as failure:
        done.broken.append(f"record {line.seq}: no state can be made of it: {failure}")
        return
    if done.state is not None:
        members = differing_members(done.state, state_to_payload(state))
        if members:
            done.gaps.append(f"record {line.seq}: the bot began anew with {', '.join(members)}")
    done.snapshots += 1
    done.first = done.first or state
    done.state = state


def _go_on(done: DayReplay, line: Line) -> None:
    if done.state is None:
        done.broken.append(f"record {line.seq}: it stands before any snapshot")
        return
    try:
        done.state = replay(done.state, (line.value,))
    except ValueError as failure:
        done.broken.append(f"record {line.seq}: {failure}")
        return
    done.events += len(line.value["events"])


def differing_members(state: BotState, saved: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the members of a saved payload that are not those of the state, by name."""
    ours = json.loads(json.dumps(state_to_payload(state)))
    theirs = json.loads(json.dumps({name: saved.get(name) for name in ours}))
    return tuple(name for name in ours if ours[name] != theirs[name])
