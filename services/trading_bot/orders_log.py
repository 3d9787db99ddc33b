"""logs/orders.jsonl: one line per step of an order, for people (CONTRACTS.md section 8).

Each line is one O_APPEND write, so that a one-shot command and the bot never tear each other's
lines. A log that cannot be written is counted and said, never a reason to stop trading.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from shared.clock import Clock, utc_text


class OrderStep(StrEnum):
    """The steps that a line may name."""

    INTENT = "intent"
    APPROVED = "approved"
    DENIED = "denied"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    AMBIGUOUS = "ambiguous"
    FILL = "fill"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    RECONCILED = "reconciled"


class OrdersLog:
    """Appends lines; `failures` counts those that could not be written."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.failures = 0

    def write(
        self, step: OrderStep, client_order_id: str, symbol: str, side: str, **facts: object
    ) -> None:
        """Append one line; `facts` hold at least `qty`, money as Decimal."""
        line = {
            "ts": utc_text(self._clock.utc_now()),
            "event": step.value,
            "client_order_id": client_order_id,
            "symbol": symbol,
            "side": side,
            **facts,
        }
        data = (json.dumps(line, default=_plain, separators=(",", ":")) + "\n").encode()
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            self.failures += 1
            return
        try:
            os.write(file, data)
        except OSError:
            self.failures += 1
        finally:
            os.close(file)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else repr(value)
