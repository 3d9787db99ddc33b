"""The settings of the embedded exchange."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SimSettings:
    """SIM_* of CONTRACTS.md section 3. Only meaningful in mode sim."""

    speed: float | None = 60.0
    """Market seconds per real second; None is `max`: lock-step."""
    seed: int = 1
    replay: Path | None = None
    """Folder or file of bars; None is the seeded market."""
    from_date: date | None = None
    to_date: date | None = None
    """First and last day of the replay, both included; None is the files' own."""
    cash: Decimal = Decimal(100_000)
    """Dollars on a new simulated account."""
    port: int | None = None
    """None lets the supervisor choose one, once per state folder."""
    spread_bps: Decimal = Decimal(2)
    """Bid and ask around bars that have no quotes."""
    rate_limit: bool = False
