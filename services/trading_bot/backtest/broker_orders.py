"""Reads from the exchange's books which stops stood when, and with which stop an entry came."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.trading_bot.backtest.stops_held import StopSpan
from shared.errors import TransientFault

_ENTRY, _STOP = "entry", "stop"
_MARKET, _SELL = "market", "sell"
_FILLED = "filled"
_ENDED = frozenset({_FILLED, "canceled", "expired", "replaced", "rejected"})


@dataclass(frozen=True, slots=True)
class BrokerStops:
    """The stops of an account, as the broker held them."""

    spans: tuple[StopSpan, ...]
    of_entries: Mapping[str, Decimal]
    """Stop price that came with an entry, by the entry's order id."""


def read_stops(database: Path, account_id: str) -> BrokerStops:
    """Return what the books say; raises TransientFault, ValueError."""
    address = f"{database.absolute().as_uri()}?mode=ro"
    query = "SELECT document FROM orders WHERE account_id = ? ORDER BY seq"
    try:
        with closing(sqlite3.connect(address, uri=True)) as opened:
            rows = opened.execute(query, (account_id,)).fetchall()
    except sqlite3.Error as failure:
        raise TransientFault(f"{database.name} cannot be read: {failure}") from failure
    return stops_of([json.loads(text) for (text,) in rows])


def stops_of(orders: Iterable[Mapping[str, Any]]) -> BrokerStops:
    """Return the stops among the orders, oldest first, and with them the exits at market that
    wait: they sell at the very next trade, sooner than any stop (ORDER_PATH.md, rules 5 and 8).
    """
    known = {str(order["id"]): order for order in orders}
    of_entries: dict[str, Decimal] = {}
    spans: list[StopSpan] = []
    for order in known.values():
        is_exit = order.get("type") == _MARKET and order.get("side") == _SELL
        if order["role"] != _STOP and not is_exit:
            continue
        parent = known.get(str(order.get("parent_id")), {})
        if parent.get("role") == _ENTRY and order.get("stop_price") is not None:
            of_entries.setdefault(str(parent["id"]), Decimal(order["stop_price"]))
        since = _live_since(order, parent)
        if since is not None:
            spans.append(_span(order, since))
    return BrokerStops(tuple(spans), of_entries)


def _live_since(order: Mapping[str, Any], parent: Mapping[str, Any]) -> datetime | None:
    """Return since when a stop protects; a leg is inert until its entry is filled completely."""
    if parent.get("role") != _ENTRY or order.get("replaces"):
        return datetime.fromisoformat(order["created_at"])
    return datetime.fromisoformat(parent["filled_at"]) if parent["status"] == _FILLED else None


def _span(order: Mapping[str, Any], since: datetime) -> StopSpan:
    has_ended = order["status"] in _ENDED
    until = datetime.fromisoformat(order["updated_at"]) if has_ended else None
    qty = Decimal(order["qty"])
    return StopSpan(order["symbol"], str(order["id"]), qty, since, until)
