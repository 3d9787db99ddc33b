"""Sizing: the least of risk budget, limits and money, in whole shares."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.limits import Limits
from shared.models.orders import Side
from shared.risk.approved import Approved
from shared.risk.dollars import DollarLimits
from shared.risk.sizing import Room, size_entry
from tests.support.builders import D, a_signal
from tests.support.guard_builders import an_entry_request, good_facts
from tests.support.guard_tables import codes_of, judge

pytestmark = pytest.mark.unit

EQUITY = D("100000.00")
WIDE = Limits(position_limit_pct=D(1), portfolio_exposure_pct=D(1), concentration_pct=D(1))


@pytest.mark.parametrize(
    ("limits", "room", "shares"),
    [
        (Limits(), Room(), 50),  # position limit: 5 % of equity at 100
        (WIDE, Room(), 500),  # risk: 1 % of equity at 2 dollars a share
        (Limits(position_size_usd_max=D(500)), Room(), 5),
        (Limits(notional_per_order_usd_max=D(250)), Room(), 2),
        (Limits(), Room(gross_exposure=D(29_000)), 10),
        (Limits(concentration_pct=D("0.01")), Room(), 10),
        (Limits(), Room(symbol_exposure=D(4_500)), 5),
        (Limits(), Room(buying_power=D("399.99")), 3),
        (WIDE, Room(open_risk=D("4900.00")), 50),
        (Limits(), Room(gross_exposure=D(40_000)), 0),
        (Limits(), Room(buying_power=D("NaN")), 0),
    ],
)
def test_size_when_one_bound_is_the_tightest_then_it_decides(
    limits: Limits, room: Room, shares: int
) -> None:
    """Each bound in turn."""
    assert size_entry(a_signal(), EQUITY, limits, D("100.00"), room) == shares


def test_size_when_the_share_costs_more_than_the_limit_then_none() -> None:
    """A part of a share is never rounded up."""
    signal = a_signal(entry_price=D(6000), stop_price=D(5990), target_price=D(6100))

    assert size_entry(signal, EQUITY, Limits(), D(6000)) == 0


@pytest.mark.parametrize("equity", [D("NaN"), D("Infinity"), D(0), D(-5)])
def test_size_when_equity_is_no_sane_amount_then_none(equity: Decimal) -> None:
    """There is no default equity."""
    assert size_entry(a_signal(), equity, Limits(), D(100)) == 0


@pytest.mark.parametrize("price", [D("98.00"), D("97.00"), D("0"), D("NaN")])
def test_size_when_the_price_lies_beyond_the_stop_then_none(price: Decimal) -> None:
    """Without risk per share there is no size."""
    assert size_entry(a_signal(), EQUITY, Limits(), price) == 0


def test_size_when_short_then_the_risk_turns() -> None:
    """A short's stop lies above."""
    signal = a_signal(side=Side.SELL, stop_price=D("102.00"), target_price=D("97.00"))

    assert size_entry(signal, EQUITY, WIDE, D("100.00")) == 500


@given(
    equity=st.decimals(1000, 10**7, places=2),
    cents=st.integers(500, 50_000),
    gap=st.integers(1, 499),
    exposure=st.decimals(0, 10**6, places=2),
)
def test_size_when_computed_then_the_guard_lets_it_pass(
    equity: Decimal, cents: int, gap: int, exposure: Decimal
) -> None:
    """What sizing allows, the guard never refuses for its size."""
    price = D(cents) / 100
    stop = price - D(gap) / 100
    signal = a_signal(entry_price=price, stop_price=stop, target_price=price + 5)
    limits = Limits()
    room = Room(gross_exposure=exposure, buying_power=equity)

    shares = size_entry(signal, equity, limits, price, room)

    if shares > 0:
        request = an_entry_request(
            qty=D(shares),
            limit_price=price,
            stop_loss_price=stop,
            take_profit_price=price + 5,
        )
        facts = good_facts(
            equity=equity,
            buying_power=equity,
            gross_exposure=exposure,
            open_risk=D(0),
            bid=price,
            ask=price,
            last_trade=price,
            prior_close=price,
        )
        verdict = judge(request, facts, DollarLimits.of(limits, equity))
        assert isinstance(verdict, Approved), codes_of(verdict)
