"""What the simulated exchange promises beyond Alpaca: the lock-step turn and its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.contracts.fields import Fields, as_list
from shared.models.broker import ClockReading


@dataclass(frozen=True, slots=True)
class ToldReply:
    """What one address answers to a GET at that very moment."""

    address: str
    """Path and query."""
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class LockStepReply:
    """Answer of POST /sim/lockstep: the minute to work on, or None to ask again."""

    minute: datetime | None
    reading: ClockReading
    ended: bool
    told: tuple[ToldReply, ...] = ()
    """Answers to the reads that the report asked for; none while nothing is released."""


@dataclass(frozen=True, slots=True)
class SimStatus:
    """Answer of GET /sim/status, as far as data-daemon asks."""

    source: str
    """seeded or replay."""
    account_id: str
    epoch: str
    symbols: tuple[str, ...]
    ended: bool


def read_lock_step(raw: object) -> LockStepReply:
    """Return the checked answer of POST /sim/lockstep."""
    fields = Fields(raw, "lockstep")
    return LockStepReply(
        minute=fields.optional_moment("minute"),
        reading=ClockReading(
            now=fields.moment("now"),
            is_open=fields.flag("is_open"),
            next_open=fields.moment("next_open"),
            next_close=fields.moment("next_close"),
        ),
        ended=fields.flag("ended"),
        told=read_told(raw),
    )


def read_told(raw: object) -> tuple[ToldReply, ...]:
    """Return the checked answers that came together."""
    rows = as_list(Fields(raw, "together").raw.get("told") or [], "told")
    return tuple(_told(Fields(row, f"told[{index}]")) for index, row in enumerate(rows))


def _told(fields: Fields) -> ToldReply:
    names = ("address", "status", "headers", "body")
    address, status, headers, body = (fields.raw.get(name) for name in names)
    if not isinstance(address, str):
        raise fields.drift("address", "a text")
    if not isinstance(status, int):
        raise fields.drift("status", "a whole number")
    if not isinstance(headers, Mapping):
        raise fields.drift("headers", "an object")
    if not isinstance(body, str):
        raise fields.drift("body", "a text")
    told = {str(name): str(text) for name, text in headers.items()}
    return ToldReply(address, status, told, body)


def read_sim_status(raw: object) -> SimStatus:
    """Return the checked answer of GET /sim/status."""
    fields = Fields(raw, "status")
    symbols = fields.raw.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(item, str) for item in symbols):
        raise fields.drift("symbols", "a list of texts")
    return SimStatus(
        source=fields.text("source"),
        account_id=fields.text("account_id"),
        epoch=fields.text("epoch"),
        symbols=tuple(str(item) for item in symbols),
        ended=fields.flag("ended"),
    )
