"""Fractions of shares and orders for an amount of dollars on the simulated exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.records import Refusal
from services.exchange_sim.wire import order_document
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit

DAY: dict[str, Any] = {"time_in_force": "day"}


def test_fractional_order_when_filled_then_nine_decimals_are_held() -> None:
    """A quantity of nine decimals trades as it is."""
    venue = Venue()
    venue.send(qty="1.123456789", **DAY)

    venue.trade("AAA", "100")

    assert venue.held() == Decimal("1.123456789")


@pytest.mark.parametrize(
    ("body", "price", "filled"),
    [
        ({}, "100", "9.999000099"),
        ({"type": "limit", "limit_price": "101"}, "80", "12.498437695"),
        ({"type": "stop", "stop_price": "102"}, "103", "9.707795359"),
        ({"type": "stop_limit", "stop_price": "102", "limit_price": "104"}, "103", "9.707795359"),
    ],
)
def test_notional_buy_when_filled_then_the_price_decides_the_shares(
    body: dict[str, Any], price: str, filled: str
) -> None:
    """An amount buys what it buys at the price of the fill, rounded down; `qty` stays null."""
    venue = Venue()
    order = venue.send(qty=None, notional="1000", **DAY, **body)

    venue.trade("AAA", price)

    document = order_document(venue.books, venue.again(order))
    assert (document["notional"], document["qty"]) == ("1000", None)
    assert (document["status"], document["filled_qty"]) == ("filled", filled)
    assert venue.books.account.cash >= Decimal(99_000)


def test_notional_sell_when_the_price_falls_then_it_never_opens_a_short() -> None:
    """More shares than are there cannot be sold for the amount."""
    venue = Venue()
    venue.send(qty="2", **DAY)
    venue.trade("AAA", "100")
    order = venue.send(side="sell", qty=None, notional="190", **DAY)

    venue.trade("AAA", "50")

    assert (venue.status(order), venue.held()) == ("filled", Decimal(0))


def test_notional_sell_when_other_orders_hold_shares_then_they_keep_them() -> None:
    """The amount takes only shares that are free."""
    venue = Venue()
    venue.send(qty="3", **DAY)
    venue.trade("AAA", "100")
    venue.send(side="sell", qty="2", type="limit", limit_price="200", **DAY)
    venue.send(side="sell", qty=None, notional="90", **DAY)

    venue.trade("AAA", "20")

    assert venue.held() == 2


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, "must be DAY"),
        ({"qty": "0.5", "time_in_force": "ioc"}, 422, "must be DAY"),
        ({"qty": "0.5", "side": "sell"}, 403, "cannot be sold short"),
        ({"qty": None, "notional": "50", "side": "sell"}, 403, "cannot be sold short"),
        ({"qty": "0.0001"}, 403, "minimal amount of order 1"),
        ({"qty": None, "notional": "0.99"}, 403, "minimal amount of order 1"),
        ({"qty": None, "notional": "50.001"}, 422, "at most 2 decimals"),
        ({"qty": "0.1234567891"}, 422, "at most 9 decimals"),
        ({"qty": "1", "notional": "50"}, 422, "only one of qty or notional"),
        (
            {"qty": None, "notional": "50", "order_class": "oto", "stop_loss": {"stop_price": 90}},
            422,
            "must be simple",
        ),
    ],
)
def test_fraction_when_it_breaks_a_rule_then_refused(
    body: dict[str, Any], status: int, words: str
) -> None:
    """Fractions are DAY, simple, long only, worth a dollar, and either qty or notional."""
    with pytest.raises(Refusal) as caught:
        Venue().send(**(DAY | body))

    assert caught.value.status == status
    assert words in caught.value.message


def test_fraction_when_asset_or_account_forbids_then_refused() -> None:
    """`not_fractionable` concerns one symbol, the account's configuration every one."""
    venue = Venue()
    venue.switch("not_fractionable=AAA")

    with pytest.raises(Refusal, match="not fractionable"):
        venue.send(qty="0.5", **DAY)
    assert venue.send(symbol="BBB", qty="0.5", **DAY).qty == Decimal("0.5")
    assert venue.send(qty="2", **DAY).qty == 2
    venue.configure(fractional_trading=False)
    with pytest.raises(Refusal, match="fractional trading is not enabled"):
        venue.send(symbol="BBB", qty="0.5", **DAY)


def test_replace_when_order_is_fractional_or_notional_then_422() -> None:
    """The quantity of fractions is fixed, and amounts cannot be replaced at all."""
    venue = Venue()
    fraction = venue.send(qty="1.5", type="limit", limit_price="90", **DAY)
    amount = venue.send(qty=None, notional="90", type="limit", limit_price="90", **DAY)

    with pytest.raises(Refusal, match="fractional orders cannot be replaced"):
        venue.replace(fraction, qty="2.5")
    assert venue.again(venue.replace(fraction, limit_price="91")).limit_price == 91
    with pytest.raises(Refusal, match="notional orders cannot be replaced"):
        venue.replace(amount, limit_price="91")


@given(st.integers(100, 500_000), st.integers(2_000, 30_000))
def test_notional_buy_when_filled_then_it_never_costs_more_than_asked(
    cents: int, price: int
) -> None:
    """Rounding never spends a cent more than the amount."""
    venue = Venue()
    dollars = Decimal(cents) / 100
    venue.send(qty=None, notional=str(dollars), **DAY)

    venue.trade("AAA", Decimal(price) / 100)

    spent = Decimal(100_000) - venue.books.account.cash
    assert 0 < spent <= dollars
    assert dollars - spent < Decimal("0.000001")
