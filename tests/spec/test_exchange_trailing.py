"""Trailing stops on the simulated exchange: the mark, the stop that follows, what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.codec import from_text, to_text
from services.exchange_sim.records import Refusal, SimOrder
from services.exchange_sim.wire import order_document
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


def holding(**options: Any) -> Venue:
    """Return a venue with ten AAA at 100."""
    venue = Venue(**options)
    venue.send()
    venue.trade("AAA", "100")
    return venue


@pytest.mark.parametrize(
    ("side", "trail", "prices", "mark", "stop"),
    [
        ("sell", {"trail_price": "2"}, ("101", "103", "102"), "103", "101"),
        ("sell", {"trail_percent": "5"}, ("104", "110", "106"), "110", "104.5"),
        ("sell", {"trail_price": "2"}, ("99", "98.5"), "100", "98"),
        ("buy", {"trail_price": "2"}, ("99", "97", "98"), "97", "99"),
        ("buy", {"trail_percent": "1"}, ("99.5",), "99.5", "100.5"),
    ],
)
def test_trailing_stop_when_market_moves_then_mark_and_stop_follow_one_way(
    side: str, trail: dict[str, Any], prices: tuple[str, ...], mark: str, stop: str
) -> None:
    """The mark is the best price so far, the stop keeps its distance and never goes back."""
    venue = holding() if side == "sell" else Venue()
    order = venue.send(side=side, type="trailing_stop", **trail)

    for price in prices:
        venue.trade("AAA", price)

    document = order_document(venue.books, venue.again(order))
    assert (document["status"], document["hwm"], document["stop_price"]) == ("new", mark, stop)
    assert (document["trail_price"], document["trail_percent"]) == (
        trail.get("trail_price"),
        trail.get("trail_percent"),
    )


def test_trailing_stop_when_touched_then_it_fills_like_a_market_order() -> None:
    """Past the stop it sells at the bid, wherever that is."""
    venue = holding()
    order = venue.send(side="sell", type="trailing_stop", trail_price="2")
    venue.trade("AAA", "105")

    venue.trade("AAA", "101")

    assert venue.again(order).filled_avg_price == Decimal("100.99")
    assert venue.held() == 0


def test_trailing_stop_in_a_bar_when_it_rises_and_falls_then_the_old_stop_counts_first() -> None:
    """Nobody knows which came first: the low meets the stop from before the high."""
    venue = holding()
    kept = venue.send(side="sell", type="trailing_stop", trail_price="3")

    venue.bar(("100", "104", "98", "102"))

    assert (venue.status(kept), venue.again(kept).stop_price) == ("new", Decimal(101))
    venue.bar(("102", "102", "100", "101"))
    assert venue.again(kept).filled_avg_price == 101


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "exactly one of trail_price and trail_percent"),
        ({"trail_price": "1", "trail_percent": "1"}, "exactly one of"),
        ({"trail_price": "1", "time_in_force": "ioc"}, "must be DAY or GTC"),
        ({"trail_price": "1", "stop_price": "90"}, "must not have a stop price"),
        ({"trail_price": "0.001"}, "sub-penny"),
        ({"trail_percent": "100"}, "less than 100"),
        ({"trail_price": "1", "qty": "1.5", "time_in_force": "day"}, "must not be trailing_stop"),
        ({"trail_price": "1", "extended_hours": True, "time_in_force": "day"}, "extended hours"),
        ({"type": "limit", "limit_price": "120", "trail_price": "1"}, "must not have a trail"),
        (
            {"trail_price": "1", "order_class": "oto", "stop_loss": {"stop_price": "90"}},
            "must be simple",
        ),
    ],
)
def test_trailing_stop_when_its_form_is_wrong_then_422(body: dict[str, Any], words: str) -> None:
    """It is single, day or gtc, whole shares, regular hours, and has one trail."""
    venue = holding()
    with pytest.raises(Refusal) as caught:
        venue.send(**({"side": "sell", "type": "trailing_stop"} | body))

    assert caught.value.status == 422
    assert words in caught.value.message


def test_trail_when_replaced_then_the_stop_is_reckoned_from_the_mark() -> None:
    """PATCH changes the trail, never the stop price, and only of a trailing stop."""
    venue = holding()
    order = venue.send(side="sell", type="trailing_stop", trail_price="4")
    venue.trade("AAA", "106")

    new = venue.again(venue.replace(order, trail="2"))

    assert [new.hwm, new.trail_price, new.stop_price] == [106, 2, 104]
    with pytest.raises(Refusal, match="no stop price"):
        venue.replace(new, stop_price="105")
    with pytest.raises(Refusal, match="no trail"):
        venue.replace(venue.send(type="limit", limit_price="90", symbol="BBB"), trail="2")


@given(
    st.sampled_from(["buy", "sell"]),
    st.lists(st.integers(9_000, 11_000), min_size=1, max_size=20),
)
def test_trailing_stop_when_anything_trades_then_its_stop_only_tightens(
    side: str, cents: list[int]
) -> None:
    """Whatever the path, the stop never loosens and never leaves its distance to the mark."""
    venue = holding() if side == "sell" else Venue()
    order = venue.send(side=side, type="trailing_stop", trail_price="3")
    stops = [venue.again(order).stop_price or Decimal(0)]

    for price in cents:
        venue.trade("AAA", Decimal(price) / 100)
        now = venue.again(order)
        assert now.hwm is not None
        assert now.stop_price is not None
        assert abs(now.hwm - now.stop_price) == 3
        stops.append(now.stop_price)

    assert stops == sorted(stops, reverse=side == "buy")


def test_trailing_order_when_written_and_read_then_it_is_the_same() -> None:
    """Mark and trail survive a restart to the last digit."""
    venue = Venue()
    order = venue.send(type="trailing_stop", trail_percent="3.3")
    venue.trade("AAA", "97.77")

    assert from_text(SimOrder, to_text(venue.again(order))) == venue.again(order)
    assert venue.again(order).hwm == Decimal("97.77")


def test_trail_when_the_mark_moves_before_the_swap_then_the_new_order_has_it() -> None:
    """What the old order saw while the replacement waited is not forgotten."""
    venue = holding()
    order = venue.send(side="sell", type="trailing_stop", trail_price="4")
    new = venue.replace(order, settle=False, trail="3")
    venue.trade("AAA", "108")

    venue.settle()

    assert venue.again(new).hwm == 108
    assert venue.again(new).stop_price == 105
