"""What the simulated exchange refuses, with Alpaca's status, code and fields."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.exchange_sim.records import Refusal
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
        (BRACKET | {"time_in_force": "ioc"}, 42210000, "only support day and gtc"),
        ({"type": "stop", "stop_price": "100.005"}, 42210000, "sub-penny"),
        ({"type": "stop", "stop_price": "100"}, 42210000, "greater than current price"),
        ({"side": "sell", "type": "stop", "stop_price": "100"}, 42210000, "less than current"),
        ({"type": "stop_limit", "stop_price": "101"}, 40010001, "require a limit price"),
        ({"type": "market", "limit_price": "99"}, 40010001, "must not have a limit price"),
        ({"take_profit": {"limit_price": "110"}}, 40010001, "require a complex order_class"),
        ({"position_intent": "buy_to_close"}, 42210000, "inferred: buy_to_open, specified"),
        ({"position_intent": "sell_to_open"}, 40010001, "does not match side buy"),
        ({"position_intent": "buy"}, 40010001, "invalid position_intent"),
        ({"order_class": "oto"}, 40010001, "exactly one of take_profit and stop_loss"),
        (BRACKET | {"qty": "0"}, 40010001, "qty must be > 0"),
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


@pytest.mark.parametrize(("limit", "base"), [("102", 100), ("98", 98)])
def test_stop_leg_when_near_entry_or_market_then_the_lower_base_counts(
    limit: str, base: int
) -> None:
    """The entry's limit and the current price are bases both: a cent below the lower one."""
    venue = Venue()
    body = BRACKET | {"limit_price": limit}
    near, far = str(base - Decimal("0.009")), str(base - Decimal("0.01"))

    refusal = refusal_of(venue, **body | {"stop_loss": {"stop_price": base}})

    assert (refusal.status, refusal.code) == (422, 42210000)
    assert refusal.fields == {"base_price": base}
    assert "sub-penny" in refusal_of(venue, **body | {"stop_loss": {"stop_price": near}}).message
    assert venue.send(**body | {"stop_loss": {"stop_price": far}}).is_live


def test_stop_when_the_market_has_passed_it_then_both_prices_are_named() -> None:
    """The refusal carries what it compared."""
    refusal = refusal_of(Venue(), type="stop", stop_price="99")

    assert refusal.document() == {
        "code": 42210000,
        "message": "stop price must be greater than current price",
        "market_price": 100,
        "stop_price": 99,
    }


def test_position_intent_when_it_fits_then_shown_as_sent() -> None:
    """What the client says and what the broker infers agree."""
    venue = Venue()
    venue.send(position_intent="buy_to_open")
    venue.trade("AAA", "100")

    assert venue.send(side="sell", position_intent="SELL_TO_CLOSE").position_intent == (
        "sell_to_close"
    )


def test_buy_stop_when_reckoned_then_at_the_most_that_it_may_cost() -> None:
    """Below fifty dollars the stop-limit that it becomes lies four per cent above."""
    venue = Venue()
    venue.quote("BBB", "40")

    refusal = refusal_of(venue, symbol="BBB", type="stop", stop_price="45", qty="9000")

    assert refusal.fields["cost_basis"] == "421200"
