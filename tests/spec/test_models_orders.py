"""Orders, the book that holds them, and plans: what cannot be built, what is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.models.order_book import OrderBook
from shared.models.orders import OrderStatus, OrderType
from shared.models.plans import PLAN_STEPS, Plan, PlanKind
from tests.support.builders import NOON, D, an_entry, an_exit

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"client_order_id": ""}, "client_order_id"),
        ({"symbol": ""}, "symbol"),
        ({"qty": D(0)}, "qty"),
        ({"qty": D("NaN")}, "qty"),
        ({"filled_qty": D(11)}, "filled_qty"),
        ({"filled_qty": D(-1)}, "filled_qty"),
        ({"limit_price": None}, "limit_price"),
        ({"limit_price": D("-1")}, "limit_price"),
        ({"stop_loss_price": D(0)}, "stop_loss_price"),
        ({"type": OrderType.STOP}, "stop_price"),
        ({"created_at": NOON.replace(tzinfo=None)}, "created_at"),
    ],
)
def test_order_when_invalid_then_it_cannot_be_built(changes: dict[str, Any], word: str) -> None:
    """The message names the field."""
    with pytest.raises(ValueError, match=word):
        replace(an_entry(), **changes)


def test_order_when_shown_then_its_repr_says_what_it_is() -> None:
    """Role, side, quantity, symbol, prices, status and filled part stand in the text."""
    text = repr(replace(an_entry(), filled_qty=D(4), status=OrderStatus.PARTIALLY_FILLED))

    assert "entry buy 10 AAPL limit limit 100.00 partially_filled 4/10" in text


def test_book_when_an_order_changes_then_the_old_book_stays() -> None:
    """`put` returns a new book; both are found by id, broker's id, group and symbol."""
    entry = an_entry()
    book = OrderBook([entry])

    after = book.put(replace(entry, broker_order_id="b-1", status=OrderStatus.NEW))

    assert book[entry.client_order_id].broker_order_id is None
    assert after.by_broker_id("b-1") is after[entry.client_order_id]
    assert after.by_broker_id("b-2") is None
    assert after.group(entry.position_key) == (after[entry.client_order_id],)
    assert after.of_symbol("AAPL") == after.group(entry.position_key)
    assert list(book.live()) == []
    assert len(list(after.live())) == 1
    assert book != after


def test_book_when_an_order_changes_its_group_then_it_stands_in_one_only() -> None:
    """A group never holds an order twice, nor two groups the same order."""
    entry = an_entry()
    exit_order = an_exit(entry, "x")
    book = OrderBook([entry, replace(exit_order, position_key="")])

    after = book.put(exit_order)

    assert [order.client_order_id for order in after.group(entry.position_key)] == [
        entry.client_order_id,
        "x",
    ]
    assert after.group("") == ()
    assert [len(orders) for key, orders in after.groups() if key] == [2]
    assert len(after.without(["x"])) == 1


def test_plan_when_its_step_is_foreign_then_it_cannot_be_built() -> None:
    """A plan stands on a step of its own kind."""
    plan = Plan("p", PlanKind.CLOSE, "AAPL", "k", "cancel_legs", NOON, NOON, "test")

    assert plan.step_number == PLAN_STEPS[PlanKind.CLOSE].index("cancel_legs")
    with pytest.raises(ValueError, match="send_oco"):
        replace(plan, step="send_oco")
