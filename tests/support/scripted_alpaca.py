"""A scripted Alpaca over HTTP: answers by method and path, remembers what was asked."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.clock import SystemClock
from shared.resilience.http_door import DoorAdapter, DoorRules
from shared.vendors.alpaca_broker import AlpacaBroker, trading_client
from tests.support.raw_server import RawServer, reply_bytes

LOST = object()
"""An answer that closes the connection instead."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


Answer = tuple[int, Any] | object
Handler = Callable[[Asked], Answer]


class ScriptedAlpaca:
    """`on("GET", "/v2/account", (200, {...}))`; the answer may be a function of the request."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._handlers: dict[tuple[str, str], Answer | Handler] = {}
        self._server = RawServer(self._serve)

    @property
    def url(self) -> str:
        """Base address."""
        return self._server.url

    def on(self, method: str, path: str, answer: Answer | Handler) -> None:
        """Say what a request gets from now on."""
        self._handlers[(method, path)] = answer

    def count(self, method: str) -> int:
        """How often a verb came."""
        return sum(1 for asked in self.asked if asked.method == method)

    def __enter__(self) -> ScriptedAlpaca:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__(None, None, None)

    def _serve(self, connection: socket.socket, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        asked = Asked(method, url.path, query, json.loads(body) if body else None)
        self.asked.append(asked)
        missing = (404, {"code": 40410000, "message": "not found"})
        answer = self._handlers.get((method, url.path), missing)
        if callable(answer):
            answer = answer(asked)
        if not isinstance(answer, tuple):
            connection.close()
            return
        status, document = answer
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        connection.sendall(reply_bytes(b"" if status == 204 else data, f"{status} X"))


def broker_at(url: str, emergency_stop_is_set: Callable[[], bool]) -> AlpacaBroker:
    """Return the real broker's door to that address, with short waits."""
    rules = DoorRules(silence_s=0.5, total_s=1.0, attempts=2, reads_per_minute=None)
    clock = SystemClock()
    client = trading_client(url, "key", "secret")
    return AlpacaBroker(client, DoorAdapter(rules, clock), clock, emergency_stop_is_set)
