"""Our streams at a server that does anything at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgpack
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from shared.clock import SystemClock
from shared.models.market import Candle, Quote
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.websocket_link import LinkPace, WebsocketLink

WAIT_S = 10.0
PACE = LinkPace(ping_every_s=0.2, ping_timeout_s=0.6)
SECRET = "secret-of-the-account"
AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
BAR = {"T": "b", "S": "SPY", "t": AT, "o": 10.1, "h": 10.5, "l": 10.0, "c": 10.25, "v": 7}
QUOTE = {"T": "q", "S": "SPY", "t": AT, "bp": 10.1, "ap": 10.2, "bs": 1, "as": 2}


class Hasty(SystemClock):
    """Waits between two connections are cut short; everything else is real."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return super().wait(event, min(timeout_s, 0.05))


class Data:
    """Our data stream at an address, and what it brings."""

    def __init__(self, url: str, due_s: Callable[[], float | None] = lambda: None) -> None:
        self.items: list[Candle | Quote] = []
        self.drops = 0
        session = DataStreamSession(
            ("key", SECRET), ["SPY"], self.items.append, self._dropped, due_s
        )
        self.link = WebsocketLink(url, session, Hasty(), PACE)

    def _dropped(self, *_: object) -> None:
        self.drops += 1

    def __enter__(self) -> Data:
        self.link.start()
        return self

    def __exit__(self, *_: object) -> None:
        begun_s = self.link._clock.monotonic_s()
        self.link.stop(WAIT_S)
        assert self.link._clock.monotonic_s() - begun_s < 5
        assert not self.link.is_live


@contextmanager
def trades_at(url: str) -> Iterator[TradeStream]:
    """Open our trade stream at an address."""
    stream = TradeStream(url, ("key", SECRET), Hasty(), PACE)
    stream.start()
    try:
        yield stream
    finally:
        stream.stop(WAIT_S)


@contextmanager
def answering(handle: Callable[[ServerConnection], None]) -> Iterator[str]:
    """Serve websockets by a function; gives the address of the data stream there."""

    def served(connection: ServerConnection) -> None:
        try:
            handle(connection)
        except ConnectionClosed:
            return

    with serve(served, "127.0.0.1", 0, close_timeout=0.2, max_queue=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v2/iex"
        server.shutdown()
        thread.join(WAIT_S)


def let_in(connection: ServerConnection) -> None:
    """Shake hands as the data stream does."""
    connection.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
    connection.recv()
    connection.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
    asked = msgpack.unpackb(connection.recv())
    connection.send(msgpack.packb([asked | {"T": "subscription"}]))
