"""The gain of a day: from the prior close for shares held over night, else from the fill."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.exchange_sim.account import apply_fill
from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.records import SimPosition
from services.exchange_sim.splits import split_position
from services.exchange_sim.wire_account import position_document
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


def days_gain(position: SimPosition, current: str, lastday: str) -> tuple[str, str]:
    """Return the day's gain in dollars and as a ratio."""
    prices = (Decimal(current), Decimal(lastday))
    document = position_document(position, position.qty, prices)
    return document["unrealized_intraday_pl"], document["unrealized_intraday_plpc"]


def held(venue: Venue) -> SimPosition:
    """Return the position in AAA."""
    return venue.books.positions["AAA"]


@pytest.mark.parametrize(("side", "gain"), [("buy", "20"), ("sell", "-20")])
def test_days_gain_when_all_was_opened_today_then_it_begins_at_the_fill(
    side: str, gain: str
) -> None:
    """Yesterday's close means nothing for shares that were not there."""
    venue = Venue()
    order = venue.send(side=side)
    venue.fill(order, 10, "100")

    assert days_gain(held(venue), "102", "90")[0] == gain


def test_days_gain_when_some_was_held_over_night_then_each_part_has_its_beginning() -> None:
    """Ten from the prior close, five from their fill; what is sold first was held longest."""
    venue = Venue()
    venue.fill(venue.send(), 10, "100")
    venue.end_session()
    venue.begin_session()
    assert days_gain(held(venue), "108", "105") == ("30", "0.028571")

    venue.fill(venue.send(qty="5"), 5, "107")
    assert days_gain(held(venue), "108", "105")[0] == "35"

    venue.fill(venue.send(qty="12", side="sell"), 12, "109")
    assert days_gain(held(venue), "108", "105")[0] == "3"
    assert held(venue).qty == 3


def test_days_gain_when_a_position_turns_or_splits_then_it_follows() -> None:
    """What is opened on the other side is today's; a split changes shares, not dollars."""
    long = SimPosition("AAA", Decimal(10), Decimal(1000))
    turned = apply_fill(long, "AAA", Decimal(-14), Decimal(110)).position
    assert turned is not None
    assert days_gain(turned, "105", "100")[0] == "20"

    bought = SimPosition("AAA", Decimal(10), Decimal(1000), Decimal(4), Decimal(420))
    split = split_position(bought, Decimal(2), Decimal(55)).fill.position
    assert split is not None
    assert days_gain(split, "55", "50") == days_gain(bought, "110", "100")


def test_position_when_written_and_read_then_its_day_comes_along() -> None:
    """A restart within the day changes no gain."""
    position = SimPosition("AAA", Decimal(10), Decimal(1000), Decimal(4), Decimal(420))

    again = from_text(SimPosition, to_text(position))

    assert (again.today_qty, again.today_cost) == (Decimal(4), Decimal(420))
    old = from_text(SimPosition, '{"symbol":"AAA","qty":"10","cost":"1000"}')
    assert old.today_qty == 0


def test_days_gain_when_a_short_stands_still_then_zero_has_no_sign() -> None:
    """`-0` is no number that Alpaca writes."""
    short = SimPosition("AAA", Decimal(-10), Decimal(-1000))

    assert days_gain(short, "100.00", "100.00") == ("0", "0")
