"""Margin, buying power and the account's configurations, as the broker's rules have them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.account import Worth, worth_of
from services.exchange_sim.configuration import read_changes
from services.exchange_sim.margin import holding
from services.exchange_sim.records import Refusal, SimPosition
from services.exchange_sim.switches import AssetFields, Switches
from services.exchange_sim.wire_account import account_document, configuration_document
from services.exchange_sim.wire_assets import AssetQuery, asset_document, is_listed
from tests.support.exchange_venue import Venue

pytestmark = pytest.mark.unit
ZERO = Decimal(0)


def worth(cash: object, *held: tuple[str, int, object], multiplier: int = 4) -> Worth:
    """Return the worth of cash and holdings (symbol, shares, price)."""
    positions = [SimPosition(name, Decimal(qty), Decimal(qty)) for name, qty, _ in held]
    prices = {name: Decimal(str(price)) for name, _, price in held}
    return worth_of(Decimal(str(cash)), positions, prices, ZERO, multiplier)


@pytest.mark.parametrize(
    ("qty", "price", "maintenance", "initial"),
    [
        (100, "10", "300", "500"),
        (100, "2.50", "75", "125"),
        (100, "2.49", "249", "249"),
        (-100, "100", "3000", "5000"),
        (-100, "10", "500", "500"),
        (-100, "4", "500", "500"),
        (-100, "16", "500.0", "800"),
    ],
)
def test_margin_when_a_position_is_held_then_the_rules_of_its_side_hold(
    qty: int, price: str, maintenance: str, initial: str
) -> None:
    """Long: 30 %, all of it below 2.50; short: the larger of 5 dollars a share and 30 %."""
    held = holding(Decimal(qty), Decimal(price))

    assert held.maintenance == Decimal(maintenance)
    assert held.initial == Decimal(initial)


@pytest.mark.parametrize(
    ("now", "multiplier", "power", "regt", "cash_only"),
    [
        (worth(100_000), 4, 400_000, 200_000, 100_000),
        (worth(1_999), 1, 1_999, 1_999, 1_999),
        (worth(2_000), 4, 8_000, 4_000, 2_000),
        (worth(100_000, multiplier=2), 2, 200_000, 200_000, 100_000),
        (worth(100_000, multiplier=1), 1, 100_000, 100_000, 100_000),
        (worth(60_000, ("A", 400, 100)), 4, 360_000, 160_000, 60_000),
        (worth(60_000, ("A", 20_000, 2)), 4, 240_000, 120_000, 60_000),
        (worth(-300_000, ("A", 4_000, 100)), 4, 0, 0, 0),
    ],
)
def test_buying_power_when_equity_and_positions_stand_then_it_follows(
    now: Worth, multiplier: int, power: int, regt: int, cash_only: int
) -> None:
    """Four times the free equity from 2,000 dollars on, twice by Regulation T, else once; a
    stock below 2.50 dollars cannot be lent against.
    """
    assert now.margin_multiplier == multiplier
    assert now.buying_power() == power
    assert now.buying_power(min(2, multiplier)) == regt
    assert now.buying_power(1) == cash_only


@given(
    st.integers(-1_000_000, 1_000_000),
    st.lists(st.tuples(st.integers(-500, 500).filter(bool), st.integers(1, 500)), max_size=5),
)
def test_buying_power_when_anything_is_held_then_it_is_never_negative_nor_above_the_multiple(
    cash: int, held: list[tuple[int, int]]
) -> None:
    """Between nothing and the multiple of what equity there is; more margin never buys less."""
    now = worth(cash, *((f"S{place}", *one) for place, one in enumerate(held)))

    most = max(ZERO, now.equity) * now.margin_multiplier
    assert 0 <= now.buying_power() <= most
    assert now.buying_power(1) <= now.buying_power(2) <= now.buying_power(4)
    assert now.maintenance_margin <= now.initial_margin


def test_account_when_positions_exceed_six_times_the_equity_then_it_only_closes() -> None:
    """At six times the equity one may still open, above it not, with no equity never."""
    assert not worth(-50_000, ("A", 600, 100)).is_closing_only
    assert worth(-50_001, ("A", 600, 100)).is_closing_only
    assert worth(-60_000, ("A", 600, 100)).is_closing_only
    assert not worth(0).is_closing_only


def test_reservation_when_a_buy_rests_then_power_falls_and_an_open_sell_frees_nothing() -> None:
    """A resting buy reserves limit times quantity; a resting exit gives nothing back."""
    venue = Venue()
    before = venue.desk.worth(venue.now).buying_power()
    venue.send(side="buy", qty=100, type="limit", limit_price="90")
    reserved = venue.desk.worth(venue.now).buying_power()
    venue.send(symbol="BBB", qty=100)
    venue.trade("BBB", 50)
    held = venue.desk.worth(venue.now).buying_power()
    venue.send(symbol="BBB", side="sell", qty=100, type="limit", limit_price="60")

    assert before - reserved == 9_000
    assert venue.desk.worth(venue.now).buying_power() == held


def test_account_when_a_day_ends_then_last_equity_rolls_with_the_next_one() -> None:
    """`last_equity` is that of the day before until the next session opens."""
    venue = Venue()
    venue.send(qty=100)
    venue.trade("AAA", 100)
    venue.trade("AAA", 110)
    venue.end_session()
    equity = venue.desk.worth(venue.now).equity
    evening = venue.books.account
    venue.begin_session()
    morning = venue.books.account

    assert evening.last_equity == 100_000 != equity
    assert morning.last_equity == equity
    assert morning.last_maintenance == 110 * 100 * Decimal("0.30")
    assert morning.closed_day == "2026-01-05"


def test_account_document_when_switched_then_the_day_trade_fields_come_back() -> None:
    """September 2026 has none of them; the switch shows account and configurations of May."""
    venue = Venue()
    now = venue.desk.worth(venue.now)

    new = account_document(venue.books.account, now, day_trade_fields=False)
    old = account_document(venue.books.account, now, day_trade_fields=True)

    assert (new["buying_power"], new["regt_buying_power"]) == ("400000", "200000")
    assert (new["multiplier"], new["effective_buying_power"]) == ("4", "400000")
    gone = {"pattern_day_trader", "daytrade_count", "daytrading_buying_power", "bod_dtbp"}
    assert set(old) - set(new) == gone
    configuration = venue.books.account.configuration
    assert "pdt_check" not in configuration_document(configuration, day_trade_fields=False)
    assert "pdt_check" in configuration_document(configuration, day_trade_fields=True)


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({"suspend_trade": True}, {"suspend_trade": True}),
        (
            {"suspend_trade": "False", "no_shorting": 1},
            {"suspend_trade": False, "no_shorting": True},
        ),
        ({"max_margin_multiplier": "2"}, {"max_margin_multiplier": 2}),
        ({"max_margin_multiplier": 4}, {"max_margin_multiplier": 4}),
        ({"trade_confirm_email": "all"}, {"trade_confirm_email": "all"}),
        ({"max_options_trading_level": None}, {"max_options_trading_level": None}),
        ({"max_options_trading_level": 2}, {"max_options_trading_level": 2}),
        ({"ptp_no_exception_entry": "true"}, {"ptp_no_exception_entry": True}),
        ({"disable_overnight_trading": "True"}, {"disable_overnight_trading": True}),
        ({"dtbp_check": "both", "anything": {}}, {}),
    ],
)
def test_configuration_when_a_body_is_right_then_its_fields_change(
    body: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Booleans as any client spells them; unknown fields change nothing."""
    assert read_changes(body) == changes


