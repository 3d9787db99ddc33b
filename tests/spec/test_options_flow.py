"""The options flow strategy: which money it follows, how its signals decay, what it ignores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.strategies.options_flow import (
    REWARD_RISK,
    STRATEGY,
    OptionsFlow,
    OptionsFlowParameters,
)
from shared.models.flow import (
    FLOW_ROWS_PER_SYMBOL_MAX,
    FLOW_WINDOW,
    DarkPrint,
    FlowAlert,
    FlowView,
)
from shared.ports import MarketSnapshot
from tests.support.bars import bars_of_closes, flat_portfolio, snapshot_of

pytestmark = pytest.mark.unit

RISE = [100.0 + 0.05 * n for n in range(40)]
NOW = snapshot_of(bars_of_closes(RISE)).now
TUNING = OptionsFlowParameters()


def alert(
    premium: float, minutes_ago: float = 1, *, is_call: bool = True, is_sweep: bool = False
) -> FlowAlert:
    """Return an alert in AAPL that long ago."""
    at = NOW - timedelta(minutes=minutes_ago)
    name = f"{premium} {minutes_ago} {is_call} {is_sweep}"
    return FlowAlert(name, "AAPL", at, Decimal(premium), is_call, is_sweep)


def dark(price: str = "100", size: int = 5_000) -> DarkPrint:
    """Return a print in AAPL, five minutes ago."""
    at = NOW - timedelta(minutes=5)
    return DarkPrint(f"{price}{size}", "AAPL", at, Decimal(price), size, Decimal(price) * size)


def moment(*rows: FlowAlert | DarkPrint, closes: list[float] = RISE) -> MarketSnapshot:
    """Return the market with this flow."""
    alerts = [row for row in rows if isinstance(row, FlowAlert)]
    prints = [row for row in rows if isinstance(row, DarkPrint)]
    bars = bars_of_closes(closes, first=NOW - timedelta(minutes=len(closes)))
    return replace(snapshot_of(bars), flow=FlowView.at(NOW, alerts, prints))


def test_flow_when_fresh_money_goes_into_calls_then_one_signal() -> None:
    """Enough calls, few puts, prints below the price: bought with stop and target."""
    (signal,) = OptionsFlow().decide(moment(alert(1_000_000), dark()), flat_portfolio())

    assert signal.symbol == "AAPL"
    assert signal.stop_price < signal.entry_price < signal.target_price
    assert signal.reward_risk >= REWARD_RISK
    assert STRATEGY.needs_flow


@pytest.mark.parametrize(
    ("snapshot", "why"),
    [
        (moment(), "no flow"),
        (moment(alert(1_000_000)), "no prints"),
        (moment(alert(1_000_000), dark(size=500)), "too little in prints"),
        (moment(alert(1_000_000), dark("103")), "below the prints' price"),
        (moment(alert(100_000), dark()), "too little premium"),
        (moment(alert(1_000_000, is_call=False), dark()), "puts only"),
        (moment(alert(1_000_000), alert(600_000, is_call=False), dark()), "too many puts"),
        (moment(alert(9_000_000, 40), dark()), "stale"),
        (moment(alert(9_000_000, 61), dark()), "out of the window"),
        (moment(alert(9_000_000, -1), dark()), "from the future"),
        (moment(alert(1_000_000), dark(), closes=RISE[:29]), "cold"),
        (moment(alert(1_000_000), dark("90"), closes=RISE[::-1]), "falling"),
    ],
)
def test_flow_when_the_money_does_not_speak_then_no_signal(
    snapshot: MarketSnapshot, why: str
) -> None:
    """Little, old, opposed or unconfirmed money is not followed."""
    assert list(OptionsFlow().decide(snapshot, flat_portfolio())) == [], why


def test_flow_when_symbol_is_busy_then_no_signal() -> None:
    """One owner per symbol."""
    assert list(OptionsFlow().decide(moment(alert(10**6), dark()), flat_portfolio("AAPL"))) == []


def test_flow_when_a_sweep_then_it_counts_more_than_a_plain_trade() -> None:
    """A sweep is worth its weight; one half-life halves either."""
    rows = moment(alert(100_000, 0, is_sweep=True), alert(100_000, 15)).flow

    reading = OptionsFlow().read(rows, "AAPL", NOW)

    assert reading.calls == pytest.approx(100_000 * TUNING.sweep_weight + 50_000)
    assert (reading.puts, reading.freshness, reading.put_call) == (0.0, 1.0, 0.0)


@settings(deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(1, 10**8), st.floats(-5, 70)), max_size=6),
    puts=st.lists(st.tuples(st.integers(1, 10**8), st.floats(-5, 70)), max_size=6),
)
def test_flow_when_anything_is_traded_then_strength_and_decay_stay_between_0_and_1(
    calls: list[tuple[int, float]], puts: list[tuple[int, float]]
) -> None:
    """Whatever flows: finite worths, freshness and strength in [0, 1], and nothing older wins."""
    rows = [alert(p, m) for p, m in calls] + [alert(p, m, is_call=False) for p, m in puts]
    snapshot, strategy = moment(*rows, dark()), OptionsFlow()

    reading = strategy.read(snapshot.flow, "AAPL", NOW)
    later = strategy.read(snapshot.flow, "AAPL", NOW + timedelta(minutes=3))

    assert 0.0 <= reading.freshness <= 1.0
    assert later.calls <= reading.calls
    assert later.freshness <= reading.freshness
    for signal in strategy.decide(snapshot, flat_portfolio()):
        assert 0.0 <= signal.strength <= 1.0
        assert reading.put_call <= TUNING.put_call_max


def test_view_when_rows_are_many_old_or_early_then_it_stays_bounded() -> None:
    """A view keeps the newest rows of the last hour, oldest first, and nothing from later."""
    many = [alert(1 + n, n / 10) for n in range(-20, FLOW_ROWS_PER_SYMBOL_MAX + 500)]

    kept = FlowView.at(NOW, many, ()).alerts["AAPL"]

    assert len(kept) == FLOW_ROWS_PER_SYMBOL_MAX
    assert [row.at for row in kept] == sorted(row.at for row in kept)
    assert kept[-1].at == NOW
    assert NOW - kept[0].at <= FLOW_WINDOW
