"""Where orders are found that the books no longer hold in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from services.exchange_sim.records import SimOrder
from services.exchange_sim.store_orders import OrderScan


class OrderArchive(Protocol):
    """Every order that the account ever had, as it was committed."""

    def by_id(self, order_id: str) -> SimOrder | None:
        """Return an order by the broker's id."""

    def by_client_id(self, client_order_id: str) -> SimOrder | None:
        """Return an order by the client's id."""

    def group(self, group_id: str) -> list[SimOrder]:
        """Return every order of a group, oldest first."""

    def scan(self, scan: OrderScan, known: Mapping[str, SimOrder]) -> Iterator[SimOrder]:
        """Yield orders one by one, in the order in which they were submitted; those that are
        `known` by their id as they are there.
        """
