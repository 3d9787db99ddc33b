"""What the simulated exchange does outside the session: extended hours, auctions, queues, gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.exchange_sim.hours import extended_close, is_extended, takes_auction_order
from services.exchange_sim.market.calendar import EndlessCalendar, NyseCalendar
from services.exchange_sim.records import Refusal
from services.exchange_sim.wire import order_document
from shared.models.orders import TimeInForce
from tests.support.exchange_venue import CLOSE, Venue

pytestmark = pytest.mark.unit

NEW_YORK = ZoneInfo("America/New_York")


def new_york(hour: int, minute: int, day: int = 5) -> datetime:
    """Return a moment of January 2026 in New York, as UTC."""
    return datetime(2026, 1, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("at", "extended"),
    [
        (new_york(3, 59), False),
        (new_york(4, 0), True),
        (new_york(9, 29), True),
        (new_york(9, 30), False),
        (new_york(15, 59), False),
        (new_york(16, 0), True),
        (new_york(19, 59), True),
        (new_york(20, 0), False),
        (new_york(12, 0, day=4), False),
    ],
)
def test_extended_hours_when_asked_then_before_and_after_a_session_only(
    at: datetime, extended: bool
) -> None:
    """Pre-market from four o'clock, after-hours until eight, on days with a session."""
    session = NyseCalendar().session(at.astimezone(NEW_YORK).date())

    assert is_extended(session, at) is extended
    assert not is_extended(EndlessCalendar().session(at.astimezone(NEW_YORK).date()), at)


def test_extended_close_when_session_closes_then_eight_o_clock() -> None:
    """Half days too; a market that never closes has no after-hours."""
    assert extended_close(new_york(16, 0)) == new_york(20, 0)
    assert extended_close(new_york(13, 0)) == new_york(20, 0)
    assert extended_close(new_york(4, 0)) == new_york(20, 0)  # sent as the pre-market begins
    assert extended_close(new_york(0, 0)) == new_york(0, 0)


@pytest.mark.parametrize(
    ("tif", "hour", "minute", "taken"),
    [
        ("opg", 9, 27, True),
        ("opg", 9, 28, False),
        ("opg", 18, 59, False),
        ("opg", 19, 0, True),
        ("cls", 15, 49, True),
        ("cls", 15, 50, False),
        ("cls", 18, 59, False),
        ("cls", 19, 0, True),
        ("day", 12, 0, True),
    ],
)
def test_auction_order_when_sent_then_the_hour_decides(
    tif: str, hour: int, minute: int, taken: bool
) -> None:
    """opg is refused from 9:28 to 19:00 New York, cls from 15:50 to 19:00."""
    assert takes_auction_order(TimeInForce(tif), new_york(hour, minute)) is taken


def test_auction_order_when_sent_too_late_then_422() -> None:
    """At noon no order for the opening is taken; stops are never auction orders."""
    venue = Venue()
    with pytest.raises(Refusal, match="not accepted at this time") as caught:
        venue.send(time_in_force="opg")
    assert (caught.value.status, caught.value.code) == (422, 42210000)
    with pytest.raises(Refusal, match="must be market or limit"):
        venue.send(time_in_force="cls", type="stop", stop_price="105")


def night() -> Venue:
    """Return a venue at eight in the evening."""
    venue = Venue()
    venue.end_session()
    venue.now = CLOSE + timedelta(hours=4)
    return venue


@pytest.mark.parametrize(
    ("limit", "price", "status", "paid"),
    [
        (None, "103", "filled", "103"),
        ("104", "103", "filled", "103"),
        ("102", "103", "canceled", 0),
    ],
)
def test_opening_order_when_the_session_opens_then_it_trades_at_the_open_or_never(
    limit: str | None, price: str, status: str, paid: str
) -> None:
    """The opening auction has one price; what it does not fill is cancelled."""
    venue = night()
    kind: dict[str, Any] = (
        {"type": "market"} if limit is None else {"type": "limit", "limit_price": limit}
    )
    order = venue.send(time_in_force="opg", **kind)
    assert venue.status(order) == "accepted"

    venue.begin_session()
    venue.trade("AAA", price)

    assert venue.status(order) == status
    assert (venue.again(order).filled_avg_price or 0) == Decimal(paid)


@pytest.mark.parametrize(("limit", "status"), [("99", "filled"), ("97", "canceled")])
def test_closing_order_when_the_session_closes_then_it_trades_at_the_close_or_never(
    limit: str, status: str
) -> None:
    """However good the price before, a cls order waits for the close."""
    venue = Venue()
    order = venue.send(time_in_force="cls", type="limit", limit_price=limit)

    venue.trade("AAA", "90")
    venue.bar(("95", "99", "90", "98"))
    assert venue.status(order) == "new"
    venue.end_session()

    assert venue.status(order) == status
    assert venue.held() == (10 if status == "filled" else 0)


