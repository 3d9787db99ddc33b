"""Whatever clients and market do to the simulated exchange, its books stay true to their log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange_sim.account import apply_fill
from services.exchange_sim.books import Books, Changes
from services.exchange_sim.order_splits import split_orders
from services.exchange_sim.records import LegRole, Refusal, SimFill, SimOrder
from shared.models.orders import OrderStatus, Side, may_become
from tests.support.exchange_venue import NOON, Venue

pytestmark = pytest.mark.unit

Action = tuple[str, int]
_TIME = ("trade", "bar", "settle", "wait", "night", "halt", "resume", "split", "close")
_CHANGES = ("cancel", "raise", "lower", "resize")
_SIMPLE = ("buy", "sell", "limit", "stop", "stop_limit", "trailing", "ioc", "fok", "cls")
_WORDS = (*_TIME, *_CHANGES, *_SIMPLE, "notional", "fraction", "oco", "bracket", "oto")
ACTIONS = st.lists(st.tuples(st.sampled_from(_WORDS), st.integers(0, 60)), max_size=40)
SWITCHES = st.sampled_from(
    [
        (),
        ("partial_fill_rate=0.7",),
        ("cancel_lag_s=2", "replace_lag_s=2", "partial_fill_rate=0.3"),
        ("sibling_end=replaced", "over_close=true"),
        ("stuck_cancels=true", "sibling_end=silent"),
        ("split_groups=adjust", "split_reverse=adjust", "split_trailing=adjust"),
    ]
)


class Story:
    """A venue, what was done to it, and everything that it would have written."""

    def __init__(self, switches: Sequence[str]) -> None:
        self.venue = Venue()
        self.venue.switch(*switches)
        self.log: list[Changes] = []
        self.snapshots: list[dict[str, SimOrder]] = []

    def do(self, action: Action) -> None:
        """Do one thing; a refusal is an answer like any other. Then write."""
        try:
            self._do(*action)
        except Refusal:
            self.venue.books.changes.events.clear()
        books = self.venue.books
        changes = books.take_changes()
        self.log.append(changes)
        self.snapshots.append({name: books.orders[name] for name in changes.orders})

    def _do(self, what: str, number: int) -> None:
        venue = self.venue
        last = venue.tape.last("AAA", venue.now) or Decimal(100)
        bodies = _bodies(last, number + 1)
        orders = list(venue.books.orders.values())
        changes: dict[str, Callable[[SimOrder], object]] = {
            "cancel": lambda order: venue.cancel(order, settle=False),
            "raise": lambda order: venue.replace(order, settle=False, stop_price=str(last - 1)),
            "lower": lambda order: venue.replace(order, settle=False, limit_price=str(last - 2)),
            "resize": lambda order: venue.replace(order, settle=False, qty=number + 1),
        }
        if what in bodies:
            venue.send(settle=number % 2 == 0, **bodies[what])
        elif what in changes:
            if orders:
                changes[what](orders[number % len(orders)])
        else:
            self._pass(what, number, last)

    def _pass(self, what: str, number: int, last: Decimal) -> None:
        venue = self.venue
        moved = max(Decimal(5), last + Decimal(number - 30) / 5)
        deeds: dict[str, Callable[[], object]] = {
            "trade": lambda: venue.trade("AAA", moved),
            "bar": lambda: venue.bar((last, max(last, moved) + 1, min(last, moved) - 1, moved)),
            "settle": venue.settle,
            "wait": lambda: setattr(venue, "now", venue.now + timedelta(seconds=3)),
            "close": lambda: venue.desk.close_position("AAA", None, venue.moment()),
            "halt": lambda: venue.switch("halted=AAA"),
            "resume": lambda: venue.switch("halted="),
            "night": self._night,
            "split": lambda: split_orders(
                venue.books, "AAA", Decimal(2) if number % 2 else Decimal("0.5"), venue.now
            ),
        }
        deeds[what]()

    def _night(self) -> None:
        self.venue.end_session()
        self.venue.begin_session()
        self.venue.now = NOON + timedelta(hours=1)


def _bodies(last: Decimal, qty: int) -> dict[str, dict[str, Any]]:
    """Return an order of each kind around the last price."""
    oco = {"take_profit": {"limit_price": last + 5}, "stop_loss": {"stop_price": last - 5}}
    below = {"type": "limit", "limit_price": last - 1, "qty": qty}
    return {
        "buy": {"qty": qty, "time_in_force": "day"},
        "sell": {"side": "sell", "qty": qty},
        "limit": below,
        "ioc": {"qty": qty, "time_in_force": "ioc"},
        "fok": below | {"time_in_force": "fok"},
        "cls": {"qty": qty, "time_in_force": "cls"},
        "stop": {"side": "sell", "type": "stop", "stop_price": last - 2, "qty": qty},
        "stop_limit": {
            "type": "stop_limit",
            "stop_price": last + 1,
            "limit_price": last + 2,
            "qty": qty,
        },
        "trailing": {"side": "sell", "type": "trailing_stop", "trail_price": "2", "qty": qty},
        "notional": {"qty": None, "notional": qty * 50, "time_in_force": "day"},
        "fraction": {"qty": f"{qty}.5", "time_in_force": "day"},
        "oco": {"side": "sell", "type": "limit", "order_class": "oco", "qty": qty} | oco,
        "bracket": {"type": "limit", "limit_price": last + 1, "order_class": "bracket", "qty": qty}
        | oco
        | {"take_profit": {"limit_price": last + 6}},
        "oto": {"order_class": "oto", "qty": qty, "stop_loss": {"stop_price": last - 4}},
    }


@settings(max_examples=200, deadline=None)
@given(ACTIONS, SWITCHES)
def test_books_when_anything_happens_then_table_quantity_and_groups_hold(
    actions: list[Action], switches: tuple[str, ...]
) -> None:
    """No status outside the transition table, no order and no group fills more than was asked
    for, and what is filled is what the fills say.
    """
    story = Story(switches)
    seen: dict[str, OrderStatus] = {}
    filled: dict[str, Decimal] = {}
    for action in actions:
        story.do(action)
        for order in story.venue.books.orders.values():
            assert may_become(seen.get(order.id, order.status), order.status)
            assert 0 <= order.filled_qty <= order.qty
            seen[order.id] = order.status
    for changes in story.log:
        for fill in fills_of(changes):
            filled[fill.order_id] = filled.get(fill.order_id, Decimal(0)) + fill.qty
            assert fill.cum_qty == filled[fill.order_id]
    for order in story.venue.books.orders.values():
        assert order.filled_qty == filled.get(order.id, Decimal(0))
    if not any(word == "split" for word, _ in actions):
        check_groups(story.venue.books)


def fills_of(changes: Changes) -> list[SimFill]:
    """Return the executions among what changed."""
    return [one for one in changes.activities if isinstance(one, SimFill)]


def check_groups(books: Books) -> None:
    """Exits of a group never take more than its entry brought, or its OCO was sent for."""
    groups: dict[str, list[SimOrder]] = {}
    for order in books.orders.values():
        if order.group_id is not None:
            groups.setdefault(order.group_id, []).append(order)
    for members in groups.values():
        entries = [one for one in members if one.role is LegRole.ENTRY]
        exits = [one for one in members if one.role is not LegRole.ENTRY]
        taken = sum((one.filled_qty for one in exits), Decimal(0))
        brought = sum((one.filled_qty for one in entries), Decimal(0))
        assert taken <= (brought if entries else max(one.qty for one in members))


@settings(max_examples=100, deadline=None)
@given(ACTIONS, SWITCHES)
def test_log_when_replayed_then_the_same_books(
    actions: list[Action], switches: tuple[str, ...]
) -> None:
    """Orders as last written, cash and positions from the fills alone: nothing else is known."""
    story = Story(switches)
    for action in actions:
        story.do(action)
    books = story.venue.books

    again = Books(replace(books.account, cash=books.account.start_cash))
    for changes, orders in zip(story.log, story.snapshots, strict=True):
        for order in orders.values():
            again.put(order)
        for fill in fills_of(changes):
            signed = fill.qty if fill.side is Side.BUY else -fill.qty
            before = again.positions.get(fill.symbol)
            again.book(fill.symbol, apply_fill(before, fill.symbol, signed, fill.price))
            held = again.positions.get(fill.symbol)
            assert fill.position_qty == (held.qty if held else 0)

    assert again.orders == books.orders
    assert again.live_orders() == books.live_orders()
    assert again.unsettled() == books.unsettled()
    assert again.positions == books.positions
    assert again.account.cash == books.account.cash


@settings(max_examples=50, deadline=None)
@given(ACTIONS, SWITCHES)
def test_requests_when_repeated_then_every_id_and_event_is_the_same(
    actions: list[Action], switches: tuple[str, ...]
) -> None:
    """Nothing is left to chance: the same story twice is the same, name by name."""
    first, second = Story(switches), Story(switches)
    for action in actions:
        first.do(action)
        second.do(action)

    assert first.snapshots == second.snapshots
    assert [one.events for one in first.log] == [one.events for one in second.log]
    assert first.venue.books.account == second.venue.books.account
