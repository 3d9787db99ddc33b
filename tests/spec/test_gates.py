"""The advisory gates: what each refuses, and that none refuses what it cannot compute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading_bot.brain.clamps import pnl_pct, portfolio_delta_pct, shown_price
from services.trading_bot.brain.regime import Regime
from services.trading_bot.gates import DECAY_HALF_LIFE_S, GateFacts, GateResult, judge_gates
from services.trading_bot.indicators import ATR_MAX, average_true_range, decayed, efficiency
from shared.models.market import Quote
from shared.models.portfolio import Position
from shared.models.signals import Signal
from tests.support.bars import bars_of_closes
from tests.support.bot_bench import a_signal

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
NAMES = ["portfolio_delta", "signal_decay", "spread", "session", "regime"]
FALLING = bars_of_closes([100.0 - 0.1 * n for n in range(40)])
ANY = st.decimals(allow_nan=True, allow_infinity=True)
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)


def held(value: int | str, symbol: str = "MSFT") -> Position:
    """A position of one share worth so much."""
    qty, price = (Decimal(1), Decimal(value)) if Decimal(value) > 0 else (-1, -Decimal(value))
    return Position(symbol, Decimal(qty), price, current_price=price)


GATES = GateFacts(
    now=NOW + timedelta(seconds=5),
    equity=Decimal(100_000),
    positions=(held(10_000),),
    quote=Quote("AAPL", NOW, Decimal("99.99"), Decimal("100.01")),
    delta_limit_pct=Decimal(70),
    closes_at=NOW + timedelta(hours=6),
    close_minutes_min=15.0,
    candles=FALLING,
    unsuited=frozenset({Regime.STORM}),
)


def signal(strength: float = 0.5) -> Signal:
    """A valid long signal of this moment."""
    return replace(a_signal(at=NOW), strength=strength)


def results(facts: GateFacts, strength: float = 0.5) -> dict[str, GateResult]:
    """Return each gate's word by its name."""
    found = judge_gates(signal(strength), facts)
    assert [result.gate for result in found] == NAMES
    return {result.gate: result for result in found}


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, set()),
        ({"positions": ()}, set()),
        ({"positions": (held(70_000),)}, set()),
        ({"positions": (held(70_001),)}, {"portfolio_delta"}),
        ({"positions": (held(700_000),)}, {"portfolio_delta"}),
        ({"positions": (held(-90_000),)}, set()),
        ({"positions": (held(90_000), held(-30_000, "SPY"))}, set()),
        ({"equity": Decimal(0), "positions": (held(90_000),)}, set()),
        ({"equity": Decimal("NaN"), "positions": (held(90_000),)}, set()),
        ({"delta_limit_pct": Decimal("NaN")}, set()),
        ({"now": NOW + timedelta(minutes=10)}, {"signal_decay"}),
        ({"quote": Quote("AAPL", NOW, Decimal("99.85"), Decimal("100.15"))}, set()),
        ({"quote": Quote("AAPL", NOW, Decimal("99.84"), Decimal("100.15"))}, {"spread"}),
        ({"quote": Quote("AAPL", NOW, Decimal(0), Decimal(100))}, set()),
        ({"quote": Quote("AAPL", NOW, Decimal("0.01"), Decimal(10**9))}, {"spread"}),
        ({"closes_at": NOW + timedelta(minutes=15, seconds=5)}, set()),
        ({"closes_at": NOW + timedelta(minutes=15)}, {"session"}),
        ({"unsuited": frozenset({Regime.FALLING})}, {"regime"}),
        ({"unsuited": frozenset({Regime.FALLING}), "candles": FALLING[:30]}, set()),
        ({"unsuited": frozenset({Regime.RISING, Regime.RANGE})}, set()),
        (dict.fromkeys(("equity", "positions", "quote", "closes_at")) | {"candles": ()}, set()),
    ],
)
def test_gates_when_facts_are_missing_then_they_pass_and_otherwise_they_judge(
    changes: dict[str, Any], refused: set[str]
) -> None:
    """Advisory gates fail open; a computed breach refuses, with its numbers."""
    found = results(replace(GATES, **changes))

    assert {name for name, result in found.items() if not result.passed} == refused
    assert all(any(sign.isdigit() for sign in found[name].detail) for name in refused)


@given(equity=ANY, values=st.lists(st.integers(-(10**9), 10**9).filter(bool), max_size=4))
def test_delta_when_any_numbers_then_within_a_hundred_or_open(
    equity: Decimal, values: list[int]
) -> None:
    """No positions give 0; the delta never leaves -100..100; without equity above 0 it is open."""
    delta = portfolio_delta_pct([held(value) for value in values], equity)
    facts = replace(GATES, equity=equity, positions=tuple(held(value) for value in values))

    if delta is None:
        assert not (equity.is_finite() and equity > 0)
        assert results(facts)["portfolio_delta"].passed
    else:
        assert -100 <= delta.pct <= 100
        assert values or delta.pct == 0
        assert results(facts)["portfolio_delta"].passed == (delta.pct <= 70)


