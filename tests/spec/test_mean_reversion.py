"""The mean reversion strategy: which falls it buys, at which prices, and when it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.strategies.mean_reversion import REWARD_RISK, MeanReversion
from shared.models.market import Candle
from shared.models.portfolio import Position
from tests.support.bars import (
    FIRST_BAR,
    HALF_RANGE,
    bars_of_closes,
    buffer_of,
    flat_portfolio,
    snapshot_of,
)

pytestmark = pytest.mark.unit

FALL = [100.0] * 26 + [99.5, 99.0, 98.5, 98.0]


def turned(closes: list[float], up: str = "0.10", symbol: str = "AAPL") -> tuple[Candle, ...]:
    """Return bars of these closes and one more that opens at the last and closes so much above."""
    bars = bars_of_closes(closes, symbol)
    last, close = bars[-1], bars[-1].close + Decimal(up)
    turn = replace(
        last,
        start=last.start + timedelta(minutes=1),
        open=last.close,
        close=close,
        high=max(close, last.close) + HALF_RANGE,
        low=min(close, last.close) - HALF_RANGE,
    )
    return (*bars, turn)


def test_mean_reversion_when_a_fall_has_turned_then_one_signal_below_the_mean() -> None:
    """The turn is bought at the ask, its target no higher than the mean it returns to."""
    bars = turned(FALL)

    (signal,) = MeanReversion().decide(snapshot_of(bars), flat_portfolio())

    mean = sum(bar.close for bar in bars[-30:]) / 30
    assert signal.entry_price == bars[-1].close + Decimal("0.01")
    assert signal.stop_price < signal.entry_price < signal.target_price <= mean
    assert signal.at == bars[-1].start + timedelta(minutes=1)
    assert "deviations below" in signal.reason


@pytest.mark.parametrize(
    ("bars", "why"),
    [
        (turned([100.0] * 30), "flat"),
        (turned(FALL, "-0.10"), "still falling"),
        (turned(FALL, "0.00"), "did not turn"),
        (turned(FALL[:20]), "cold"),
        (turned([100.0] * 29 + [99.9]), "the mean is nearer than the target"),
        (turned([100.0 - 0.02 * n for n in range(30)]), "an even slope is no stretch"),
    ],
)
def test_mean_reversion_when_there_is_nothing_to_return_from_then_no_signal(
    bars: tuple[Candle, ...], why: str
) -> None:
    """Flat, cold, unturned and shallow series are left alone."""
    assert list(MeanReversion().decide(snapshot_of(bars), flat_portfolio())) == [], why


def test_mean_reversion_when_the_target_lies_above_the_mean_then_no_signal() -> None:
    """Wide bars ask for a far target; a fall that is shorter than that is left alone."""
    wide = tuple(
        replace(bar, high=bar.high + Decimal("0.40"), low=bar.low - Decimal("0.40"))
        for bar in turned(FALL)
    )

    assert len(MeanReversion().decide(snapshot_of(turned(FALL)), flat_portfolio())) == 1
    assert list(MeanReversion().decide(snapshot_of(wide), flat_portfolio())) == []


def test_mean_reversion_when_busy_or_old_then_no_signal() -> None:
    """One owner per symbol, and no signal from a feed that stands still."""
    snapshot = snapshot_of(turned(FALL))
    late = replace(snapshot, now=snapshot.now + timedelta(seconds=91))

    assert list(MeanReversion().decide(snapshot, flat_portfolio("AAPL"))) == []
    assert list(MeanReversion().decide(late, flat_portfolio())) == []


def test_mean_reversion_when_two_fell_then_the_further_stretched_comes_first() -> None:
    """The deeper fall is named first."""
    shallow = turned([100.0] * 25 + [99.6, 99.2, 98.8, 98.4, 98.0], symbol="AAPL")
    deep = turned([100.0] * 28 + [98.0, 96.0], symbol="MSFT")

    signals = MeanReversion().decide(snapshot_of(shallow, deep), flat_portfolio())

    assert [signal.symbol for signal in signals] == ["MSFT", "AAPL"]


@settings(deadline=None)
@given(st.lists(st.integers(-40, 20), min_size=30, max_size=60), st.integers(1, 40))
def test_mean_reversion_when_any_walk_then_its_promises_hold(steps: list[int], up: int) -> None:
    """Reward/risk, target below the mean and strength hold for every signal; asked twice, same."""
    closes = [100.0 + sum(steps[: n + 1]) / 50 for n in range(len(steps))]
    snapshot = snapshot_of(turned(closes, f"{up / 100:.2f}"))

    signals = MeanReversion().decide(snapshot, flat_portfolio())

    assert signals == MeanReversion().decide(snapshot, flat_portfolio())
    for signal in signals:
        mean = sum(float(bar.close) for bar in snapshot.buffers["AAPL"].tail(30)) / 30
        assert signal.reward_risk >= REWARD_RISK
        assert float(signal.target_price) <= mean
        assert 0.5 <= signal.strength <= 1.0


@pytest.mark.parametrize(
    ("closes", "opened_minute", "begins"),
    [
        ([100.0] * 30 + [98.0, 100.1], 20, "mean"),
        ([100.0] * 30 + [98.0, 98.2], 20, None),
        ([100.0] * 30 + [98.0, 100.1], 32, None),
        ([100.0] * 20, 5, None),
    ],
)
def test_mean_reversion_when_price_is_back_then_the_position_is_left(
    closes: list[float], opened_minute: int, begins: str | None
) -> None:
    """Left at the mean, judged by a bar that is younger than the position."""
    opened_at = FIRST_BAR + timedelta(minutes=opened_minute)
    position = Position("AAPL", Decimal(10), Decimal(98), opened_at, "mean_reversion")
    buffer = buffer_of(bars_of_closes(closes))

    reason = MeanReversion().exit_reason(position, buffer, FIRST_BAR + timedelta(minutes=40))

    assert (reason.split(":")[0] if reason else None) == begins
