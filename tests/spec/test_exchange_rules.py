"""What the simulated exchange refuses, with Alpaca's status, code and fields."""

from __future__ import annotations

from typing import Any

import pytest

from services.exchange_sim.records import Refusal, SimOrder
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit

BRACKET: dict[str, Any] = {
    "type": "limit",
    "limit_price": "100",
    "order_class": "bracket",
    "take_profit": {"limit_price": "110"},
    "stop_loss": {"stop_price": "95"},
}


def refusal_of(venue: Venue, **body: Any) -> Refusal:
    """Return the refusal of an order, which must come."""
    with pytest.raises(Refusal) as caught:
        venue.send(**body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"qty": None}, 40010001, "qty or notional is required"),
        ({"notional": "100"}, 40010001, "only one of qty or notional"),
        ({"qty": "-1"}, 40010001, "qty must be > 0"),
        ({"qty": "NaN"}, 40010001, "qty must be > 0"),
        ({"side": "hold"}, 40010001, "invalid side"),
        ({"symbol": "ZZZ"}, 42210000, "not found"),
        ({"type": "limit"}, 40010001, "require a limit price"),
        ({"type": "stop"}, 40010001, "require a stop price"),
        ({"type": "limit", "limit_price": "100.001"}, 42210000, "sub-penny"),
        ({"type": "stop", "stop_price": "99"}, 42210000, "must be greater than current price"),
        ({"qty": "1.5"}, 42210000, "fractional orders must be DAY"),
        (BRACKET | {"qty": "1.5"}, 42210000, "fractional orders must be simple"),
        (BRACKET | {"take_profit": {"limit_price": "94"}}, 42210000, "must be > stop_loss"),
        (BRACKET | {"stop_loss": {"stop_price": "100"}}, 42210000, "<= base_price - 0.01"),
        (BRACKET | {"type": "stop", "limit_price": None, "stop_price": "101"}, 40010001, "market"),
        (BRACKET | {"stop_loss": None}, 40010001, "stop_loss"),
        (BRACKET | {"extended_hours": "True"}, 42210000, "extended hours"),
    ],
)
def test_order_when_its_form_is_wrong_then_422_says_why(
    body: dict[str, Any], code: int, words: str
) -> None:
    """Form and price rules answer 422 with the family of the code and a sentence."""
    refusal = refusal_of(Venue(), **body)

    assert (refusal.status, refusal.code) == (422, code)
    assert words in refusal.message


def test_client_order_id_when_used_before_then_422_for_ever() -> None:
    """An id is unique for ever, also after cancel, and also for replacements."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="90", client_order_id="one")
    venue.cancel(order)

    again = refusal_of(venue, client_order_id="one")

    assert (again.status, again.code) == (422, 40010001)
    assert again.message == "client_order_id must be unique"
    other = venue.send(type="limit", limit_price="90")
    with pytest.raises(Refusal, match="must be unique"):
        venue.replace(other, limit_price="91", client_order_id="one")


def test_buying_power_when_reserved_by_open_orders_then_403_with_both_numbers() -> None:
    """Open buys reserve; the refusal names what is there and what it would cost."""
    venue = Venue()
    venue.send(type="limit", limit_price="99", qty="4000")

    refusal = refusal_of(venue, type="limit", limit_price="99", qty="100")

    assert (refusal.status, refusal.code) == (403, 40310000)
    assert refusal.message == "insufficient buying power"
    assert refusal.fields == {"buying_power": "4000", "cost_basis": "9900"}


def test_sell_when_shares_are_held_by_legs_then_403_with_the_quantities() -> None:
    """The own stop holds the shares once, not twice."""
    venue = Venue()
    venue.bracket()
    venue.trade("AAA", "100")

    refusal = refusal_of(venue, side="sell")

    assert (refusal.status, refusal.code) == (403, 40310000)
    assert refusal.message.startswith("insufficient qty available for order (requested: 10")
    assert refusal.fields == {
        "available": "0",
        "existing_qty": "10",
        "held_for_orders": "10",
        "symbol": "AAA",
    }


@pytest.mark.parametrize(
    ("resting", "new", "refused"),
    [
        ({"type": "limit", "limit_price": "99"}, {"type": "stop", "stop_price": "98"}, True),
        ({"type": "limit", "limit_price": "99"}, {"type": "market"}, True),
        ({"type": "limit", "limit_price": "99"}, {"type": "limit", "limit_price": "99"}, True),
        ({"type": "limit", "limit_price": "99"}, {"type": "limit", "limit_price": "101"}, False),
        (
            {"type": "limit", "limit_price": "99"},
            {
                "type": "limit",
                "order_class": "oco",
                "take_profit": {"limit_price": "110"},
                "stop_loss": {"stop_price": "95"},
            },
            False,
        ),
    ],
)
def test_wash_trade_when_orders_oppose_then_simple_ones_are_refused(
    resting: dict[str, Any], new: dict[str, Any], refused: bool
) -> None:
    """Stops and markets against a resting opposite always, limits when they cross; complex
    orders never.
    """
    venue = Venue()
    venue.send()
    venue.trade("AAA", "100")
    first = venue.send(**resting)

    if not refused:
        assert venue.send(side="sell", **new).symbol == "AAA"
        return
    refusal = refusal_of(venue, side="sell", **new)
    assert "potential wash trade" in refusal.message
    assert refusal.fields["existing_order_id"] == first.id


def test_short_when_not_allowed_then_403() -> None:
    """`no_shorting` refuses a sell without shares; without it the over-close opens a short."""
    venue = Venue()
    venue.configure(no_shorting=True)
    assert "not allowed to short" in refusal_of(venue, side="sell").message

    venue.configure()
    venue.send(side="sell")
    venue.trade("AAA", "100")

    assert venue.held() == -10


def test_suspend_trade_when_set_then_new_orders_are_refused() -> None:
    """The user's own switch refuses orders and replacements."""
    venue = Venue()
    order = venue.send(type="limit", limit_price="90")
    venue.configure(suspend_trade=True)

    assert "rejected by user request" in refusal_of(venue).message
    with pytest.raises(Refusal, match="rejected by user request"):
        venue.replace(order, limit_price="91")


def test_position_close_when_there_is_none_then_404() -> None:
    """Closing what is not there is `position does not exist`; unknown orders are 404 too."""
    venue = Venue()

    with pytest.raises(Refusal) as caught:
        venue.desk.close_position("AAA", None, venue.moment())
    assert (caught.value.status, caught.value.code) == (404, 40410000)
    with pytest.raises(Refusal) as caught:
        venue.desk.order("nobody")
    assert caught.value.status == 404


def test_replace_when_order_is_queued_or_done_then_422() -> None:
    """A replacement needs a working order, a change, and prices on the right sides."""
    venue = Venue()
    _, target, stop = venue.bracket()
    venue.trade("AAA", "100")

    cases: tuple[tuple[SimOrder, dict[str, Any], str], ...] = (
        (stop, {}, "at least one of"),
        (stop, {"stop_price": "101"}, "less than current price"),
        (stop, {"qty": "5"}, "only the prices"),
        (target, {"limit_price": "94"}, "must be >"),
        (target, {"stop_price": "94"}, "no stop price"),
    )
    for order, body, words in cases:
        with pytest.raises(Refusal, match=words):
            venue.replace(order, **body)
    venue.is_open = False
    queued = venue.send(symbol="BBB")
    with pytest.raises(Refusal, match="isn't sent to exchange yet"):
        venue.replace(queued, qty="11")
