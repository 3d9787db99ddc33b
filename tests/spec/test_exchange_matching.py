"""When and at what price the simulated exchange fills an order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.exchange_sim.matching import Span
from services.exchange_sim.order_rules import buy_stop_cap
from shared.models.market import Candle
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("order", "price", "filled_at"),
    [
        ({"side": "buy"}, "100", "100.01"),
        ({"side": "buy", "type": "limit", "limit_price": "100.5"}, "100", "100.01"),
        ({"side": "buy", "type": "limit", "limit_price": "99"}, "99.5", None),
        ({"side": "buy", "type": "limit", "limit_price": "99"}, "98.99", "99"),
        ({"side": "buy", "type": "stop", "stop_price": "101"}, "100.99", None),
        ({"side": "buy", "type": "stop", "stop_price": "101"}, "103", "103.01"),
        (
            {"side": "buy", "type": "stop_limit", "stop_price": "101", "limit_price": "102"},
            "103",
            None,
        ),
        (
            {"side": "buy", "type": "stop_limit", "stop_price": "101", "limit_price": "102"},
            "101.5",
            "101.51",
        ),
        ({"side": "sell", "type": "stop", "stop_price": "99"}, "97", "96.99"),
        ({"side": "sell", "type": "limit", "limit_price": "101"}, "105", "104.99"),
        ({"side": "buy", "type": "stop", "stop_price": "102"}, "104.54", "104.55"),
        ({"side": "buy", "type": "stop", "stop_price": "102"}, "104.55", None),
        ({"side": "sell", "type": "stop", "stop_price": "99"}, "40", "39.99"),
    ],
)
def test_order_when_market_trades_then_fills_at_the_quote(
    order: dict[str, Any], price: str, filled_at: str | None
) -> None:
    """Marketable orders fill at the far side of the quote, stops once the last trade elects."""
    venue = Venue()
    if order["side"] == "sell":
        venue.send()
        venue.trade("AAA", 100)
    sent = venue.send(**order)

    venue.trade("AAA", price)

    found = venue.again(sent).filled_avg_price
    assert found == (None if filled_at is None else Decimal(filled_at))


def test_stop_limit_when_elected_then_it_rests_as_a_limit() -> None:
    """A touched stop-limit beyond its limit waits for its limit, not for its stop again."""
    venue = Venue()
    order = venue.send(type="stop_limit", stop_price="101", limit_price="102")

    venue.trade("AAA", "103")
    venue.trade("AAA", "100")

    assert venue.again(order).filled_avg_price == Decimal("100.01")


@pytest.mark.parametrize(
    ("bar", "exit_price"),
    [
        (("100", "111", "94", "105"), "95"),
        (("100", "111", "96", "105"), "110"),
        (("93", "111", "92", "105"), "93"),
        (("112", "113", "94", "105"), "112"),
        (("100", "109", "96", "105"), None),
    ],
)
def test_bracket_when_a_bar_passes_then_gap_first_then_stop_then_target(
    bar: tuple[str, str, str, str], exit_price: str | None
) -> None:
    """The opening gap fills at the open, then the stop at its price, then the target."""
    venue = Venue()
    venue.bracket()
    venue.bar(("100", "100", "100", "100"))

    venue.bar(bar)

    exits = [fill.price for fill in venue.books.fills[1:]]
    assert exits == ([] if exit_price is None else [Decimal(exit_price)])
    assert venue.held() == (Decimal(10) if exit_price is None else 0)


def test_bracket_when_entered_at_the_open_then_its_stop_fills_in_the_same_bar() -> None:
    """A bar that opens into the entry and falls through the stop ends flat."""
    venue = Venue()
    venue.bracket()

    venue.bar(("100", "112", "94", "111"))

    assert [fill.price for fill in venue.books.fills] == [100, 95]


def test_limit_entry_when_reached_within_a_bar_then_no_target_of_the_same_bar() -> None:
    """The high may have come before the entry, so only the close can fill the target."""
    venue = Venue()
    venue.bracket(limit_price="99", take_profit={"limit_price": "104"})

    venue.bar(("100", "106", "98", "103"))

    assert [fill.price for fill in venue.books.fills] == [99]


def test_order_sent_within_a_bar_when_the_bar_closes_then_its_range_does_not_count() -> None:
    """What the minute touched before the order came cannot fill it."""
    venue = Venue()
    start = venue.now
    venue.now += timedelta(seconds=30)
    order = venue.send(type="limit", limit_price="99")
    candle = Candle("AAA", start, Decimal(100), Decimal(101), Decimal(98), Decimal(100), 10)

    venue.span(Span(candle, Decimal(0)), start + timedelta(minutes=1))

    assert venue.status(order) == "new"


def test_ioc_when_not_marketable_then_it_is_canceled() -> None:
    """Immediate-or-cancel does not rest."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="99", time_in_force="ioc")

    venue.trade("AAA", "100")

    assert venue.status(order) == "canceled"