def test_closing_order_when_sent_at_night_then_it_waits_for_the_next_close() -> None:
    """After seven it is queued, works from the opening and trades at the close."""
    venue = night()
    order = venue.send(time_in_force="cls")
    assert venue.status(order) == "accepted"

    venue.begin_session()
    venue.trade("AAA", "101")

    assert (venue.status(order), venue.held()) == ("new", Decimal(0))


EXTENDED: dict[str, Any] = {"type": "limit", "limit_price": "100", "extended_hours": True}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"type": "market", "limit_price": None}, "extended hours"),
        ({"time_in_force": "ioc"}, "extended hours"),
        ({"time_in_force": "cls"}, "extended hours"),
        ({"type": "stop", "stop_price": "105", "limit_price": None}, "extended hours"),
    ],
)
def test_extended_hours_order_when_not_a_lasting_limit_then_422(
    body: dict[str, Any], words: str
) -> None:
    """Only limits, day or gtc, take part."""
    with pytest.raises(Refusal, match=words):
        Venue().send(**(EXTENDED | body))


@pytest.mark.parametrize("taken", [True, False])
def test_gtc_extended_hours_when_switched_then_taken_or_refused(taken: bool) -> None:
    """The documents say DAY only, the specification of May 2026 GTC too: a switch."""
    venue = Venue()
    venue.switch(f"gtc_extended_hours={taken}")

    if taken:
        assert venue.send(**EXTENDED).extended_hours
        return
    with pytest.raises(Refusal, match="must be DAY limit orders"):
        venue.send(**EXTENDED)
    assert venue.send(time_in_force="day", **EXTENDED).extended_hours


def test_after_hours_when_it_trades_then_only_extended_orders_fill() -> None:
    """A plain limit and a stop rest until the session, whatever trades in the evening."""
    venue = Venue()
    venue.send()
    venue.trade("AAA", "101")
    stop = venue.send(side="sell", type="stop", stop_price="99")
    venue.end_session()
    venue.is_extended = True
    plain = venue.send(symbol="BBB", type="limit", limit_price="45")
    extended = venue.send(time_in_force="day", symbol="BBB", **(EXTENDED | {"limit_price": "45"}))
    assert (venue.status(plain), venue.status(extended)) == ("accepted", "new")

    venue.trade("AAA", "90")
    venue.trade("BBB", "44")

    assert [venue.status(one) for one in (stop, plain, extended)] == ["new", "accepted", "filled"]


def test_extended_day_order_when_the_evening_ends_then_it_expires() -> None:
    """It outlives the close and says until when, but not the night."""
    venue = Venue()
    order = venue.send(time_in_force="day", **(EXTENDED | {"limit_price": "90"}))
    assert order_document(venue.books, order)["expires_at"] == "2026-01-06T01:00:00.000000000Z"

    venue.end_session()
    assert venue.status(order) == "new"
    venue.begin_session()

    assert venue.status(order) == "expired"


def test_extended_day_order_when_sent_in_the_evening_then_it_ends_the_same_evening() -> None:
    """It does not live through the next day too."""
    venue = Venue()
    venue.end_session()
    venue.is_extended = True

    order = venue.send(time_in_force="day", **(EXTENDED | {"limit_price": "90"}))

    assert order.expires_at == CLOSE + timedelta(hours=4)
    venue.begin_session()
    assert venue.status(order) == "expired"


def test_stop_when_the_market_gaps_over_night_then_it_fills_at_the_open() -> None:
    """The stop price is no promise: the first quote of the day is what it gets."""
    venue = Venue()
    venue.bracket()
    venue.trade("AAA", "100")
    venue.end_session()
    venue.begin_session()

    venue.trade("AAA", "80")

    assert venue.books.fills[-1].price == Decimal("79.99")
    assert venue.held() == 0


def test_order_when_sent_at_night_then_accepted_and_priced_at_the_last_trade() -> None:
    """A queued order is announced as accepted, is 422 for PATCH, can be cancelled, and is
    reckoned at the last trade.
    """
    venue = night()
    venue.quote("AAA", "100", spread="10")
    with pytest.raises(Refusal) as caught:
        venue.send(qty="4100")
    assert caught.value.fields["cost_basis"] == "410000"
    order = venue.send(qty="10")

    assert venue.events()[-1] == "accepted"
    with pytest.raises(Refusal, match="isn't sent to exchange yet"):
        venue.replace(order, qty="11")
    venue.cancel(order)
    assert venue.status(order) == "canceled"