def test_delta_when_a_position_cannot_be_read_then_it_is_skipped_and_counted() -> None:
    """One bad position stops nothing: it is left out, said, and the others go on."""
    bad = held(90_000)
    object.__setattr__(bad, "current_price", Decimal("NaN"))
    none = object.__new__(Position)

    delta = portfolio_delta_pct([bad, held(10_000), none], Decimal(100_000))

    assert delta is not None
    assert (delta.pct, delta.skipped) == (Decimal(10), 2)
    word = results(replace(GATES, positions=(bad, held(80_000), none)))["portfolio_delta"]
    assert (word.passed, "2 positions skipped" in word.detail) == (False, True)


@given(age_s=ANY_FLOAT, half_life_s=ANY_FLOAT)
def test_decay_when_any_age_then_between_0_and_1_and_never_nan(
    age_s: float, half_life_s: float
) -> None:
    """Decay lies in [0, 1]; what has no age is refused, never passed on."""
    if age_s != age_s or not 0 < half_life_s < inf:
        with pytest.raises(ValueError, match="decayed"):
            decayed(age_s, half_life_s)
        return
    assert 0.0 <= decayed(age_s, half_life_s) <= 1.0


@given(age_s=st.floats(0, 1e6), more_s=st.floats(0, 1e6), strength=st.floats(0, 1))
def test_decay_when_a_signal_ages_then_it_is_never_worth_more(
    age_s: float, more_s: float, strength: float
) -> None:
    """Older is never better, new is whole, one half-life is a half."""
    assert decayed(age_s + more_s, 60.0) <= decayed(age_s, 60.0)
    assert decayed(0.0, 60.0) == 1.0
    assert decayed(-5.0, 60.0) == 1.0
    assert decayed(60.0, 60.0) == 0.5
    young = results(replace(GATES, now=NOW + timedelta(seconds=age_s)), strength)["signal_decay"]
    assert young.passed == (strength * decayed(age_s, DECAY_HALF_LIFE_S) >= 0.05) or age_s < 1e-5


@given(bid=st.decimals("0", "1e6", places=4), width=st.decimals("0", "1e6", places=4))
def test_spread_when_any_quote_then_judged_within_its_clamp(bid: Decimal, width: Decimal) -> None:
    """Mid above 0 is judged between 0 and 10,000 basis points; anything else passes."""
    quote = Quote("AAPL", NOW, bid, bid + width)
    passed = results(replace(GATES, quote=quote))["spread"].passed

    assert 0 <= quote.spread_bps <= 10_000
    assert passed == (not quote.is_tradable or quote.spread_bps <= 30)


@given(entry=ANY, current=st.none() | ANY, is_short=st.booleans())
def test_pnl_when_any_prices_then_within_a_thousand_percent(
    entry: Decimal, current: Decimal | None, is_short: bool
) -> None:
    """Shown profit never leaves -1,000..1,000 percent; an invalid price counts as the entry."""
    pct = pnl_pct(entry, current, is_short=is_short)

    assert pct.is_finite()
    assert -1_000 <= pct <= 1_000
    is_price = current is not None and current.is_finite() and current > 0
    assert shown_price(current, entry) is (current if is_price else entry)
    assert is_price or pct == 0


def test_pnl_when_price_doubles_then_a_hundred_percent_and_the_opposite_short() -> None:
    """The formula itself, at plain numbers and at its clamp."""
    assert pnl_pct(Decimal(50), Decimal(100)) == 100
    assert pnl_pct(Decimal(50), Decimal(100), is_short=True) == -100
    assert pnl_pct(Decimal(1), Decimal(12)) == 1_000


@given(st.lists(ANY_FLOAT, min_size=15, max_size=20))
def test_atr_when_any_prices_then_between_0_and_its_bound_or_refused(prices: list[float]) -> None:
    """ATR lies in 0..1,000; prices that are no numbers raise, and NaN never comes out."""
    if not isfinite(3 * sum(prices[-15:])):
        with pytest.raises(ValueError, match="no numbers"):
            average_true_range(prices, prices, prices, 14)
        return
    atr = average_true_range(prices, prices, prices, 14)

    assert 0.0 <= atr <= ATR_MAX


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", range(15))
def test_atr_when_one_price_is_no_number_then_refused(bad: float, place: int) -> None:
    """A single NaN, wherever it stands, is refused and never hidden by a comparison."""
    right = [100.0 + n % 3 for n in range(15)]
    wrong = [*right[:place], bad, *right[place + 1 :]]

    for prices in ((wrong, right, right), (right, wrong, right), (right, right, wrong)):
        with pytest.raises(ValueError, match="no numbers"):
            average_true_range(*prices, 14)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_efficiency_when_any_path_then_a_share(values: list[float]) -> None:
    """The way from first to last never exceeds the whole way gone."""
    assert 0.0 <= efficiency(values) <= 1.0
