"""A keep-alive HTTP client as thin as one can be, so that the exchange is what is measured."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from tests.support.exchange_process import HEADERS

WAIT_S = 60.0
MIB = 2**20


class Client:
    """One keep-alive connection without a client library in the way; `calls` counts requests."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.calls = 0

    def call(self, method: str, path: str, document: object = None) -> Any:
        """Send one request and return its document; RuntimeError when it is refused."""
        self.calls += 1
        body = None if document is None else json.dumps(document)
        self._connection.request(method, path, body, HEADERS)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text) if text else None
