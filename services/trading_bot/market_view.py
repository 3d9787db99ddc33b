"""The bot's window on market.db: buffers grown bar by bar, quotes, flow, feed status, closes.

Buffers are reused from turn to turn; only rows that are new since the last one are read. In
lock-step nothing later than the released minute is ever shown, whatever the store holds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType

from services.trading_bot.brain.universe import SYMBOLS_MAX, choose_universe, slot_of
from shared.errors import TransientFault
from shared.models.flow import FLOW_WINDOW, NO_FLOW, DarkPrint, FlowAlert, FlowView
from shared.models.market import Candle, CandleBuffer, Quote
from shared.models.trading_day import trading_day
from shared.persistence.market_flow import FlowStoreReader
from shared.persistence.market_rows import FeedStatus
from shared.persistence.market_store import NEW_CANDLES_MAX, MarketStoreReader
from shared.ports import MarketSnapshot
from shared.telemetry.logs import log_event

BUFFER_BARS = 120
WARM_BARS = 30


class MarketView:
    """What the market shows at this turn. `fault` says why the last refresh failed, or None."""

    def __init__(
        self,
        store: MarketStoreReader,
        symbols: Sequence[str],
        flow_store: FlowStoreReader | None = None,
    ) -> None:
        self._store = store
        self._flow_store = flow_store
        """None: nobody in use reads flow, so none is read."""
        self._flow_rows: tuple[Sequence[FlowAlert], Sequence[DarkPrint]] = ((), ())
        self._flow_newest: tuple[datetime | None, datetime | None] | None = None
        self._flow: tuple[datetime, object, FlowView] | None = None
        """The flow as it was seen last: at which moment, and of which rows."""
        self._universe: frozenset[str] | None = None
        self._slot: tuple[datetime, int] | None = None
        """Slot of the universe, and how many symbols had bars when it was chosen."""
        self.symbols = tuple(sorted(symbols))
        self.buffers = {
            symbol: CandleBuffer(symbol, BUFFER_BARS, WARM_BARS) for symbol in self.symbols
        }
        self.quotes: dict[str, Quote] = {}
        self.feeds: tuple[FeedStatus, ...] = ()
        self.fault: TransientFault | None = None
        self.minute: datetime | None = None
        """Newest minute that is stored completely (lock-step)."""
        self._row = 0
        self._source: str | None = None
        self._later: list[Candle] = []
        self._prior: dict[str, tuple[date, Decimal]] = {}

    def warmed(self) -> bool:
        """Fill the buffers with what the store holds already; always True. Raises
        TransientFault when the store cannot be read.
        """
        # Source and row first: what is stored in between is then read twice, not never.
        self._source = self._store.source()
        _, self._row = self._new_candles()
        for symbol in self.symbols:
            for candle in self._store.last_candles(symbol, BUFFER_BARS):
                self.buffers[symbol].add(candle)
        return True

    def refresh(self, minute: datetime | None) -> None:
        """Take what is new; `minute` bounds the bars in lock-step. Never raises: see `fault`."""
        try:
            source = self._store.source()
            if source != self._source:
                self._begin(source)
            candles, row = self._new_candles()
            stored = self._store.quotes()
            feeds = tuple(self._store.feed_status())
            stored_minute = self._store.minute() if minute is not None else None
            self._read_flow()
        except TransientFault as fault:
            self.fault = fault
            return
        # Only a whole reading counts: bars passed over by a half one would be missing for ever.
        self._row, self.feeds, self.minute, self.fault = row, feeds, stored_minute, None
        waiting, self._later = self._later + candles, []
        late = {candle.symbol for candle in waiting if not self._take(candle, minute)}
        self._rebuild(sorted(late), minute)
        self.quotes = {symbol: stored[symbol].quote for symbol in sorted(stored)}

    def _begin(self, source: str | None) -> None:
        """Forget everything: prices of one market must never warm the indicators of another."""
        self._source, self._row = source, 0
        self.buffers = {
            symbol: CandleBuffer(symbol, BUFFER_BARS, WARM_BARS) for symbol in self.symbols
        }
        self.quotes = {}
        self._later = []
        self._prior = {}
        self._flow_rows, self._flow_newest = ((), ()), None
        self._slot = self._universe = None

    def _read_flow(self) -> None:
        """Read the last hour of flow when its newest rows are others than last time."""
        if self._flow_store is None:
            return
        newest = self._flow_store.newest()
        if newest == self._flow_newest:
            return
        latest = max((at for at in newest if at is not None), default=None)
        if latest is not None:
            since = latest - FLOW_WINDOW
            self._flow_rows = self._flow_store.poll(since), self._flow_store.prints(since)
        self._flow_newest = newest

    def _new_candles(self) -> tuple[list[Candle], int]:
        """Return all candles since the row that is known, and the row to go on with: the store
        hands out a bounded number at a time.
        """
        found: list[Candle] = []
        row = self._row
        while True:
            candles, row = self._store.new_candles(row)
            found += candles
            if len(candles) < NEW_CANDLES_MAX:
                return found, row

    def _take(self, candle: Candle, minute: datetime | None) -> bool:
        """Take one bar; False when it is older than what the buffer ends with."""
        buffer = self.buffers.get(candle.symbol)
        if buffer is None:
            return True
        if minute is not None and candle.start > minute:
            self._later.append(candle)
            return True
        return buffer.add(candle)

    def _rebuild(self, symbols: Sequence[str], minute: datetime | None) -> None:
        """Fill buffers anew whose older bars came after newer ones: a backfill, a correction."""
        for symbol in symbols:
            buffer = CandleBuffer(symbol, BUFFER_BARS, WARM_BARS)
            try:
                candles = self._store.last_candles(symbol, BUFFER_BARS)
            except TransientFault as fault:
                self.fault = fault
                return
            for candle in candles:
                if minute is None or candle.start <= minute:
                    buffer.add(candle)
            self.buffers[symbol] = buffer

    def snapshot(self, now: datetime) -> MarketSnapshot:
        """Return the moment as strategies see it; clock C strikes here, in market time."""
        flow = self._flow_at(now) if self._flow_store is not None else NO_FLOW
        return MarketSnapshot(
            now=now,
            buffers=MappingProxyType(self.buffers),
            quotes=MappingProxyType(self.quotes),
            flow=flow,
            universe=self._universe_at(now, flow),
        )

    def _flow_at(self, now: datetime) -> FlowView:
        """Return the flow; a turn looks at one moment several times, and rows change seldom."""
        kept, rows = self._flow, self._flow_rows
        if kept is None or kept[0] != now or kept[1] is not rows:
            kept = self._flow = now, rows, FlowView.at(now, *rows)
        return kept[2]

    def _universe_at(self, now: datetime, flow: FlowView) -> frozenset[str] | None:
        if len(self.symbols) <= SYMBOLS_MAX:
            return None
        # A history that comes in after the slot began is a reason to choose again.
        seen = sum(1 for buffer in self.buffers.values() if buffer.last is not None)
        slot = slot_of(now), seen
        if slot != self._slot or self._universe is None:
            chosen = choose_universe(self.buffers, flow, slot[0])
            if chosen != self._universe:
                message = (
                    f"{len(chosen)} of {len(self.symbols)} symbols: {', '.join(sorted(chosen))}"
                )
                log_event(logging.getLogger("clock_c"), "universe_chosen", message)
            self._slot, self._universe = slot, chosen
        return self._universe

    def data_age_s(self, now: datetime, minute: datetime | None) -> float | None:
        """Return the market seconds since the newest price of any symbol, None without one.

        In lock-step the data is fresh exactly when the released minute is stored.
        """
        if minute is not None:
            return 0.0 if self.minute is not None and self.minute >= minute else None
        newest = max((quote.at for quote in self.quotes.values()), default=None)
        return max(0.0, (now - newest).total_seconds()) if newest is not None else None

    def prior_close(self, symbol: str, now: datetime) -> Decimal | None:
        """Return the close of the trading day before, None when it is not known."""
        day = trading_day(now)
        kept = self._prior.get(symbol)
        if kept is not None and kept[0] == day:
            return kept[1]
        try:
            close = self._store.prior_close(symbol, now)
        except TransientFault:
            return None
        if close is not None:
            self._prior[symbol] = (day, close)
        return close
