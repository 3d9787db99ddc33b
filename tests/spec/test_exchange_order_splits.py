"""What a split does to the resting orders of the simulated exchange."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.groups import nested_children
from services.exchange_sim.order_splits import converted, split_orders
from services.exchange_sim.records import SimOrder
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit

TWO, HALF = Decimal(2), Decimal("0.5")


def split(venue: Venue, ratio: Decimal, symbol: str = "AAA") -> None:
    """Carry a split into the orders, over night."""
    venue.end_session()
    split_orders(venue.books, symbol, ratio, venue.now)


def successor(venue: Venue, order: SimOrder) -> SimOrder:
    """Return the order that took another's place."""
    return venue.books.orders[venue.again(order).replaced_by or ""]


def test_limit_order_when_split_forward_then_a_new_order_has_the_new_shares() -> None:
    """Twice the shares at half the price, with links both ways and a random client id."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="90.01", client_order_id="mine")
    venue.fill(order, 3, "90")

    split(venue, TWO)

    new = successor(venue, order)
    assert venue.status(order) == "replaced"
    assert (new.status.value, new.qty, new.limit_price) == ("new", Decimal(14), Decimal(45))
    assert (new.filled_qty, new.replaces) == (Decimal(0), order.id)
    assert new.client_order_id != "mine"
    assert venue.events()[-1] == "replaced"
    venue.begin_session()
    venue.trade("AAA", "44")
    assert venue.status(new) == "filled"


@pytest.mark.parametrize(
    ("rule", "ratio", "status"),
    [
        ("split_forward=adjust", TWO, "replaced"),
        ("split_forward=cancel", TWO, "canceled"),
        ("split_forward=keep", TWO, "new"),
        ("split_reverse=adjust", HALF, "replaced"),
        ("split_reverse=cancel", HALF, "canceled"),
        ("split_reverse=keep", HALF, "new"),
    ],
)
def test_single_order_when_split_then_the_switch_of_its_direction_decides(
    rule: str, ratio: Decimal, status: str
) -> None:
    """Forward and reverse splits have a switch each; other symbols are left alone."""
    venue = Venue()
    venue.switch(rule)
    order = venue.send(type="limit", limit_price="90")
    other = venue.send(symbol="BBB", type="limit", limit_price="40")

    split(venue, ratio)

    assert (venue.status(order), venue.status(other)) == (status, "new")


@pytest.mark.parametrize(
    ("rule", "status"), [("cancel", "canceled"), ("adjust", "replaced"), ("keep", "new")]
)
def test_trailing_stop_when_split_then_its_own_switch_decides(rule: str, status: str) -> None:
    """Adjusted, its mark, trail and stop are all in new dollars."""
    venue = Venue()
    venue.switch(f"split_trailing={rule}")
    order = venue.send(type="trailing_stop", trail_price="5")

    split(venue, TWO)

    assert venue.status(order) == status
    if rule == "adjust":
        new = successor(venue, order)
        prices = (new.hwm, new.trail_price, new.stop_price)
        assert prices == (Decimal(50), Decimal("2.5"), Decimal("52.5"))


@pytest.mark.parametrize(
    ("rule", "statuses"),
    [
        ("keep", ["filled", "new", "held"]),
        ("cancel", ["filled", "canceled", "canceled"]),
        ("adjust", ["filled", "replaced", "replaced"]),
    ],
)
def test_bracket_when_split_then_its_legs_stay_unless_switched(
    rule: str, statuses: list[str]
) -> None:
    """Legs go out as do-not-reduce, do-not-cancel: their prices are the old ones."""
    venue = Venue()
    venue.switch(f"split_groups={rule}")
    group = venue.bracket()
    venue.trade("AAA", "100")

    split(venue, TWO)

    assert [venue.status(one) for one in group] == statuses
    if rule == "adjust":
        target, stop = (successor(venue, one) for one in group[1:])
        assert (target.qty, target.limit_price) == (Decimal(20), Decimal(55))
        assert (stop.qty, stop.stop_price) == (Decimal(20), Decimal("47.5"))
        assert (target.status.value, stop.status.value) == ("new", "held")


def test_adjusted_bracket_when_a_leg_fills_then_the_other_still_ends() -> None:
    """The new legs are one group as the old ones were."""
    venue = Venue()
    venue.switch("split_groups=adjust")
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")
    split(venue, TWO)
    venue.begin_session()

    venue.trade("AAA", "56")

    assert venue.status(successor(venue, target)) == "filled"
    assert venue.status(successor(venue, stop)) == "canceled"


def test_adjusted_bracket_when_its_entry_is_open_then_the_legs_follow_the_new_entry() -> None:
    """They stand under it, wake with its fill, and are of its size."""
    venue = Venue()
    venue.switch("split_groups=adjust")
    entry, target, stop = venue.bracket(
        limit_price="90", take_profit={"limit_price": "100"}, stop_loss={"stop_price": "80"}
    )

    split(venue, TWO)
    new = successor(venue, entry)

    live = [one.id for one in nested_children(venue.books, new) if one.is_live]
    assert live == [successor(venue, target).id, successor(venue, stop).id]
    venue.begin_session()
    venue.trade("AAA", "44")
    assert [venue.status(successor(venue, one)) for one in (entry, target, stop)] == [
        "filled",
        "new",
        "held",
    ]
    assert venue.held() == successor(venue, stop).qty == 20


def test_order_when_nothing_whole_is_left_then_it_is_canceled() -> None:
    """One share of twenty for one is none."""
    venue = Venue()
    venue.switch("split_reverse=adjust")
    order = venue.send(qty="1", type="limit", limit_price="90")

    split(venue, Decimal("0.05"))

    assert venue.status(order) == "canceled"


@pytest.mark.parametrize("request_", ["cancel", "replace"])
def test_order_when_a_request_is_pending_at_the_split_then_it_ends(request_: str) -> None:
    """Neither the old order nor its replacement survives at the old price."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="90")
    if request_ == "cancel":
        venue.cancel(order, settle=False)
    else:
        venue.replace(order, settle=False, limit_price="91")

    split(venue, TWO)
    venue.settle()

    assert venue.books.live_orders() == []


@given(st.integers(1, 1_000), st.integers(200, 100_000), st.sampled_from([2, 3, 4, 7, 10, 20]))
def test_conversion_when_forward_then_the_value_stays_within_the_rounding(
    qty: int, cents: int, ratio: int
) -> None:
    """Shares times price is what it was, but for the tick."""
    venue = Venue()
    price = Decimal(cents) / 100
    order = venue.send(type="limit", limit_price="50", qty="1")
    before = converted(order, Decimal(1))
    assert (before.qty, before.limit_price) == (Decimal(1), Decimal(50))

    order = replace(order, qty=Decimal(qty), limit_price=price)
    new = converted(order, Decimal(ratio))

    assert new.limit_price is not None
    assert new.qty == qty * ratio
    assert abs(new.qty * new.limit_price - qty * price) <= new.qty * Decimal("0.005")
