"""How bracket, OCO and OTO orders follow each other on the simulated exchange."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.exchange_sim.groups import is_nested, nested_children
from services.exchange_sim.listing import OrderQuery, list_orders
from services.exchange_sim.records import Refusal
from services.exchange_sim.wire import order_document
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


def test_bracket_when_entry_is_open_then_legs_are_inert_and_nested() -> None:
    """Before the fill both legs are held, random-named, and only under their parent."""
    venue = Venue()
    entry, target, stop = venue.bracket(limit_price="99", client_order_id="mine")

    venue.trade("AAA", "120")

    assert (venue.status(target), venue.status(stop)) == ("held", "held")
    assert [leg["id"] for leg in order_document(venue.books, entry)["legs"]] == [
        target.id,
        stop.id,
    ]
    assert "mine" not in (target.client_order_id, stop.client_order_id)
    assert [one.id for one in list_orders(venue.books, OrderQuery())] == [entry.id]


def test_bracket_when_entry_fills_then_target_is_new_stop_held_and_unnested() -> None:
    """After the complete fill the legs stand alone, and the held stop is in no open list."""
    venue = Venue()
    entry, target, stop = venue.bracket()

    venue.trade("AAA", "100")

    assert (venue.status(target), venue.status(stop)) == ("new", "held")
    assert nested_children(venue.books, venue.again(entry)) == []
    assert not is_nested(venue.books, venue.again(stop))
    assert order_document(venue.books, venue.again(entry))["legs"] is None
    assert [one.id for one in list_orders(venue.books, OrderQuery(nested=True))] == [target.id]
    everything = list_orders(venue.books, OrderQuery(status="all", nested=True))
    assert {one.id for one in everything} == {entry.id, target.id, stop.id}
    assert "parent_id" not in order_document(venue.books, venue.again(stop))


def test_bracket_when_entry_fills_partly_then_legs_stay_inert_and_shares_are_naked() -> None:
    """Only the complete fill wakes the legs; cancelling the rest cancels them."""
    venue = Venue()
    entry, target, stop = venue.bracket()
    venue.fill(entry, 4, "100.01")

    assert (venue.status(target), venue.status(stop)) == ("held", "held")
    venue.trade("AAA", "100.6")  # above the entry's limit, so it rests
    venue.cancel(entry)

    assert [venue.status(one) for one in (entry, target, stop)] == ["canceled"] * 3
    assert venue.held() == 4


@pytest.mark.parametrize(
    ("price", "ended", "canceled"), [("111", "target", "stop"), ("90", "stop", "target")]
)
def test_bracket_when_one_leg_fills_then_the_other_is_canceled(
    price: str, ended: str, canceled: str
) -> None:
    """One leg filled ends the group."""
    venue = Venue()
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")
    legs = {"target": target, "stop": stop}

    venue.trade("AAA", price)

    assert venue.status(legs[ended]) == "filled"
    assert venue.status(legs[canceled]) == "canceled"
    assert venue.held() == 0


def test_bracket_when_target_fills_partly_then_the_stop_shrinks() -> None:
    """The stop covers what is left, never more."""
    venue = Venue()
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")

    venue.fill(target, 3, "110")

    assert venue.again(stop).qty == 7
    assert venue.status(target) == "partially_filled"


@pytest.mark.parametrize("which", [1, 2])
def test_bracket_when_one_leg_is_canceled_then_the_other_too(which: int) -> None:
    """Cancelling a leg takes the group."""
    venue = Venue()
    group = venue.bracket()
    venue.trade("AAA", "100")

    venue.cancel(group[which])

    assert [venue.status(one) for one in group] == ["filled", "canceled", "canceled"]
    assert venue.events()[-2:] == ["canceled", "canceled"]


def test_cancel_when_accepted_then_canceled_comes_later() -> None:
    """204 leaves the order pending; a fill may still win the race."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="99")

    venue.cancel(order, settle=False)
    assert venue.status(order) == "pending_cancel"
    with pytest.raises(Refusal, match="pending cancellation"):
        venue.cancel(order)
    venue.trade("AAA", "98")
    venue.settle()

    assert venue.status(order) == "filled"
    assert "canceled" not in venue.events()
    assert venue.events()[-2:] == ["fill", "order_cancel_rejected"]


