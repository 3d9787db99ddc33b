"""What a door is given: its bounds, its share of the account's budget, and whom it tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.resilience.alongside import Alongside
from shared.resilience.classification import Verdict

if TYPE_CHECKING:
    from shared.resilience.door_standing import DoorStanding


@dataclass(frozen=True, slots=True)
class DoorRules:
    """Bounds of every call through a door, in seconds, and its share of the budget."""

    connect_s: float = 3.0
    silence_s: float = 5.0
    total_s: float = 10.0
    attempts: int = 3
    """Tries of a read, the first included."""
    reads_per_minute: int | None = 150
    """This door's share of the broker's calls per minute, in any minute however it is laid; None
    where the other side counts nothing, and then nothing else is counted either."""
    entries_per_minute: int = 15
    safety_per_minute: int = 40
    """Shares of the two lanes of orders; the one of safety is counted and never withheld."""
    reads_per_second: int = 10
    orders_per_second: int = 5
    left_to_others: int = 10
    """Reads stop when the broker says that no more than this is left of the account's minute."""
    holds: bool = True
    """Whether a Retry-After keeps the door shut for later calls; False where the caller himself
    waits as long as he was asked to."""
    pace_s_max: float = 1.0
    """So long a call waits for its turn before it is withheld."""


@dataclass(frozen=True, slots=True)
class FailedCall:
    """One call that came to nothing, after all its tries."""

    call: str
    """Verb and path, without host and query."""
    verdict: Verdict
    attempts: int
    took_s: float
    request_id: str
    """The broker's own number of the request, to be quoted to him; empty when he said none."""


def _tell_nobody(_: object) -> None:
    """Nobody asked to be told."""


@dataclass(frozen=True, slots=True)
class DoorHost:
    """The process behind a door."""

    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the process ends: pauses end at once and nothing is tried again."""
    on_wait: Callable[[float], None] = _tell_nobody
    """Told before every wait of more than a second, with its longest duration in seconds."""
    on_failed: Callable[[FailedCall], None] = _tell_nobody
    standings: dict[str, Callable[[], DoorStanding]] = field(default_factory=dict)
    """How each door of the process stands, by its name; door_standing.py puts them together."""
    alongside: Alongside = field(default_factory=Alongside)
    """Replies that came beside the report of a lock-step minute."""
