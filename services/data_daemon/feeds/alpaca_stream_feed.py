"""The stream of bars and quotes: one connection, two feeds (bars and quotes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.data_daemon.plan import AGE_LIMIT_MARKET_S, AGE_LIMIT_REAL_S, BARS, QUOTES
from shared.clock import Clock
from shared.contracts.drift import SchemaDrift
from shared.models.market import Candle, Quote
from shared.ports import FeedSink
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.websocket_link import PATIENT, LinkPace, WebsocketLink


class AlpacaStreamFeed:
    """shared.ports.MarketFeed over Alpaca's data stream.

    `data_is_due_within_s` says how long silence is normal now, None while none is suspicious.
    """

    name = "alpaca_stream"

    def __init__(
        self,
        url: str,
        keys: tuple[str, str],
        clock: Clock,
        data_is_due_within_s: Callable[[], float | None],
        pace: LinkPace = PATIENT,
    ) -> None:
        self._url = url
        self._keys = keys
        self._clock = clock
        self._due_within_s = data_is_due_within_s
        self._pace = pace
        self._link: WebsocketLink | None = None
        self._sink: FeedSink | None = None
        self._brought_at_s = dict.fromkeys(AGE_LIMIT_MARKET_S, float("-inf"))
        """When the stream itself last brought an item of each feed, in real time."""

    def start(self, symbols: Sequence[str], sink: FeedSink) -> None:
        """Begin connecting in a thread; items go to the sink as `bars` and `quotes`."""
        self._sink = sink

        def item(item: Candle | Quote) -> None:
            feed = BARS if isinstance(item, Candle) else QUOTES
            self._brought_at_s[feed] = self._clock.monotonic_s()
            if isinstance(item, Candle):
                sink.candle(BARS, item)
            else:
                sink.quote(QUOTES, item)

        def drop(drift: SchemaDrift, raw: str) -> None:
            sink.dropped(self.name, f"{drift.path} is not {drift.promise}", raw)

        session = DataStreamSession(self._keys, symbols, item, drop, self._due_within_s)
        self._link = WebsocketLink(self._url, session, self._clock, self._pace)
        self._link.start()

    def report(self) -> None:
        """Tell the sink how the connection is; called by the loop."""
        if self._link is not None and self._sink is not None:
            state = self._link.state
            for feed in (BARS, QUOTES):
                self._sink.status(feed, state.state, state.reason)

    @property
    def connection(self) -> int:
        """Number of the connection: rises with each one that became live."""
        return self._link.connections if self._link is not None else 0

    @property
    def failed_tries(self) -> int:
        """Connections in a row that came to nothing."""
        return self._link.failed_tries if self._link is not None else 0

    def needs_help(self, speed: float, *, is_open: bool) -> bool:
        """Whether REST must be asked as well: the stream is not live, failed of late, or a feed of
        it is silent in an open market for longer than its age limit, though the other goes on.
        """
        if self._link is None or not self._link.is_live or self._link.failed_tries:
            return True
        now_s = self._clock.monotonic_s()
        return is_open and any(
            now_s - self._brought_at_s[feed] > max(AGE_LIMIT_REAL_S, limit_s / speed)
            for feed, limit_s in AGE_LIMIT_MARKET_S.items()
        )

    def stop(self, timeout_s: float) -> None:
        """End within the timeout."""
        if self._link is not None:
            self._link.stop(timeout_s)
