"""The trade stream at the server's limit of connections: waited out, never hammered."""

from __future__ import annotations

import json
import threading
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from shared.clock import SystemClock
from shared.vendors.alpaca_stream import TradeStream
from shared.vendors.websocket_link import LIMIT_PAUSE_S
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

WAIT_S = 10.0


class _Noting(SystemClock):
    """Notes the pauses that are asked for."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self.pauses.append(timeout_s)
        return super().wait(event, min(timeout_s, 0.05))


def _limit_reached(connection: ServerConnection) -> None:
    """Refuse as the real server does: inside the stream, in its own words."""
    with suppress(ConnectionClosed, OSError):
        connection.recv()
        data = {"code": 406, "message": "connection limit exceeded"}
        connection.send(json.dumps({"stream": "error", "data": data}).encode())
        connection.recv()


def test_trade_stream_when_the_connection_limit_is_reached_then_it_is_waited_out() -> None:
    """The server counts a dead connection for some 90 s: quick tries would keep its place busy."""
    clock = _Noting()
    with serve(_limit_reached, "127.0.0.1", 0) as busy:
        thread = threading.Thread(target=busy.serve_forever, daemon=True)
        thread.start()
        port = busy.socket.getsockname()[1]
        trades = TradeStream(f"ws://127.0.0.1:{port}/stream", ("k", "s"), clock)
        trades.start()
        wait_until(lambda: len(clock.pauses) >= 2, WAIT_S)
        assert "too many connections" in trades.state.reason
        assert trades.failed_tries >= 2
        trades.stop(WAIT_S)
        busy.shutdown()
        thread.join(5)
    assert all(pause_s >= LIMIT_PAUSE_S for pause_s in clock.pauses[:2])
