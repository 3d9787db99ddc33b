"""Order lists go by when an order was submitted, and that moves: pages with overlap lose none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.exchange_sim.listing import OrderQuery, list_orders
from services.exchange_sim.records import SimOrder
from services.exchange_sim.store import Store
from services.exchange_sim.store_orders import OrderScan
from tests.support.exchange_venue import CLOSE, Venue

pytestmark = pytest.mark.integration
OVERLAP = timedelta(microseconds=1)
FAR: dict[str, Any] = {"type": "limit", "limit_price": "50", "qty": 1}


class Night:
    """A venue on disk: orders of the day, of the night, and of the hours before the opening."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.venue = Venue()
        store.open_account(self.venue.books.account)
        self.venue.books.archive = store.orders(self.venue.books.account)
        done = self.venue.send(**FAR)
        self.venue.cancel(done)
        kept = self.venue.send(**FAR)
        self.venue.end_session()
        self.queued = [self.venue.send(**FAR) for _ in range(2)]
        self.venue.now, self.venue.is_extended = CLOSE + timedelta(hours=12), True
        early = [self.venue.send(**FAR, time_in_force="day", extended_hours=True) for _ in range(4)]
        self.all = [done, kept, *self.queued, *early]
        self.save()

    def save(self) -> None:
        """Write what has changed."""
        self._store.save(self.venue.books, self.venue.books.take_changes())
        self.venue.books.forget_ended(0)

    def release(self) -> None:
        """Open the session: what was queued is submitted now."""
        self.venue.begin_session()
        self.save()

    def listed(self, **words: Any) -> list[SimOrder]:
        """Return a list of every status unless told otherwise."""
        values: dict[str, Any] = {"status": "all", "ascending": True}
        return list_orders(self.venue.books, OrderQuery(**(values | words)))


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    store = Store(tmp_path / "exchange.db")
    yield Night(store)
    store.close()


def pages(night: Night, limit: int, between: Callable[[int], None]) -> Iterator[list[SimOrder]]:
    """Yield pages as a careful client asks for them: from just before the last one met."""
    after: datetime | None = None
    for number in range(40):
        page = night.listed(limit=limit, after=after)
        yield page
        if len(page) < limit:
            return
        after = page[-1].submitted_at - OVERLAP
        between(number)


@pytest.mark.parametrize("limit", [2, 3, 4, 7])
@pytest.mark.parametrize("release_at", range(6))
def test_pages_when_a_night_order_is_released_between_two_then_none_is_lost(
    night: Night, limit: int, release_at: int
) -> None:
    """Whichever page it falls behind, and though younger orders were submitted before it."""

    def between(number: int) -> None:
        if number == release_at:
            night.release()

    met = {order.id for page in pages(night, limit, between) for order in page}

    assert met == {order.id for order in night.all}


def test_list_when_night_orders_are_released_then_they_move_behind_the_early_ones(
    night: Night,
) -> None:
    """On disk as in memory, live and archived together, in both directions, with both bounds and
    both cursors.
    """
    before = [order.id for order in night.listed()]
    night.release()
    orders = night.listed()
    names = [order.id for order in orders]
    moved = [order.id for order in night.queued]

    assert before == [order.id for order in night.all]
    assert names == [name for name in before if name not in moved] + moved
    assert [order.place for order in orders] == sorted(order.place for order in orders)
    assert [one.id for one in night.listed(ascending=False)] == names[::-1]
    assert [one.id for one in night.listed(status="open")] == names[1:]
    assert [one.id for one in night.listed(status="closed")] == names[:1]
    first, last = orders[2], orders[-1]
    bounds = {"after": first.submitted_at, "until": last.submitted_at}
    cursors = {"behind": first.place, "before": last.place}
    for status in ("all", "open"):
        for words in (bounds, cursors):
            found = night.listed(status=status, **words)
            assert [one.id for one in found] == names[3:-1]
    several = frozenset({"AAA", "ZZZ"})
    assert [one.id for one in night.listed(symbols=several)] == names


def test_scan_when_orders_share_their_moment_then_the_older_is_first_for_cursors_too(
    tmp_path: Path,
) -> None:
    """A group is submitted in one moment: the cursor in its middle neither repeats nor skips."""
    store, venue = Store(tmp_path / "exchange.db"), Venue()
    store.open_account(venue.books.account)
    group = venue.bracket(limit_price="99")
    same = [replace(venue.again(one), submitted_at=group[0].submitted_at) for one in group]
    for order in same:
        venue.books.put(order)
    store.save(venue.books, venue.books.take_changes())
    reader = store.orders(venue.books.account)
    low, middle, high = same

    assert list(reader.scan(OrderScan(behind=middle.place))) == [high]
    assert list(reader.scan(OrderScan(before=middle.place))) == [low]
    assert list(reader.scan(OrderScan(ascending=True))) == [low, middle, high]
    store.close()
