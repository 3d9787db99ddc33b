"""client_order_id: a readable prefix, epoch and strategy, then a short hash of the decision.

The same decision always gets the same id, so a repeated send is refused by the broker instead
of doubling the order; the epoch changes with a new state or a new exchange, so that one replay
does not adopt another one's orders (ORDER_PATH.md rule 7). At most 36 characters.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

PREFIX = "sht"
ID_CHARACTERS_MAX = 36
_HASH_CHARACTERS = 12
_EPOCH_CHARACTERS = 8
STRATEGY_CHARACTERS = 10
"""So much of a strategy's name stands in an id."""
_PATTERN = re.compile(r"^sht-([0-9a-z]{8})-([a-z0-9_]{1,10})-([0-9a-f]{12})$")


@dataclass(frozen=True, slots=True)
class OwnId:
    """The readable parts of one of our ids."""

    epoch: str
    strategy: str
    """First ten characters of the strategy's (or the plan's) name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What makes a decision the same decision."""

    account_id: str
    strategy: str
    symbol: str
    side: str
    at: datetime
    """Market time of the signal, or of the position for a protective order."""
    sequence: int = 0
    """Persisted attempt number of protective and closing orders; 0 for entries."""


def make_client_order_id(epoch: str, decision: Decision) -> str:
    """Return the id of a decision; the same input gives the same id for ever.

    Raises ValueError when the epoch is not eight characters of a-z and 0-9.
    """
    if not re.fullmatch(r"[0-9a-z]{8}", epoch):
        raise ValueError(f"epoch must be {_EPOCH_CHARACTERS} characters of 0-9a-z, not {epoch!r}")
    text = "|".join(
        (
            decision.account_id,
            decision.strategy,
            decision.symbol,
            decision.side,
            decision.at.isoformat(),
            str(decision.sequence),
        )
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS]
    name = re.sub(r"[^a-z0-9_]", "_", decision.strategy.lower())[:STRATEGY_CHARACTERS] or "none"
    return f"{PREFIX}-{epoch}-{name}-{digest}"


def parse_own_id(client_order_id: str) -> OwnId | None:
    """Return the parts of one of our ids, or None for a foreign id."""
    match = _PATTERN.match(client_order_id)
    return OwnId(epoch=match[1], strategy=match[2]) if match else None
