"""Switches faults of a real exchange-sim, and speaks to it below the level of any library."""

from __future__ import annotations

import socket
import time
from typing import Any

from tests.support.exchange_process import CALL_S, HEADERS, ExchangeProcess, wait_until

LEASE_S = 30
BUY = {"symbol": "XOM", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
RESTING = BUY | {"type": "limit", "limit_price": "1", "time_in_force": "gtc"}
_KEYS = "".join(f"{name}: {word}\r\n" for name, word in HEADERS.items())


def switch_on(exchange: ExchangeProcess, kind: str, **words: Any) -> str:
    """Begin a fault and return its id."""
    body = {"kind": kind, "lease_s": LEASE_S} | words
    answer = exchange.call("POST", "/sim/faults", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def fault_state(exchange: ExchangeProcess, identity: str) -> dict[str, Any]:
    """Return what the exchange says about a fault."""
    document: dict[str, Any] = exchange.call("GET", f"/sim/faults/{identity}").json()
    return document


def acted(exchange: ExchangeProcess, identity: str) -> int:
    """Return how often a fault had its effect."""
    return int(fault_state(exchange, identity)["acted"])


def heal(exchange: ExchangeProcess) -> None:
    """End every fault."""
    assert exchange.call("DELETE", "/sim/faults").status_code == 200


def clear(exchange: ExchangeProcess) -> None:
    """End every fault and every order."""
    heal(exchange)
    exchange.call("DELETE", "/v2/orders")
    wait_until(lambda: exchange.call("GET", "/v2/orders").json() == [])


def request_text(method: str, path: str, body: str = "", extra: str = "") -> bytes:
    """Write one HTTP request with keys."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{_KEYS}{extra}{length}\r\n"
    return (head + body).encode()


class RawClient:
    """One TCP connection; reads what comes, and tells how it ended."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self.socket = socket.create_connection(("127.0.0.1", exchange.port), CALL_S)
        self.received = b""
        self.arrivals: list[float] = []

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def read_to_the_end(self) -> str:
        """Read until the connection ends: `reset`, `closed`; `silent` after the timeout."""
        while True:
            try:
                piece = self.socket.recv(65_536)
            except ConnectionResetError:
                return "reset"
            except TimeoutError:
                return "silent"
            if not piece:
                return "closed"
            self.received += piece
            self.arrivals.append(time.monotonic())

    def read_until(self, text: bytes, count: int = 1) -> None:
        """Read until the text came so often."""
        while self.received.count(text) < count:
            piece = self.socket.recv(65_536)
            assert piece, f"ended after {self.received[-300:]!r}"
            self.received += piece

    @property
    def body(self) -> bytes:
        """What followed the header."""
        return self.received.partition(b"\r\n\r\n")[2]
