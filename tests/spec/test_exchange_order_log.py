"""Whatever clients and market do to the simulated exchange, its books stay true to their log."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings

from services.exchange_sim.account import apply_fill
from services.exchange_sim.books import Books
from services.exchange_sim.changes import Changes
from services.exchange_sim.records import LegRole, SimFill, SimOrder
from shared.models.orders import OrderStatus, Side, may_become
from tests.support.exchange_story import ACTIONS, SWITCHES, Action, Story

pytestmark = pytest.mark.unit


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
