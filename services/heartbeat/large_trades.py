"""Reads the fills of logs/orders.jsonl and finds the large ones, each order once.

Where the reading stands is part of heartbeat's memory and written together with the alerts it
led to, so that a kill neither loses nor repeats one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from services.heartbeat.plan import Alert, Kind
from services.heartbeat.subjects import LARGE_TRADE, Severity, see

LARGE_SHARE = Decimal("1.1")
"""Of what one position may hold: the sizing goes up to the whole of it, so that every ordinary
trade would be large below."""
READ_BYTES_MAX = 1_000_000
TOLD_MAX = 100
DIGITS_MAX = 18
"""No amount of a market has more; one that does would be endless when it is written out."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the file was read, and which orders were told of."""

    inode: int
    offset: int
    told: tuple[str, ...] = ()


def position_limit(bot: Mapping[str, Any] | None) -> Decimal | None:
    """Return what one position may hold in dollars, None when the bot does not say."""
    rows = (bot or {}).get("limits")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and row.get("name") == "largest_position":
            return _amount(row.get("limit"))
    return None


def look(
    path: Path, place: Place | None, limit: Decimal | None, mode: str
) -> tuple[Place | None, tuple[Alert, ...]]:
    """Return the new place and a notice for each large order that began to fill since.

    The first look begins at the end: what lies before it happened before our time. Without a
    limit, and while the file cannot be read, the place stays.
    """
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if place is None:
                return Place(facts.st_ino, facts.st_size), ()
            if limit is None:
                return place, ()
            is_same = facts.st_ino == place.inode and facts.st_size >= place.offset
            start = place.offset if is_same else 0
            file.seek(start)
            data = file.read(READ_BYTES_MAX)
    except FileNotFoundError:
        return Place(0, 0) if place is None else place, ()
    except OSError:
        return place, ()
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == READ_BYTES_MAX:
        whole = data  # no line of ours is so long
    told, alerts = place.told, []
    for line in whole.splitlines():
        found = _large(line, limit, mode)
        if found is not None and found[0] not in told:
            told = (*told, found[0])[-TOLD_MAX:]
            alerts.append(found[1])
    return Place(facts.st_ino, start + len(whole), told), tuple(alerts)


def _large(line: bytes, limit: Decimal, mode: str) -> tuple[str, Alert] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("event") != "fill":
        return None
    qty, price = _amount(row.get("qty")), _amount(row.get("price"))
    if qty is None or price is None or abs(qty) * price < limit * LARGE_SHARE:
        return None
    words = f"{row.get('side')} {qty:f} {row.get('symbol')} at {price:f}"
    title = f"[{mode}] LARGE TRADE {words}"
    body = f"{abs(qty) * price:.2f} dollars; a position may hold {limit:f}. {see(LARGE_TRADE)}"
    order = str(row.get("client_order_id"))
    return order, Alert(Kind.NOTICE, LARGE_TRADE, Severity.INFO, title, body)


def _amount(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    is_plausible = amount.is_finite() and abs(amount.adjusted()) <= DIGITS_MAX
    return amount if is_plausible else None
