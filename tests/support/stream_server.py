"""A scripted websocket server that speaks both of Alpaca's streams, on a free loopback port."""

from __future__ import annotations

import json
import queue
import threading
from contextlib import suppress
from typing import Any

import msgpack
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve


class StreamServer:
    """`/stream` speaks trade updates (JSON in binary frames), every other path the data stream
    (msgpack). Tests push messages, cut connections and refuse keys.
    """

    def __init__(self, port: int = 0) -> None:
        self.connected: queue.Queue[ServerConnection] = queue.Queue()
        """Each connection, once its handshake is done."""
        self.attempts = 0
        self.refuse_keys = False
        self.confirm_listening = True
        self.unconfirmed: dict[str, Any] = {}
        """What the confirmation of a subscription says instead of what was asked for."""
        self.subscriptions: list[dict[str, Any]] = []
        self._server = serve(self._handle, "127.0.0.1", port, close_timeout=0.2)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._live: list[ServerConnection] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Address of the trade stream; the data stream is `data_url`."""
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def data_url(self) -> str:
        """Address of the data stream."""
        return f"ws://127.0.0.1:{self.port}/v2/iex"

    def __enter__(self) -> StreamServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.cut()
        self._thread.join(5)

    def cut(self) -> None:
        """Break every connection without a closing handshake."""
        for connection in self._live:
            with suppress(OSError):
                connection.socket.shutdown(2)
        self._live.clear()

    def push(self, *messages: Any) -> None:
        """Send messages to every connection, in the stream's own form."""
        for connection in list(self._live):
            try:
                self._push(connection, messages)
            except ConnectionClosed:
                self._live.remove(connection)

    @staticmethod
    def _push(connection: ServerConnection, messages: tuple[Any, ...]) -> None:
        request = connection.request
        if request is not None and request.path.startswith("/stream"):
            for message in messages:
                connection.send(json.dumps(message).encode())
        else:
            connection.send(msgpack.packb(list(messages), datetime=True))

    def _handle(self, connection: ServerConnection) -> None:
        self.attempts += 1
        request = connection.request
        is_trading = request is not None and request.path.startswith("/stream")
        with suppress(ConnectionClosed, OSError):
            done = self._trading(connection) if is_trading else self._data(connection)
            if done:
                self._live.append(connection)
                self.connected.put(connection)
            for _ in connection:
                pass

    def _trading(self, connection: ServerConnection) -> bool:
        status = "unauthorized" if self.refuse_keys else "authorized"
        json.loads(connection.recv())
        answer = {"stream": "authorization", "data": {"status": status, "action": "authenticate"}}
        connection.send(json.dumps(answer).encode())
        if self.refuse_keys:
            return False
        json.loads(connection.recv())
        if not self.confirm_listening:
            return False
        answer = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        connection.send(json.dumps(answer).encode())
        return True

    def _data(self, connection: ServerConnection) -> bool:
        connection.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        msgpack.unpackb(_bytes(connection.recv()))
        if self.refuse_keys:
            refusal = {"T": "error", "code": 402, "msg": "auth failed"}
            connection.send(msgpack.packb([refusal]))
            return False
        connection.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
        self.subscriptions.append(msgpack.unpackb(_bytes(connection.recv())))
        lists = {"bars": [], "quotes": []} | self.subscriptions[-1]
        connection.send(msgpack.packb([lists | {"T": "subscription"} | self.unconfirmed]))
        return True


def _bytes(message: str | bytes) -> bytes:
    assert isinstance(message, bytes)
    return message