def test_oco_when_sent_then_target_is_parent_and_stop_its_held_child() -> None:
    """An OCO protects shares that are there, counted once, and stays nested."""
    venue = Venue()
    venue.send()
    venue.trade("AAA", "100")

    parent = venue.send(
        side="sell",
        type="limit",
        order_class="oco",
        take_profit={"limit_price": "110"},
        stop_loss={"stop_price": "95"},
    )

    (child,) = nested_children(venue.books, venue.again(parent))
    assert (venue.status(parent), child.status.value) == ("new", "held")
    assert venue.again(parent).limit_price == 110
    venue.trade("AAA", "94")
    assert (venue.status(parent), venue.status(child)) == ("canceled", "filled")
    assert venue.held() == 0


def test_oto_when_entry_fills_then_its_single_leg_works() -> None:
    """A lone stop leg is `new`, not held, and cannot be replaced."""
    venue = Venue()
    entry = venue.send(order_class="oto", stop_loss={"stop_price": "95"})
    venue.trade("AAA", "100")
    (leg,) = [one for one in venue.books.group(entry) if one.parent_id]

    assert leg.status.value == "new"
    with pytest.raises(Refusal, match="oto legs cannot be replaced"):
        venue.replace(leg, stop_price="96")


def test_stop_leg_when_replaced_then_new_id_links_and_random_client_id() -> None:
    """PATCH makes a new held stop with links both ways; the old one is `replaced`."""
    venue = Venue()
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")

    new = venue.replace(stop, settle=False, stop_price="97")
    assert (venue.status(stop), venue.status(new)) == ("pending_replace", "pending_new")
    with pytest.raises(Refusal, match="pending replacement"):
        venue.cancel(stop)
    venue.settle()

    old, now = venue.again(stop), venue.again(new)
    assert (old.status.value, now.status.value) == ("replaced", "held")
    assert (old.replaced_by, now.replaces) == (now.id, old.id)
    assert now.client_order_id != old.client_order_id
    venue.trade("AAA", "96.5")
    assert (venue.status(now), venue.status(target)) == ("filled", "canceled")


def test_replace_when_old_order_fills_first_then_the_new_one_never_lives() -> None:
    """A fill between PATCH and swap wins; no second order stays behind."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="99")

    new = venue.replace(order, settle=False, limit_price="98")
    venue.trade("AAA", "98.9")
    venue.settle()

    assert (venue.status(order), venue.status(new)) == ("filled", "rejected")
    assert venue.held() == 10
    assert "order_replace_rejected" in venue.events()


def test_entry_when_replaced_then_the_new_one_adopts_the_legs() -> None:
    """The legs of a replaced entry wake with the entry that took its place."""
    venue = Venue()
    entry, target, stop = venue.bracket(limit_price="99")

    new = venue.replace(entry, limit_price="101", client_order_id="second")
    venue.trade("AAA", "100")

    assert (venue.status(new), venue.again(new).client_order_id) == ("filled", "second")
    assert (venue.status(target), venue.status(stop)) == ("new", "held")


def test_day_orders_when_session_closes_then_they_expire_with_their_legs() -> None:
    """Day orders end with the session, GTC ones stay, a queued one begins with the next."""
    venue = Venue()
    day, _, leg = venue.bracket(limit_price="99", time_in_force="day")
    gtc = venue.send(symbol="BBB", type="limit", limit_price="40")

    venue.end_session()
    queued = venue.send(time_in_force="day")

    assert (venue.status(day), venue.status(leg)) == ("expired", "canceled")
    assert (venue.status(gtc), venue.status(queued)) == ("new", "accepted")
    venue.begin_session()
    assert venue.status(queued) == "new"
    venue.trade("AAA", "100")
    assert venue.held() == Decimal(10)


def test_gtc_order_when_ninety_days_old_then_it_expires() -> None:
    """Good-till-cancelled has an end, and says when."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="90")
    assert order.expires_at is not None
    assert (order.expires_at - order.created_at).days in (89, 90)

    venue.books.put(replace(venue.again(order), expires_at=venue.now))
    venue.end_session()

    assert venue.status(order) == "expired"
