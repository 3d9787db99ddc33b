"""The exchange as a whole: its real core, store and application, driven by hand in one thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from services.exchange_sim.application import Admission, make_application
from services.exchange_sim.exchange import Exchange, Pace
from services.exchange_sim.faults.board import FaultBoard
from services.exchange_sim.faults.bookings import Bookings
from services.exchange_sim.faults.lines import Lines
from services.exchange_sim.faults.middleware import FaultParts
from services.exchange_sim.faults.sessions import StreamSessions
from services.exchange_sim.http.gate import Keys
from services.exchange_sim.opening import open_books
from services.exchange_sim.pacer import Pacer
from services.exchange_sim.records import TradeEvent
from services.exchange_sim.store import Store
from services.exchange_sim.switches import Switches, switched
from services.exchange_sim.wire import event_document
from shared.persistence.market_rows import FeedStatus
from shared.persistence.market_writer import MarketStoreWriter
from tests.crash.history import History
from tests.crash.market import ScriptedMarket
from tests.crash.shared_time import SharedClock

CASH = Decimal(100_000)
STEP_S = 0.25
"""Market seconds between two looks of the watch while the bot waits."""
IDLE_STEP_S = 1.0
"""The same while there is neither a share nor an order to look at."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came over the wire."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    @property
    def words(self) -> str:
        """How the transcript shows it."""
        text = f"{self.method} {self.target[:110]}"
        return f"{text} {self.body.decode()[:300]}" if self.body else text


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole HTTP reply."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Venue:
    """Exchange, application and the data-daemon's part: market.db."""

    def __init__(self, history: History, folder: Path, clock: SharedClock) -> None:
        self.market = ScriptedMarket(history)
        store = Store(folder / "exchange.db")
        books = open_books(store, self.market, history.seed, CASH)
        pace = Pace(1.0, switched(Switches(), history.switches))
        self.exchange = Exchange(self.market, store, books, pace)
        self._pacer = Pacer(self.exchange, clock)
        board = FaultBoard(folder / "faults.json", clock)
        bookings = Bookings(board, self.exchange)
        faults = FaultParts(board, Lines(), StreamSessions(), bookings, lambda _order: None)
        admission = Admission(Keys("crash-key", "crash-secret"))
        self._application = make_application(self.exchange, self._pacer, admission, clock, faults)
        self._tell: Callable[[dict[str, object]], None] = lambda _document: None
        self.exchange.listeners.trades = self._publish
        self._loop = asyncio.new_event_loop()
        self._data = MarketStoreWriter(folder / "state" / "market.db", clock)
        self._data.put_daily([self.market.yesterday(symbol) for symbol in self.market.symbols])
        if history.trails:
            for symbol in self.market.symbols:
                self._data.put_candles(self.market.earlier(symbol))
        self._second = -1
        self.show_market()

    def tell_events(self, tell: Callable[[dict[str, object]], None]) -> None:
        """Hand every event of the trade stream on, as its document."""
        self._tell = tell

    def _publish(self, events: Sequence[TradeEvent]) -> None:
        for event in events:
            self._tell(json.loads(json.dumps(event_document(self.exchange.books, event))))

    def pulse(self) -> None:
        """Bring the exchange to the present, and let accepted requests happen."""
        self._pacer.pulse()
        self.show_market()

    def show_market(self) -> None:
        """Bring the newest quotes into market.db, once a second."""
        now = self.exchange.now
        second = self.market.second(now)
        if second == self._second:
            return
        self._second = second
        symbols = self.market.symbols
        quotes = [self.market.quote(symbol, now) for symbol in symbols]
        bars = [self.market.bar(symbol, second) for symbol in symbols] if second % 60 == 0 else []
        self._data.write(
            bars, quotes=quotes, feeds=[FeedStatus("scripted", "live", "", now, "market")]
        )

    def answer(self, request: Request) -> Reply:
        """Let the application answer one request."""
        return self._loop.run_until_complete(self._answered(request))

    async def _answered(self, request: Request) -> Reply:
        parts = urlsplit(request.target)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": list(request.headers),
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        start: dict[str, object] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body = message.get("body", b"")
                chunks.append(body if isinstance(body, bytes) else b"")

        await self._application(scope, receive, send)  # type: ignore[arg-type]
        status, headers = start["status"], start.get("headers", [])
        assert isinstance(status, int)
        assert isinstance(headers, list)
        return Reply(status, tuple(headers), b"".join(chunks))

    def close(self) -> None:
        """Let files and the loop go."""
        self.exchange.close()
        self._data.close()
        self._loop.close()

    @property
    def elapsed(self) -> timedelta:
        """Market time since the beginning."""
        return self.exchange.now - self.market.begins_at
