"""Numbers that no exchange can book, and replacements that race fills and closings."""

from __future__ import annotations

from typing import Any

import pytest

from services.exchange_sim.records import Refusal
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit

UNBOOKABLE = (
    "1e999999999999",
    "1e400",
    "9" * 40,
    "1e-400",
    "1e-99999999999",
    "1." + "0" * 40 + "1",
    "1_0",
    " 5",
    "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}",
    True,
    [5],
)


@pytest.mark.parametrize("value", UNBOOKABLE)
@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("qty", {}),
        ("limit_price", {"type": "limit"}),
        ("stop_price", {"type": "stop"}),
    ],
)
def test_order_when_a_number_cannot_be_booked_then_422_and_nothing_is_stored(
    field: str, more: dict[str, Any], value: object
) -> None:
    """What Decimal can read but not compute or write is refused before it reaches the books."""
    venue = Venue()

    with pytest.raises(Refusal) as caught:
        venue.send(**(more | {field: value}))

    assert (caught.value.status, caught.value.code) == (422, 40010001)
    assert not venue.books.orders


def test_leg_price_when_it_cannot_be_booked_then_422() -> None:
    """The prices of legs obey the same bounds."""
    venue = Venue()

    with pytest.raises(Refusal, match=r"stop_price"):
        venue.bracket(stop_loss={"stop_price": "1e-99999999999"})


@pytest.mark.parametrize("name", ["\ud800", "a\udfffb"])
def test_client_order_id_when_it_is_no_text_then_422(name: str) -> None:
    """Half a surrogate pair cannot be written anywhere."""
    with pytest.raises(Refusal, match="client_order_id"):
        Venue().send(client_order_id=name)


def test_replacement_when_the_old_order_fills_partly_before_the_swap_then_it_is_shortened() -> None:
    """Old and new together never fill more than was asked for."""
    venue = Venue()
    old = venue.send(type="limit", limit_price="99", qty="10")
    new = venue.replace(old, settle=False, limit_price="99.5")
    venue.fill(old, 4, 99)

    venue.settle()
    venue.trade("AAA", 98)

    assert venue.again(new).qty == 6
    assert venue.status(new) == "filled"
    assert venue.held() == 10


def test_replacement_when_less_is_left_than_was_filled_meanwhile_then_it_is_rejected() -> None:
    """A smaller quantity that the fills have overtaken ends both orders, and nothing more fills."""
    venue = Venue()
    old = venue.send(type="limit", limit_price="99", qty="10")
    new = venue.replace(old, settle=False, qty="3")
    venue.fill(old, 4, 99)

    venue.settle()
    venue.trade("AAA", 98)

    assert (venue.status(old), venue.status(new)) == ("filled", "rejected")
    assert venue.held() == 10


def test_replacement_when_only_the_new_order_expires_then_the_old_one_works_on() -> None:
    """A day replacement that meets the close before the swap leaves its GTC order as it was."""
    venue = Venue()
    old = venue.send(type="limit", limit_price="90", time_in_force="gtc")
    new = venue.replace(old, settle=False, time_in_force="day")
    venue.end_session()

    venue.settle()

    assert (venue.status(old), venue.status(new)) == ("new", "expired")
