"""A market clock that is wrong for a moment costs that moment, and not the history of prices."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from services.data_daemon.identity import MarketIdentity
from services.data_daemon.loop import PRUNE_EVERY_S, FreeRunningLoop
from services.data_daemon.reporter import Reporter
from services.data_daemon.sink import StoreSink
from services.data_daemon.wiring import Parts
from shared.contracts.alpaca_market import BarPage, QuoteSet
from shared.models.broker import ClockReading
from shared.models.market import Candle
from shared.persistence.market_store import MarketStoreReader
from shared.persistence.market_writer import MarketStoreWriter
from shared.resilience.alongside import Alongside
from shared.telemetry.notify import Notifier
from tests.support.clock import ManualClock

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
BARS_KNOWN = 60


class Market:
    """Its clock, its bars, and a stream that lives and says nothing."""

    connection, failed_tries = 1, 0

    def __init__(self) -> None:
        self.now = NOW

    def reading(self) -> ClockReading:
        return ClockReading(
            self.now, True, self.now + timedelta(days=1), self.now + timedelta(hours=4)
        )

    def last_bars(self, symbol: str, count: int, end: datetime) -> BarPage:
        price = Decimal(10)
        starts = [NOW - timedelta(minutes=n) for n in range(BARS_KNOWN, 0, -1)]
        bars = [Candle(symbol, start, price, price, price, price, 1) for start in starts]
        return BarPage(tuple(bar for bar in bars if bar.start < end)[-count:], (), None)

    def bars(self, *_: object) -> BarPage:
        return BarPage((), (), None)

    def latest_quotes(self, _: Sequence[str]) -> QuoteSet:
        return QuoteSet((), ())

    def sessions(self, *_: object) -> dict[Any, Any]:
        return {}

    def start(self, *_: object) -> None:
        """Nothing to connect to."""

    def report(self) -> None:
        """Nothing to tell."""

    def needs_help(self, _: float, *, is_open: bool) -> bool:
        return not is_open

    def stop(self, _: float) -> None:
        """Nothing to end."""


class Turns(ManualClock):
    """Moves on with each pause, lets something happen at some of them, and ends the loop."""

    def __init__(self, events: dict[int, Any], stop: threading.Event) -> None:
        super().__init__()
        self._events = events
        self._stop = stop
        self._turn = 0

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self._turn += 1
        self._events.get(self._turn, lambda: None)()
        if self._turn > max(self._events):
            self._stop.set()
        return super().wait(event, timeout_s)


def test_clock_when_it_jumps_ahead_and_back_then_the_history_is_whole_again(
    tmp_path: Path,
) -> None:
    """While it says that years have passed everything is old and pruned; once it is right again,
    the bars that warm the indicators are fetched anew instead of missing for a day.
    """
    market, stop = Market(), threading.Event()
    reader = MarketStoreReader(tmp_path / "market.db")
    counts: list[int] = []

    def look() -> None:
        counts.append(len(reader.last_candles("SPY", 1_000)))

    def ahead() -> None:
        look()
        market.now = NOW + timedelta(days=9_000)
        clock.advance(PRUNE_EVERY_S + 1)

    def back() -> None:
        look()
        market.now = NOW + timedelta(seconds=30)

    clock = Turns({5: ahead, 15: back, 30: look}, stop)
    writer = MarketStoreWriter(tmp_path / "market.db", clock)
    parts = Parts(
        clock=clock,
        market_clock=cast(Any, market),
        alongside=Alongside(),
        rest=cast(Any, market),
        calendar=cast(Any, market),
        store=writer,
        speed=1.0,
        reads_per_minute=None,
        read_identity=lambda: MarketIdentity("here", ("SPY",)),
        open_feed=lambda _: cast(Any, market),
        open_flow=lambda *_: None,
    )
    reporter = Reporter(Notifier(None), clock, 1.0, Counter())
    FreeRunningLoop(parts, StoreSink(clock), reporter).run(stop)
    reader.close()
    writer.close()
    assert counts == [BARS_KNOWN, 0, BARS_KNOWN]
