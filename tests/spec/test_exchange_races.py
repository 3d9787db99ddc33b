"""Orders of the simulated exchange that race each other: replacements, exits, reservations."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.exchange_sim.account import apply_fill
from services.exchange_sim.order_splits import split_orders
from services.exchange_sim.records import Refusal
from tests.support.exchange_venue import CASH, Venue

pytestmark = pytest.mark.unit


def test_sell_when_another_one_was_faster_then_no_shorting_keeps_the_account_flat() -> None:
    """A sell that was taken beside a naked partial takes shares from the legs: what is left of
    the legs then sells what is there, and never opens a short.
    """
    venue = Venue()
    venue.configure(no_shorting=True)
    entry, _, stop = venue.bracket()
    venue.fill(entry, 4, "100")
    naked = venue.send(side="sell", qty="4", type="stop", stop_price="99")
    venue.fill(entry, 6, "100")

    for price in ("94", "93", "92"):
        venue.trade("AAA", price)

    assert venue.held() == 0
    sold = venue.again(naked).filled_qty + venue.again(stop).filled_qty
    assert sold == 10
    assert {venue.status(naked), venue.status(stop)} == {"filled", "canceled"}


def test_both_exits_when_shorting_is_forbidden_then_the_second_one_is_canceled() -> None:
    """What the account may not do, no race does."""
    venue = Venue()
    venue.configure(no_shorting=True)
    venue.switch("both_exits_rate=1")
    _, _, stop = venue.bracket()
    venue.trade("AAA", "100")

    venue.trade("AAA", "111")

    assert (venue.held(), venue.status(stop)) == (Decimal(0), "canceled")


def test_fill_or_kill_when_less_is_held_than_it_sells_then_it_is_killed() -> None:
    """All or nothing holds for shares that went meanwhile, too."""
    venue = Venue()
    venue.send()
    venue.trade("AAA", "100")
    venue.configure(no_shorting=True)
    sell = venue.send(side="sell", type="limit", limit_price="99", time_in_force="fok")
    position = venue.books.positions["AAA"]
    venue.books.book("AAA", apply_fill(position, "AAA", Decimal(-4), Decimal(100)))

    venue.trade("AAA", "100")

    assert venue.status(sell) == "canceled"
    assert venue.again(sell).filled_qty == 0


def test_leg_when_it_fills_before_its_replacement_then_the_new_one_is_rejected() -> None:
    """The same as with single orders: `order_replace_rejected`, and the sibling is canceled."""
    venue = Venue()
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")
    new = venue.replace(target, settle=False, limit_price="112")

    venue.trade("AAA", "111")
    venue.settle()

    assert venue.status(target) == "filled"
    assert (venue.status(new), venue.status(stop)) == ("rejected", "canceled")
    assert "order_replace_rejected" in venue.events()


def test_stop_limit_when_replaced_after_its_stop_was_touched_then_it_stays_elected() -> None:
    """Another limit does not bring the stop back; another stop does."""
    venue = Venue()
    order = venue.send(type="stop_limit", stop_price="101", limit_price="100.5")
    venue.trade("AAA", "102")
    assert venue.again(order).triggered

    same = venue.replace(order, limit_price="100.6")
    later = venue.replace(same, stop_price="103", limit_price="103")

    assert venue.again(same).triggered
    assert not venue.again(later).triggered


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"qty": "0.5"}, "fractional orders must be DAY"),
        ({"qty": "1", "extended_hours": True}, "extended hours order must be DAY"),
    ],
)
def test_replacement_when_its_time_in_force_breaks_a_rule_then_422(
    body: dict[str, Any], words: str
) -> None:
    """PATCH is no way around what POST refuses."""
    venue = Venue()
    venue.switch("gtc_extended_hours=false")
    order = venue.send(type="limit", limit_price="90", time_in_force="day", **body)

    with pytest.raises(Refusal, match=words):
        venue.replace(order, time_in_force="gtc")


def test_reservation_when_an_order_is_being_replaced_then_the_dearer_one_counts_once() -> None:
    """Until the swap either of the two may fill, but never both."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="90")
    venue.replace(order, settle=False, limit_price="80")
    cheaper = venue.desk.worth(venue.now)
    venue.settle()
    after = venue.desk.worth(venue.now)

    assert (cheaper.reserved, after.reserved) == (Decimal(900), Decimal(800))
    assert cheaper.equity == CASH


def test_trailing_stop_when_its_share_splits_in_three_then_its_mark_is_a_price() -> None:
    """No number with 28 digits reaches a client."""
    venue = Venue()
    venue.switch("split_trailing=adjust")
    venue.send()
    venue.trade("AAA", "100")
    venue.send(side="sell", type="trailing_stop", trail_percent="5")

    split_orders(venue.books, "AAA", Decimal(3), venue.now)

    (order,) = venue.books.live_orders("AAA")
    assert (order.hwm, order.qty) == (Decimal("33.33"), Decimal(30))


@pytest.mark.parametrize("which", [0, 1])
def test_inert_leg_when_its_entry_fills_amid_a_replacement_then_only_one_exit_works(
    which: int,
) -> None:
    """The replacement goes on: neither does it work beside the old leg, nor is it forgotten."""
    venue = Venue()
    entry, target, stop = venue.bracket(limit_price="99")
    old = (target, stop)[which]
    price = ({"limit_price": "112"}, {"stop_price": "94"})[which]
    new = venue.replace(old, settle=False, **price)

    venue.fill(entry, 10, "99")
    between = [venue.status(old), venue.status(new)]
    venue.settle()

    assert between == ["pending_replace", "pending_new"]
    assert (venue.status(old), venue.status(new)) == ("replaced", ("new", "held")[which])
    venue.trade("AAA", ("113", "93")[which])
    assert (venue.status(new), venue.held()) == ("filled", Decimal(0))


def test_inert_leg_when_its_entry_fills_amid_a_cancellation_then_204_is_kept() -> None:
    """What was acknowledged happens, though the legs woke up meanwhile."""
    venue = Venue()
    entry, target, stop = venue.bracket(limit_price="99")
    venue.cancel(stop, settle=False)

    venue.fill(entry, 10, "99")
    venue.settle()

    assert (venue.status(target), venue.status(stop)) == ("canceled", "canceled")
    assert venue.held() == 10
