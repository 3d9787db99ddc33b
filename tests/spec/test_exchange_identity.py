"""Names and moments of orders: what a client may build on, and what it can only be told."""

from __future__ import annotations

import uuid
from itertools import permutations

import pytest

from services.exchange_sim.listing import OrderQuery, list_orders
from services.exchange_sim.naming import seeded_uuid
from services.exchange_sim.records import SimOrder
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit
COUNTS = 40
BRACKET_OF_MINE = {"client_order_id": "mine"}


def names(orders: tuple[SimOrder, ...]) -> list[str]:
    """Return every name that the broker gave to a group."""
    return [name for one in orders for name in (one.id, one.client_order_id) if name != "mine"]


def test_leg_ids_when_the_parent_has_the_same_id_then_they_may_differ_all_the_same() -> None:
    """No function of the parent's id gives them: equal parents, other legs."""
    entry, *legs = Venue().bracket(**BRACKET_OF_MINE)
    same_entry, *other_legs = Venue().bracket()

    assert entry.id == same_entry.id
    assert {one.id for one in legs}.isdisjoint(one.id for one in other_legs)
    assert {one.client_order_id for one in legs}.isdisjoint(
        one.client_order_id for one in other_legs
    )


def test_leg_ids_when_computed_from_all_that_clients_see_then_none_comes_out() -> None:
    """Neither the account's id nor the parent's names with any count give a leg's: a client that
    would not store them could not find its stop again.
    """
    venue = Venue()
    entry, *legs = venue.bracket(**BRACKET_OF_MINE)
    secret = set(names(tuple(legs)))
    seen = (venue.books.account.account_id, entry.id, entry.client_order_id, entry.symbol)

    guesses: set[str] = set()
    for size in (1, 2):
        for parts in permutations(seen, size):
            guesses.add(seeded_uuid(*parts))
            guesses.update(seeded_uuid(*parts, count) for count in range(COUNTS))
            guesses.update(seeded_uuid(*parts, role) for role in ("target", "stop"))
    for space in (uuid.UUID(entry.id), uuid.UUID(venue.books.account.account_id)):
        guesses.update(str(uuid.UUID(int=space.int + count)) for count in range(COUNTS))
        for word in ("0", "1", "2", "target", "stop", "take_profit", "stop_loss", entry.id):
            guesses.update((str(uuid.uuid5(space, word)), str(uuid.uuid3(space, word))))

    assert len(secret) == 4
    assert secret.isdisjoint(guesses)


def test_names_when_the_story_is_repeated_then_only_another_seed_gives_others() -> None:
    """Lock-step must name everything alike twice; another seed shares no name with it."""
    first, again = (names(Venue(seed=7).bracket()) for _ in range(2))
    other = names(Venue(seed=8).bracket())

    assert first == again
    assert set(first).isdisjoint(other)


def test_submitted_at_when_a_leg_is_activated_then_it_moves_and_that_of_a_held_stop_not() -> None:
    """The target is sent to the market when its entry is filled; the stop beside it is held."""
    venue = Venue()
    entry, target, stop = venue.bracket()
    assert target.submitted_at == stop.submitted_at

    venue.trade("AAA", "100.2")

    assert venue.status(target) == "new"
    assert venue.again(target).submitted_at > venue.again(entry).submitted_at
    assert venue.again(target).created_at == target.created_at
    assert venue.status(stop) == "held"
    assert venue.again(stop).submitted_at == stop.submitted_at


def test_submitted_at_when_an_entry_begins_to_work_then_its_legs_stand_behind_it_in_lists() -> None:
    """No leg stands before its parent, nor before what was sent earlier, however busy we were."""
    venue = Venue()
    first = venue.send(type="limit", limit_price="50")
    entry, *legs = venue.bracket(limit_price="99")
    last = venue.send(type="limit", limit_price="50")

    assert {venue.again(leg).submitted_at for leg in legs} == {venue.again(entry).submitted_at}
    found = list_orders(venue.books, OrderQuery(status="all", ascending=True))
    assert [one.id for one in found] == [one.id for one in (first, entry, *legs, last)]


def test_submitted_at_when_only_a_stop_is_activated_then_it_moves() -> None:
    """The single leg of an OTO is sent itself."""
    venue = Venue()
    entry = venue.send(order_class="oto", stop_loss={"stop_price": "95"})
    (leg,) = [one for one in venue.books.group(entry) if one.parent_id]

    venue.trade("AAA", "100")

    assert venue.status(leg) == "new"
    assert venue.again(leg).submitted_at > leg.submitted_at


def test_submitted_at_when_an_order_waits_for_the_opening_then_it_moves_on_its_release() -> None:
    """`accepted` over night keeps its first moment; at the opening it is submitted anew."""
    venue = Venue()
    venue.end_session()
    queued = venue.send(type="limit", limit_price="90")
    waiting = venue.again(queued)
    assert (waiting.status.value, waiting.submitted_at) == ("accepted", queued.created_at)

    venue.begin_session()

    released = venue.again(queued)
    assert (released.status.value, released.created_at) == ("new", queued.created_at)
    assert released.submitted_at >= venue.now > queued.submitted_at


def test_submitted_at_when_posted_and_when_replaced_then_each_step_moves_it() -> None:
    """The reply to POST and the later look-up differ, and so do an order and its replacement."""
    venue = Venue()
    posted = venue.send(settle=False, type="limit", limit_price="90")
    venue.settle()
    first = venue.again(posted)
    answered = venue.replace(first, settle=False, limit_price="91")
    venue.settle()

    moments = [posted, first, answered, venue.again(answered)]
    assert [one.submitted_at for one in moments] == sorted({one.submitted_at for one in moments})
