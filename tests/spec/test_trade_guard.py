"""The guard: each input of an entry removed, broken or stale in turn denies with its code."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

from shared.models.orders import OrderClass, OrderType, Purpose, Side, TimeInForce
from shared.risk.approved import Approved, render_trace
from shared.risk.checks import MATRIX
from shared.risk.facts import MISSING, UNKNOWN_AGE, UNKNOWN_COUNT, GuardFacts
from shared.risk.trade_guard import APPROVAL_LIFETIME_S, Denied
from tests.support.builders import D
from tests.support.guard_builders import an_entry_request, good_facts
from tests.support.guard_tables import AGES, AMOUNTS, COUNTS, EXITS_ONLY, FLAGS, codes_of, judge

pytestmark = pytest.mark.unit


def test_entry_when_everything_is_well_then_it_is_approved() -> None:
    """The good case passes, bound to its request and valid for a short time."""
    request = an_entry_request()

    verdict = judge(request, good_facts())

    assert isinstance(verdict, Approved)
    assert verdict.request is request
    assert verdict.expires_at_s == 100.0 + APPROVAL_LIFETIME_S
    assert all(row.passed for row in render_trace(verdict.trace))


def test_facts_when_listed_then_every_field_is_tried_here() -> None:
    """No input of the guard escapes the tables of this file."""
    tried = {*AMOUNTS, *AGES, *FLAGS, *COUNTS, *EXITS_ONLY, "clock_skew_s", "cooldown_left_s"}

    assert {field.name for field in fields(GuardFacts)} == tried


@pytest.mark.parametrize("field", AMOUNTS)
@pytest.mark.parametrize(
    "value", [MISSING, D("sNaN"), D("Infinity"), D("-Infinity"), D("1e30"), D("-1e30")]
)
def test_entry_when_an_amount_is_broken_then_its_code_denies(field: str, value: Decimal) -> None:
    """A missing, NaN, infinite, huge or negative amount denies by a check that needs it."""
    verdict = judge(an_entry_request(), good_facts(**{field: value}))

    assert isinstance(verdict, Denied)
    assert set(AMOUNTS[field]) & set(verdict.codes), verdict.codes
    if value.is_nan():
        assert set(AMOUNTS[field]) <= set(verdict.codes)


@pytest.mark.parametrize("field", AGES)
@pytest.mark.parametrize("value", [UNKNOWN_AGE, inf, -inf, -0.001, 1e9])
def test_entry_when_an_age_is_unknown_stale_or_future_then_its_code_denies(
    field: str, value: float
) -> None:
    """Stale and negative ages, and unknown ones, deny alike."""
    assert codes_of(judge(an_entry_request(), good_facts(**{field: value}))) == (AGES[field],)


@pytest.mark.parametrize("value", [nan, inf, -inf, 2.1, -2.1])
def test_entry_when_clocks_disagree_then_clock_skew_denies(value: float) -> None:
    """The skew is bounded on both sides."""
    assert codes_of(judge(an_entry_request(), good_facts(clock_skew_s=value))) == ("clock_skew",)


@pytest.mark.parametrize("value", [nan, inf, -inf, 0.1])
def test_entry_when_the_symbol_rests_then_cooldown_denies(value: float) -> None:
    """A rest that is left, or not known, denies."""
    assert codes_of(judge(an_entry_request(), good_facts(cooldown_left_s=value))) == ("cooldown",)


@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, (_, wrong) in FLAGS.items() for value in wrong]
)
def test_entry_when_a_flag_is_missing_or_wrong_then_its_code_alone_denies(
    field: str, value: Any
) -> None:
    """Each yes-or-no condition denies by its own code, absent or wrong."""
    verdict = judge(an_entry_request(), good_facts(**{field: value}))

    assert codes_of(verdict) == (FLAGS[field][0],)


@pytest.mark.parametrize("field", COUNTS)
def test_entry_when_a_count_is_full_or_unknown_then_its_code_denies(field: str) -> None:
    """Open positions and entries per minute are bounded."""
    code, limit = COUNTS[field]

    for value in (limit, UNKNOWN_COUNT):
        assert codes_of(judge(an_entry_request(), good_facts(**{field: value}))) == (code,)
    assert codes_of(judge(an_entry_request(), good_facts(**{field: limit - 1}))) == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"qty": D("1.5")}, "whole_shares"),
        ({"qty": D(0)}, "whole_shares"),
        ({"qty": D(-1)}, "whole_shares"),
        ({"qty": D("NaN")}, "whole_shares"),
        ({"qty": D("Infinity")}, "whole_shares"),
        ({"limit_price": None}, "notional"),
        ({"limit_price": D("100.005")}, "tick"),
        ({"stop_loss_price": D("97.999")}, "tick"),
        ({"take_profit_price": D("103.001")}, "tick"),
        ({"limit_price": D("NaN")}, "tick"),
        ({"type": OrderType.MARKET}, "form"),
        ({"order_class": OrderClass.SIMPLE}, "form"),
        ({"time_in_force": TimeInForce.DAY}, "form"),
        ({"stop_loss_price": None}, "stop_present"),
        ({"stop_loss_price": D("-1.00")}, "stop_present"),
        ({"stop_loss_price": D("100.00")}, "stop_side"),
        ({"take_profit_price": D("99.00")}, "stop_side"),
        ({"take_profit_price": None}, "stop_side"),
        ({"stop_loss_price": D("99.98")}, "stop_distance"),
        ({"qty": D(600), "limit_price": D("100.00")}, "trade_risk"),
        ({"qty": D(51)}, "notional"),
        ({"limit_price": D("105.00"), "take_profit_price": D("110.00")}, "band_mid"),
        ({"side": Side.SELL}, "flip"),
    ],
)
def test_entry_when_the_order_itself_is_wrong_then_its_code_denies(
    changes: dict[str, Any], code: str
) -> None:
    """Every fault of the order is named by its code."""
    assert code in codes_of(judge(an_entry_request(**changes), good_facts()))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bid": D("98.00"), "ask": D("100.00")}, "spread"),
        ({"bid": D("100.02"), "ask": D("100.00")}, "quote"),
        ({"bid": D(0)}, "quote"),
        ({"last_trade": D("94.00")}, "band_trade"),
        ({"prior_close": D("106.00")}, "band_close"),
        ({"open_risk": D("4980.01")}, "total_risk"),
        ({"symbol_exposure": D("4000.01")}, "position"),
        ({"gross_exposure": D("29000.01")}, "gross_exposure"),
        ({"buying_power": D("999.99")}, "buying_power"),
        ({"day_pnl": D("-2000.00")}, "daily_loss"),
        ({"drawdown_pct": D("0.10")}, "drawdown"),
        ({"position_qty": D(-1)}, "flip"),
        ({"equity": D("99999.99")}, "equity"),
    ],
)
def test_entry_when_a_limit_is_reached_then_its_code_denies(
    changes: dict[str, Any], code: str
) -> None:
    """Each limit denies at its edge, with limit and value in the denial."""
    verdict = judge(an_entry_request(), good_facts(**changes))

    assert isinstance(verdict, Denied)
    assert code in verdict.codes
    rendered = {row.code: row for row in render_trace(verdict.trace)}
    assert not rendered[code].passed
    assert rendered[code].value != "missing"


def test_entry_when_exactly_at_the_limits_then_it_passes() -> None:
    """The edge itself is allowed where the limit says "at most"."""
    facts = good_facts(
        symbol_exposure=D("4000.00"),
        gross_exposure=D("29000.00"),
        open_risk=D("4980.00"),
        buying_power=D("1000.00"),
        day_pnl=D("-1999.99"),
        last_trade=D("100.00") / D("1.05"),
    )

    assert codes_of(judge(an_entry_request(), facts)) == ()


def test_entry_when_nothing_is_known_then_every_fact_denies() -> None:
    """Bare facts deny with all codes but those of the order itself."""
    verdict = judge(an_entry_request(), GuardFacts())

    entry_codes = {code for code, purposes in MATRIX.items() if Purpose.ENTRY in purposes}
    of_the_order = {
        "whole_shares",
        "tick",
        "form",
        "stop_present",
        "stop_side",
        "trade_risk",
        "notional",
    }
    assert set(codes_of(verdict)) == entry_codes - of_the_order
