"""A split shows in what the vendor says of past days; a correction does not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_daemon.restated import RESTATED_MIN, closes_before, restated_symbols
from shared.models.market import Candle

pytestmark = pytest.mark.unit

THURSDAY, FRIDAY, MONDAY = date(2014, 6, 5), date(2014, 6, 6), date(2014, 6, 9)
D = Decimal


def a_day(day: date, close: str, symbol: str = "AAPL") -> Candle:
    """A daily bar, stamped with midnight in New York as the broker stamps it."""
    start = datetime(day.year, day.month, day.day, 4, 0, tzinfo=UTC)
    return Candle(symbol, start, D(close), D(close), D(close), D(close), 1)


def test_closes_when_the_day_is_not_over_then_it_is_left_out() -> None:
    """Today's bar changes with every trade: only days that are over can be compared."""
    days = [a_day(THURSDAY, "647.35"), a_day(FRIDAY, "645.57"), a_day(FRIDAY, "104.90", "TWX")]

    assert closes_before(days, FRIDAY) == {"AAPL": {THURSDAY: D("647.35")}}
    assert closes_before(days, MONDAY)["TWX"] == {FRIDAY: D("104.90")}


@pytest.mark.parametrize(
    ("close", "is_restated"),
    [
        ("645.57", False),
        ("645.58", False),
        ("644.30", False),
        ("643.83", True),
        ("92.22", True),
        ("12911.40", True),
    ],
)
def test_restated_when_a_past_close_is_told_anew_then_only_a_split_counts(
    close: str, is_restated: bool
) -> None:
    """Seven for one, one for twenty and 1.0027 for one are splits; a late print is none."""
    before = {"AAPL": {FRIDAY: D("645.57")}, "TWX": {FRIDAY: D("104.90")}}
    now = {"AAPL": {THURSDAY: D("1"), FRIDAY: D(close)}, "TWX": {FRIDAY: D("104.90")}}

    assert restated_symbols(before, now) == (["AAPL"] if is_restated else [])


def test_restated_when_nothing_is_known_from_before_then_nothing_is_said() -> None:
    """A first look, a new symbol and days that do not meet give no word."""
    now = {"AAPL": {FRIDAY: D("92.22")}}

    assert restated_symbols({}, now) == []
    assert restated_symbols({"AAPL": {THURSDAY: D("647.35")}}, now) == []
    assert restated_symbols(now, {}) == []


@given(close=st.decimals("0.01", "100000", places=2), ratio=st.sampled_from(("7", "1.5", "0.05")))
def test_restated_when_any_price_splits_then_it_is_noticed(close: Decimal, ratio: str) -> None:
    """Whatever the price: the ratio of a split lies far beyond the least that counts."""
    assert abs(1 / D(ratio) - 1) > RESTATED_MIN
    told = {"AAPL": {FRIDAY: close / D(ratio)}}

    assert restated_symbols({"AAPL": {FRIDAY: close}}, told) == ["AAPL"]