def test_partial_fills_when_switched_on_then_they_add_up() -> None:
    """With partial fills the quantity arrives in parts and never exceeds the order."""
    venue = Venue(partial_rate=1.0)
    order = venue.send(qty="50")

    for _ in range(60):
        venue.trade("AAA", "100")

    cumulative = [fill.cum_qty for fill in venue.books.fills]
    assert venue.status(order) == "filled"
    assert len(cumulative) > 1
    assert cumulative == sorted(cumulative)
    assert sum((fill.qty for fill in venue.books.fills), Decimal(0)) == 50
    assert [event for event in venue.events() if event == "fill"] == ["fill"]


@pytest.mark.parametrize(
    ("stop", "cap"), [("49.99", "51.99"), ("50", "51.25"), ("0.5", "0.52"), ("210", "215.25")]
)
def test_buy_stop_when_reckoned_then_its_cap_depends_on_fifty_dollars(stop: str, cap: str) -> None:
    """Four per cent above a stop below fifty dollars, two and a half above a higher one."""
    assert buy_stop_cap(Decimal(stop)) == Decimal(cap)


def test_buy_stop_when_a_bar_gaps_over_its_cap_then_it_rests_at_the_cap() -> None:
    """Elected beyond the cap, it waits for the price to come back like any limit."""
    venue = Venue()
    order = venue.send(type="stop", stop_price="101")

    venue.bar(("110", "112", "109", "111"))
    assert (venue.status(order), venue.again(order).triggered) == ("new", True)
    venue.bar(("111", "111", "100", "105"))

    assert venue.again(order).filled_avg_price == Decimal("103.52")


def test_fok_when_partial_fills_are_on_then_it_fills_whole_or_not() -> None:
    """Fill-or-kill never comes in parts."""
    venue = Venue(partial_rate=1.0)
    order = venue.send(qty="50", time_in_force="fok")
    missed = venue.send(qty="50", time_in_force="fok", type="limit", limit_price="90")

    venue.trade("AAA", "100")

    assert [fill.qty for fill in venue.books.fills] == [50]
    assert (venue.status(order), venue.status(missed)) == ("filled", "canceled")


def test_ioc_when_partly_filled_then_the_rest_is_canceled() -> None:
    """Immediate-or-cancel takes what it gets at once."""
    venue = Venue(partial_rate=1.0)
    order = venue.send(qty="50", time_in_force="ioc")

    venue.trade("AAA", "100")

    assert venue.status(order) == "canceled"
    assert 0 < venue.again(order).filled_qty < 50


def test_stop_when_the_session_is_closed_then_it_does_not_trade() -> None:
    """Whatever is quoted at night, stops wait for the session."""
    venue = Venue()
    venue.bracket()
    venue.trade("AAA", "100")
    venue.end_session()

    venue.trade("AAA", "80")
    venue.bar(("80", "81", "79", "80"))

    assert venue.held() == 10