@pytest.mark.parametrize(
    "body",
    [
        {"suspend_trade": "maybe"},
        {"no_shorting": None},
        {"fractional_trading": 2},
        {"max_margin_multiplier": "3"},
        {"max_margin_multiplier": True},
        {"trade_confirm_email": "some"},
        {"max_options_trading_level": 4},
    ],
)
def test_configuration_when_a_value_is_wrong_then_422_names_the_field(body: dict[str, Any]) -> None:
    """The refusal names the field and what may be written; nothing is half changed."""
    with pytest.raises(Refusal, match=next(iter(body))) as refused:
        read_changes(body)

    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        (AssetFields.OLD, (True, False)),
        (AssetFields.BOTH, (True, True)),
        (AssetFields.NEW, (False, True)),
    ],
)
def test_asset_when_switched_then_its_fields_are_those_of_the_time(
    fields: AssetFields, shown: tuple[bool, bool]
) -> None:
    """Before, during and after the change of 2026-09-22."""
    asset = asset_document("SPY", Switches(asset_fields=fields))

    assert ("easy_to_borrow" in asset, "borrow_status" in asset) == shown
    assert ("maintenance_margin_requirement" in asset, "margin_requirement_long" in asset) == shown


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        (AssetQuery(), ["MSFT", "SPY"]),
        (AssetQuery(status="inactive"), []),
        (AssetQuery(asset_class="crypto"), []),
        (AssetQuery(exchange="ARCA"), ["SPY"]),
        (AssetQuery(attributes=frozenset({"fractional_eh_enabled", "ipo"})), ["MSFT"]),
        (AssetQuery(status="active", asset_class="us_equity", exchange="NASDAQ"), ["MSFT"]),
    ],
)
def test_assets_when_filtered_then_only_those_are_listed(
    query: AssetQuery, listed: list[str]
) -> None:
    """Status, class, exchange and any of the attributes."""
    switches = Switches(not_fractionable=frozenset({"SPY"}))

    assert [name for name in ("MSFT", "SPY") if is_listed(name, query, switches)] == listed
