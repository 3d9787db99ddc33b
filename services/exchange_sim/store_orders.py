"""Reads orders from exchange_sim.db: every one that the account ever had, live or long ended.

The books keep in memory what may still change; who asks for anything else asks here. What is
read is what was committed, so ask between deeds, not within one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from types import MappingProxyType

from services.exchange_sim.codec import from_text
from services.exchange_sim.records import Place, SimOrder
from services.exchange_sim.stamps import unix_us

_SELECT = "SELECT document FROM orders WHERE account_id = :owner"
_NONE: Mapping[str, SimOrder] = MappingProxyType({})
_SCANNED = "SELECT id, document FROM orders WHERE account_id = :owner"


@dataclass(frozen=True, slots=True)
class OrderScan:
    """Which stretch of the orders to read, in the order in which they were submitted."""

    ascending: bool = False
    behind: Place | None = None
    """Only those that stand later than there."""
    before: Place | None = None
    symbols: frozenset[str] = frozenset()
    """Empty: of every symbol."""
    after: datetime | None = None
    """Only those submitted later than that."""
    until: datetime | None = None
    """Only those submitted before that."""
    live: bool | None = None
    """True: only live ones; False: only ended ones; None: both."""


def _query(scan: OrderScan, symbol: str | None) -> tuple[str, dict[str, object]]:
    words: dict[str, object] = {}
    text = _SCANNED
    if symbol is not None:
        text += " AND symbol = :symbol"
        words["symbol"] = symbol
    for name, relation in (("behind", ">"), ("before", "<")):
        place: Place | None = getattr(scan, name)
        if place is not None:
            text += f" AND (submitted_us, seq) {relation} (:{name}_us, :{name}_seq)"
            words |= {f"{name}_us": unix_us(place[0]), f"{name}_seq": place[1]}
    for name, relation in (("after", ">"), ("until", "<")):
        moment: datetime | None = getattr(scan, name)
        if moment is not None:
            text += f" AND submitted_us {relation} :{name}_us"
            words[f"{name}_us"] = unix_us(moment)
    if scan.live is not None:
        text += f" AND is_live = {int(scan.live)}"
    way = "ASC" if scan.ascending else "DESC"
    return f"{text} ORDER BY submitted_us {way}, seq {way}", words


def _place(order: SimOrder) -> Place:
    return order.place


class OrderReader:
    """The orders of one account on disk."""

    def __init__(self, db: sqlite3.Connection, account_id: str) -> None:
        self._db = db
        self._account_id = account_id

    def _all(self, query: str, **words: object) -> Iterator[SimOrder]:
        for row in self._db.execute(query, {"owner": self._account_id} | words):
            yield from_text(SimOrder, str(row[0]))

    def _walk(
        self, query: str, words: dict[str, object], known: Mapping[str, SimOrder]
    ) -> Iterator[SimOrder]:
        for order_id, document in self._db.execute(query, {"owner": self._account_id} | words):
            yield known.get(order_id) or from_text(SimOrder, str(document))

    def by_id(self, order_id: str) -> SimOrder | None:
        """Return an order by the broker's id, None when the account never had it."""
        return next(self._all(f"{_SELECT} AND id = :name", name=order_id), None)

    def by_client_id(self, client_order_id: str) -> SimOrder | None:
        """Return an order by the client's id, None when the account never had it."""
        return next(self._all(f"{_SELECT} AND client_order_id = :name", name=client_order_id), None)

    def group(self, group_id: str) -> list[SimOrder]:
        """Return every order of a group, oldest first."""
        return list(self._all(f"{_SELECT} AND group_id = :name ORDER BY seq", name=group_id))

    def scan(self, scan: OrderScan, known: Mapping[str, SimOrder] = _NONE) -> Iterator[SimOrder]:
        """Yield orders one by one; take as many as the page needs and leave the rest unread. What
        is `known` in memory, as committed, is not read again.
        """
        # One walk along the index for each symbol: a list of many would walk all orders.
        walks = [_query(scan, symbol) for symbol in sorted(scan.symbols) or (None,)]
        found = [self._walk(query, words, known) for query, words in walks]
        yield from merge(*found, key=_place, reverse=not scan.ascending)
