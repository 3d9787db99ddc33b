"""The trial at the start, on bars that this system itself recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading_bot.brain.discovery import find_strategies
from services.trading_bot.brain.recorded import (
    BARS_MIN,
    LOOKS_MAX,
    SYMBOLS_MAX,
    RecordedMoment,
    recorded_moments,
)
from services.trading_bot.brain.roster import make_strategies
from services.trading_bot.brain.trial import fault_at_trial
from services.trading_bot.brain.ward import StrategyRow, rows_of
from shared.models.limits import Limits
from shared.models.market import Candle
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from tests.support.bars import FIRST_BAR, bars_of_closes
from tests.support.clock import ManualClock
from tests.support.wicked_strategies import HONEST, forget_modules, write_strategy

pytestmark = pytest.mark.integration

TRIPS_OVER_A_GAP = (
    "        bars = list(snapshot.buffers['RISE'])\n"
    "        if any(b.start - a.start > timedelta(minutes=1) for a, b in zip(bars, bars[1:])):\n"
    "            raise KeyError('no bar')\n" + HONEST
)
LAST = FIRST_BAR + timedelta(hours=20)


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    """Loaded files leave no module behind for the next test."""
    yield
    forget_modules()


def store_of(folder: Path, *series: Sequence[Candle]) -> MarketStoreReader:
    """Return a store that holds these bars."""
    writer = MarketStoreWriter(folder / "market.db", ManualClock())
    for bars in series:
        writer.put_candles(bars)
    return MarketStoreReader(folder / "market.db")


def rise(count: int, symbol: str = "RISE") -> tuple[Candle, ...]:
    """Return so many bars, half of them after a night."""
    closes = [100.0 + number for number in range(count)]
    evening = bars_of_closes(closes[: count // 2], symbol)
    return (*evening, *bars_of_closes(closes[count // 2 :], symbol, LAST))


def rows(folder: Path, recorded: Sequence[RecordedMoment]) -> dict[str, StrategyRow]:
    """Return the lines of a folder's strategies after their trial, by name."""
    made = make_strategies((f"folder:{folder}",), Limits(), None, recorded)
    return {row.name: row for row in rows_of(made)}


def test_trial_when_bars_were_recorded_then_a_strategy_is_tried_on_them_too(
    tmp_path: Path,
) -> None:
    """One that stumbles over what only recorded bars show is off; the status names the bars."""
    write_strategy(tmp_path / "mine", "honest")
    write_strategy(tmp_path / "mine", "stumbles", TRIPS_OVER_A_GAP)
    recorded = recorded_moments(store_of(tmp_path, rise(60)), ["RISE"])

    first, later = rows(tmp_path / "mine", ()), rows(tmp_path / "mine", recorded)

    assert (first["honest"].is_on, first["stumbles"].is_on) == (True, True)
    assert first["stumbles"].tried_on == "made-up bars, none were recorded yet"
    assert (later["honest"].is_on, later["stumbles"].is_on) == (True, False)
    assert later["stumbles"].reason == "fails its trial on recorded bars: KeyError: 'no bar'"
    assert later["honest"].tried_on == "made-up bars, and recorded ones of RISE"


def test_recorded_bars_when_they_are_few_none_or_damaged_then_there_is_no_moment(
    tmp_path: Path,
) -> None:
    """What the store cannot tell is no fault of any strategy."""
    assert recorded_moments(MarketStoreReader(tmp_path / "market.db"), ["RISE"]) == ()
    store = store_of(tmp_path, rise(BARS_MIN - 1))
    assert recorded_moments(store, ["RISE"]) == ()
    store.close()
    (tmp_path / "market.db").write_bytes(b"no database" * 100)
    assert recorded_moments(MarketStoreReader(tmp_path / "market.db"), ["RISE"]) == ()


def test_recorded_bars_when_there_are_many_then_a_few_symbols_are_enough(tmp_path: Path) -> None:
    """The start does not grow with the number of symbols; a moment shows bars of its past only."""
    names = [f"S{number}" for number in range(9)]
    store = store_of(tmp_path, *(rise(70, name) for name in names))

    early, newest = recorded_moments(store, names)

    assert sorted(newest.candles) == names[:SYMBOLS_MAX]
    assert {len(bars) for bars in early.candles.values()} == {BARS_MIN}
    assert early.now < newest.now == LAST + timedelta(minutes=35)
    assert all(bar.start < early.now for bars in early.candles.values() for bar in bars)
    assert recorded_moments(store, [f"A{n}" for n in range(LOOKS_MAX)] + names) == ()


WILD = st.lists(
    st.tuples(
        st.decimals(Decimal("0.0001"), Decimal(900_000), places=4),
        st.integers(0, 10**9),
        st.sampled_from([1, 1, 1, 2, 30, 1_080]),
    ),
    min_size=BARS_MIN,
    max_size=60,
)


@settings(max_examples=25, deadline=None)
@given(WILD)
def test_own_strategies_when_anything_was_recorded_then_they_stand_the_trial(
    wild: list[tuple[Decimal, int, int]],
) -> None:
    """No price, gap or volume of a market makes one of ours fail its start."""
    bars, start, before = [], FIRST_BAR, wild[0][0]
    for close, volume, minutes in wild:
        start += timedelta(minutes=minutes)
        bars.append(
            Candle("SPY", start, before, max(before, close), min(before, close), close, volume)
        )
        before = close
    moments = (RecordedMoment({"SPY": bars[:BARS_MIN]}), RecordedMoment({"SPY": bars}))

    for found in find_strategies(()):
        assert found.sheet is not None
        assert fault_at_trial(found.sheet, Limits(), moments) is None
