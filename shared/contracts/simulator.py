"""What the simulated exchange promises beyond Alpaca: the lock-step turn and its status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.fields import Fields
from shared.models.broker import ClockReading


@dataclass(frozen=True, slots=True)
class LockStepReply:
    """Answer of POST /sim/lockstep: the minute to work on, or None to ask again."""

    minute: datetime | None
    reading: ClockReading
    ended: bool


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
    )


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
