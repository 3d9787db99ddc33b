"""Clock C: which symbols are worth watching, chosen every thirty minutes of market time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange_sim.market.calendar import NyseCalendar, clock_reading
from services.trading_bot.brain.regime import Regime, regime_of
from services.trading_bot.brain.universe import SLOT, SYMBOLS_MAX, choose_universe, slot_of
from shared.models.flow import NO_FLOW, FlowAlert, FlowView
from shared.models.market import Candle, CandleBuffer
from tests.support.bars import FIRST_BAR, bars_of_closes

pytestmark = pytest.mark.unit

NOON = FIRST_BAR + timedelta(minutes=90)
DAY = timedelta(days=1)


def traded(symbol: str, volume: int, minutes: int = 60) -> CandleBuffer:
    """Return a buffer whose bars end at noon, each with that volume at ten dollars."""
    buffer, price = CandleBuffer(symbol, 120, 30), Decimal(10)
    for number in range(minutes):
        start = NOON - timedelta(minutes=minutes - number)
        buffer.add(Candle(symbol, start, price, price, price, price, volume))
    return buffer


def call(symbol: str, premium: int, minutes_ago: float) -> FlowAlert:
    """Return an alert of a call that long before noon."""
    at = NOON - timedelta(minutes=minutes_ago)
    return FlowAlert(f"{symbol}{minutes_ago}", symbol, at, Decimal(premium), True, False)


MANY = {f"S{number:02}": traded(f"S{number:02}", 1_000 * number) for number in range(50)}


def test_universe_when_symbols_are_few_then_all_are_kept() -> None:
    """Up to the bound nothing is left out, whatever it trades: recorded days stay the same."""
    few = {symbol: MANY[symbol] for symbol in list(MANY)[:SYMBOLS_MAX]}

    assert choose_universe(few, NO_FLOW, NOON) == frozenset(few)


def test_universe_when_symbols_are_many_then_the_most_liquid_are_kept() -> None:
    """Without flow all places go by the dollars of a usual minute."""
    assert choose_universe(MANY, NO_FLOW, NOON, 8) == {f"S{number}" for number in range(42, 50)}


def test_universe_when_money_flows_then_a_quarter_of_the_places_goes_by_it() -> None:
    """The largest premiums of the slot before come first; smaller ones get no place for it."""
    alerts = [call("S01", 900, 5), call("S02", 500, 29), call("S03", 400, 10)]

    chosen = choose_universe(MANY, FlowView.at(NOON, alerts, ()), NOON, 8)

    assert {"S01", "S02"} < chosen
    assert "S03" not in chosen
    assert {f"S{number}" for number in range(44, 50)} < chosen


def test_universe_when_the_slot_has_begun_then_later_bars_and_alerts_change_nothing() -> None:
    """A bot that starts in the middle of a slot chooses as one that was there at its beginning."""
    later = {symbol: traded(symbol, 1_000 * int(symbol[1:])) for symbol in MANY}
    price = Decimal(10)
    for number in range(20):
        later["S00"].add(
            Candle("S00", NOON + timedelta(minutes=number), price, price, price, price, 10**9)
        )
    now = NOON + timedelta(minutes=20)
    flow = FlowView.at(now, [call("S05", 10**6, -3)], ())

    assert choose_universe(later, flow, slot_of(now), 8) == choose_universe(MANY, NO_FLOW, NOON, 8)


def test_universe_when_a_symbol_trades_seldom_or_was_halted_then_its_quiet_minutes_count() -> None:
    """A usual minute is one of the market's: without a trade in it nothing was turned over, so
    that a few large trades of long ago keep no place for a symbol that stands still.
    """
    price, quiet = Decimal(10), {}
    for symbol, minutes_ago in {"SELDOM": range(90, 0, -3), "HALTED": range(90, 20, -1)}.items():
        buffer = quiet[symbol] = CandleBuffer(symbol, 120, 30)
        for minutes in minutes_ago:
            start = NOON - timedelta(minutes=minutes)
            buffer.add(Candle(symbol, start, price, price, price, price, 10**9))

    chosen = choose_universe(MANY | quiet, NO_FLOW, NOON, 8)

    assert chosen == {f"S{number}" for number in range(42, 50)}


@pytest.mark.parametrize(
    "opens_at",
    [
        pytest.param(datetime(2008, 3, 7, 14, 30, tzinfo=UTC), id="before the clocks go forward"),
        pytest.param(datetime(2008, 3, 10, 13, 30, tzinfo=UTC), id="after"),
        pytest.param(datetime(2011, 11, 4, 13, 30, tzinfo=UTC), id="before the clocks go back"),
        pytest.param(datetime(2011, 11, 7, 14, 30, tzinfo=UTC), id="after that"),
        pytest.param(datetime(2015, 12, 24, 14, 30, tzinfo=UTC), id="a half day"),
    ],
)
def test_universe_when_a_session_opens_then_a_slot_begins_with_the_bars_of_the_one_before(
    opens_at: datetime,
) -> None:
    """In every week of the year clock C strikes with the opening bell, in New York's time, and the
    last bars of the session before tell what is liquid.
    """
    reading = clock_reading(NyseCalendar(), opens_at)
    moved = {}
    for symbol, buffer in MANY.items():
        moved[symbol] = CandleBuffer(symbol, 120, 30)
        for bar in buffer:
            moved[symbol].add(replace(bar, start=bar.start + (opens_at - DAY - NOON)))

    assert reading.is_open
    assert slot_of(opens_at) == opens_at
    assert choose_universe(moved, NO_FLOW, opens_at, 8) == {f"S{n}" for n in range(42, 50)}


@given(
    volumes=st.lists(st.integers(0, 10**6), min_size=1, max_size=12),
    symbols_max=st.integers(1, 12),
    premiums=st.dictionaries(st.integers(0, 11), st.integers(1, 10**6), max_size=4),
)
def test_universe_when_anything_trades_then_as_many_as_there_are_places(
    volumes: list[int], symbols_max: int, premiums: dict[int, int]
) -> None:
    """Every place is filled, with symbols that exist, whatever the order they are given in."""
    buffers = {f"S{number}": traded(f"S{number}", v, 3) for number, v in enumerate(volumes)}
    flow = FlowView.at(NOON, [call(f"S{n}", p, 1) for n, p in premiums.items()], ())

    chosen = choose_universe(buffers, flow, NOON, symbols_max)

    assert chosen <= buffers.keys()
    assert len(chosen) == min(symbols_max, len(buffers))
    assert chosen == choose_universe(dict(reversed(buffers.items())), flow, NOON, symbols_max)


@given(st.timedeltas(timedelta(days=-5_000), timedelta(days=5_000)))
def test_slot_when_any_moment_then_it_began_less_than_half_an_hour_ago(ago: timedelta) -> None:
    """Slots begin on the half hour of market time and follow each other without a gap."""
    now = NOON - ago

    assert timedelta(0) <= now - slot_of(now) < SLOT
    assert slot_of(slot_of(now)) == slot_of(now)
    assert slot_of(slot_of(now) + SLOT) == slot_of(now) + SLOT


@pytest.mark.parametrize(
    ("closes", "regime"),
    [
        ([100.0 + 0.1 * n for n in range(31)], Regime.RISING),
        ([100.0 - 0.1 * n for n in range(31)], Regime.FALLING),
        ([100.0 + 0.1 * (n % 2) for n in range(31)], Regime.RANGE),
        ([100.0] * 31, Regime.RANGE),
        ([100.0] * 27 + [97.0, 101.0, 96.0, 102.0], Regime.STORM),
        ([100.0] * 30, None),
    ],
)
def test_regime_when_a_path_is_read_then_it_is_named(
    closes: list[float], regime: Regime | None
) -> None:
    """Trends go straight, ranges to and fro, storms wider than usual; too few bars say nothing."""
    reading = regime_of(bars_of_closes(closes))

    assert (reading.regime if reading is not None else None) == regime
