"""The momentum strategy: when it enters, with which stop and target, and when it leaves."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.brain.roster import make_strategies
from services.trading_bot.strategies.momentum import REWARD_RISK, Momentum, MomentumParameters
from shared.errors import ConfigFault
from shared.models.limits import Limits
from shared.models.portfolio import Position
from tests.support.bars import (
    FIRST_BAR,
    bars_of_closes,
    buffer_of,
    flat_portfolio,
    flat_then_breakout,
    snapshot_of,
)

pytestmark = pytest.mark.unit

WALKS = st.lists(st.integers(min_value=-30, max_value=33), min_size=30, max_size=80).map(
    lambda steps: [100.0 + sum(steps[: n + 1]) / 100 for n in range(len(steps))]
)


def test_momentum_when_close_breaks_out_then_one_signal_with_stop_below_and_target_above() -> None:
    """A breakout in a rising trend is bought, stop and target on the right sides."""
    snapshot = snapshot_of(bars_of_closes(flat_then_breakout(1.5)))

    (signal,) = Momentum().decide(snapshot, flat_portfolio())

    assert signal.symbol == "AAPL"
    assert signal.at == snapshot.now
    assert signal.stop_price < signal.entry_price < signal.target_price
    assert signal.entry_price == snapshot.quotes["AAPL"].ask
    assert "15-bar high" in signal.reason


@pytest.mark.parametrize(
    ("closes", "why"),
    [
        ([100.0] * 40, "flat"),
        ([100.0 - 0.1 * n for n in range(40)], "falling"),
        (flat_then_breakout(1.5)[:29], "cold"),
        ([*flat_then_breakout(1.5), 100.9], "no longer above the high"),
        ([100.0] * 39 + [100.06], "rise below one ATR"),
    ],
)
def test_momentum_when_there_is_no_breakout_then_no_signal(closes: list[float], why: str) -> None:
    """Flat, falling, cold and feeble series are left alone."""
    snapshot = snapshot_of(bars_of_closes(closes))

    assert list(Momentum().decide(snapshot, flat_portfolio())) == [], why


def test_momentum_when_symbol_is_busy_then_no_signal() -> None:
    """One owner per symbol: no pyramiding."""
    snapshot = snapshot_of(bars_of_closes(flat_then_breakout(1.5)))

    assert list(Momentum().decide(snapshot, flat_portfolio("AAPL"))) == []


def test_momentum_when_last_bar_is_old_then_no_signal() -> None:
    """A feed that stands still is no reason to buy."""
    fresh = bars_of_closes(flat_then_breakout(1.5), "MSFT", FIRST_BAR + timedelta(minutes=5))
    old = bars_of_closes(flat_then_breakout(1.5), "AAPL")

    signals = Momentum().decide(snapshot_of(fresh, old), flat_portfolio())

    assert [signal.symbol for signal in signals] == ["MSFT"]


def test_momentum_when_two_symbols_break_out_then_strongest_first() -> None:
    """The steeper breakout is named first."""
    feeble = bars_of_closes(flat_then_breakout(0.8), "AAPL")
    strong = bars_of_closes(flat_then_breakout(3.0), "MSFT")

    signals = Momentum().decide(snapshot_of(feeble, strong), flat_portfolio())

    assert [signal.symbol for signal in signals] == ["MSFT", "AAPL"]


@settings(deadline=None)
@given(WALKS, st.decimals(min_value="1.0", max_value="4.0", places=1))
def test_momentum_when_any_walk_then_reward_reaches_what_the_settings_were_told(
    closes: list[float], stop_atr_multiple: Decimal
) -> None:
    """Every signal reaches the reward/risk of the file by which MIN_REWARD_RISK is judged."""
    (strategy,) = make_strategies(("momentum",), Limits(stop_atr_multiple=stop_atr_multiple))

    for signal in strategy.decide(snapshot_of(bars_of_closes(closes)), flat_portfolio()):
        assert signal.reward_risk >= REWARD_RISK
        assert signal.risk_per_share >= Decimal("0.02")


@settings(deadline=None)
@given(WALKS)
def test_momentum_when_asked_twice_then_answers_the_same(closes: list[float]) -> None:
    """Pure: nothing is remembered between two calls."""
    snapshot = snapshot_of(bars_of_closes(closes))
    strategy = Momentum()

    assert strategy.decide(snapshot, flat_portfolio()) == strategy.decide(
        snapshot, flat_portfolio()
    )


def _position(opened_minutes_ago: float) -> Position:
    now = FIRST_BAR + timedelta(minutes=40)
    return Position(
        symbol="AAPL",
        qty=Decimal(10),
        entry_price=Decimal(100),
        opened_at=now - timedelta(minutes=opened_minutes_ago),
        strategy="momentum",
    )


@pytest.mark.parametrize(
    ("closes", "held_minutes", "begins"),
    [
        (flat_then_breakout(1.5), 25.0, "time"),
        (flat_then_breakout(1.5), 24.0, None),
        ([100.0 - 0.05 * n for n in range(40)], 10.0, "fade"),
        ([100.0 - 0.05 * n for n in range(40)], 4.0, None),
    ],
)
def test_momentum_when_position_is_held_then_time_and_fade_end_it(
    closes: list[float], held_minutes: float, begins: str | None
) -> None:
    """Left after the longest time, or when the trend has turned and the first minutes are over."""
    now = FIRST_BAR + timedelta(minutes=40)
    buffer = buffer_of(bars_of_closes(closes))

    reason = Momentum(MomentumParameters()).exit_reason(_position(held_minutes), buffer, now)

    assert (reason.split(":")[0] if reason else None) == begins


def test_strategies_when_name_is_unknown_then_every_unknown_name_is_said() -> None:
    """A misspelt strategy is a setting's fault, named."""
    with pytest.raises(ConfigFault, match="martingale, momentun"):
        make_strategies(("momentun", "martingale"), Limits())


def test_strategies_when_none_is_named_then_all_run() -> None:
    """An empty STRATEGIES means all of our own."""
    names = [strategy.name for strategy in make_strategies((), Limits())]

    assert names == ["mean_reversion", "momentum", "options_flow"]
