"""The bot's view of option flow in market.db: read when it is asked for, bounded, never early."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.trading_bot.brain.universe import SYMBOLS_MAX
from services.trading_bot.market_view import MarketView
from shared.models.flow import DarkPrint, FlowAlert, FlowBatch
from shared.persistence.market_flow import FlowStoreReader
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from tests.support.bars import FIRST_BAR, bars_of_closes
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

NOW = FIRST_BAR + timedelta(minutes=60)


def alert(name: str, minutes_ago: float) -> FlowAlert:
    """A call in AAPL that long ago."""
    at = NOW - timedelta(minutes=minutes_ago)
    return FlowAlert(name, "AAPL", at, Decimal(250_000), True, True)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[MarketStoreWriter]:
    """An open store."""
    store = MarketStoreWriter(tmp_path / "market.db", ManualClock())
    yield store
    store.close()


def test_view_when_flow_is_stored_then_the_moment_shows_what_was_known_by_then(
    tmp_path: Path, writer: MarketStoreWriter
) -> None:
    """Alerts and prints of the last hour, by symbol; later ones only when their time has come."""
    view = MarketView(
        MarketStoreReader(tmp_path / "market.db"),
        ("AAPL",),
        FlowStoreReader(tmp_path / "market.db"),
    )
    dark = DarkPrint("d1", "AAPL", NOW, Decimal(100), 500, Decimal(50_000))
    writer.put_flow(FlowBatch((alert("old", 70), alert("a1", 5), alert("a2", -1)), (dark,)))
    view.refresh(None)

    first = view.snapshot(NOW).flow
    second = view.snapshot(NOW + timedelta(minutes=1)).flow

    assert [row.alert_id for row in first.alerts["AAPL"]] == ["a1"]
    assert [row.alert_id for row in second.alerts["AAPL"]] == ["a1", "a2"]
    assert first.prints["AAPL"] == (dark,)
    writer.put_flow(FlowBatch((alert("a3", -2),)))
    view.refresh(None)
    third = view.snapshot(NOW + timedelta(minutes=2)).flow
    assert [row.alert_id for row in third.alerts["AAPL"]] == ["a1", "a2", "a3"]


def test_view_when_no_strategy_reads_flow_then_none_is_read(
    tmp_path: Path, writer: MarketStoreWriter
) -> None:
    """Without a reader of flow the moment has none, whatever is stored."""
    writer.put_flow(FlowBatch((alert("a1", 5),)))
    view = MarketView(MarketStoreReader(tmp_path / "market.db"), ("AAPL",))

    view.refresh(None)

    assert view.fault is None
    assert view.snapshot(NOW).flow.alerts == {}


def test_view_when_symbols_are_many_then_clock_c_chooses_anew_each_half_hour(
    tmp_path: Path, writer: MarketStoreWriter
) -> None:
    """The universe holds for its slot, whatever trades in it, and follows in the next one."""
    symbols = [f"S{number:02}" for number in range(SYMBOLS_MAX + 1)]
    view = MarketView(MarketStoreReader(tmp_path / "market.db"), symbols)
    for symbol in symbols:
        price = 10.0 if symbol != symbols[-1] else 1.0
        writer.put_candles(bars_of_closes([price] * 5, symbol))
    view.refresh(None)
    chosen = view.snapshot(FIRST_BAR + timedelta(minutes=31)).universe
    assert chosen == frozenset(symbols[:-1])
    writer.put_candles(
        bars_of_closes([1_000.0] * 5, symbols[-1], FIRST_BAR + timedelta(minutes=35))
    )

    view.refresh(None)

    assert view.snapshot(FIRST_BAR + timedelta(minutes=59)).universe == chosen
    later = view.snapshot(FIRST_BAR + timedelta(minutes=60)).universe
    assert later is not None
    assert (symbols[-1] in later, len(later)) == (True, SYMBOLS_MAX)
