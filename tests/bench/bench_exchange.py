"""The exchange under load: orders over HTTP, streamed messages, memory, a deep history."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.bench.frame import Row, interleaved, median, percentile
from tests.support.exchange_process import HEADERS, ExchangeProcess

TIMED = 2_000
STREAMED = 2_000
SUBSCRIBERS = 4
MEMORY_ORDERS = (10_000, 100_000)
BARS = 10_000_000
PAGE_BARS = 10_000
DEEP = ("--symbols", "SPY", "--history-days", "7000")
"""More than ten million minutes of one symbol."""
EDGE_PAGES = 20
WAIT_S = 60.0
RICH = ("--cash", "1000000000")
"""Enough for every share of a run."""
_MIB = 2**20


class Client:
    """One keep-alive connection without a client library in the way."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sent = 0

    def call(self, method: str, path: str, document: object = None) -> Any:
        """Send one request and return its document; RuntimeError when it is refused."""
        body = None if document is None else json.dumps(document)
        self._connection.request(method, path, body, HEADERS)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text) if text else None

    def order(self) -> None:
        """Send a market order that fills and a far one that is cancelled in turn."""
        self._sent += 1
        body = {"symbol": "SPY", "side": "buy", "qty": "1", "time_in_force": "day"}
        if self._sent % 2:
            body |= {"type": "market"}
        else:
            body |= {"type": "limit", "limit_price": "1", "time_in_force": "ioc"}
        self.call("POST", "/v2/orders", body)


def order_rows(folder: Path) -> Iterator[Row]:
    """Time orders beside the cheapest request on the same connection."""
    with ExchangeProcess(folder, *RICH) as exchange:
        client = Client(exchange.port)
        for _ in range(100):
            client.order()
        ours, theirs = interleaved(client.order, lambda: client.call("GET", "/v2/clock"), TIMED)
        begun = time.perf_counter()
        for _ in range(TIMED):
            client.order()
        each_ms = (time.perf_counter() - begun) / TIMED * 1e3
    yield Row("exchange: an order over HTTP, one after the other", "ms", each_ms, 5.0)
    beside = "GET /v2/clock likewise"
    yield Row(
        "exchange: an order, p50", "ms", median(ours) * 1e3, 4.0, beside, median(theirs) * 1e3
    )
    slow, reference = percentile(ours, 0.99) * 1e3, percentile(theirs, 0.99) * 1e3
    yield Row("exchange: an order, p99", "ms", slow, 4.0, beside, reference)


def subscriber(port: int) -> ClientConnection:
    """Return a connection that listens to trade updates."""
    stream = connect(f"ws://127.0.0.1:{port}/stream", max_queue=None)
    key, secret = HEADERS["APCA-API-KEY-ID"], HEADERS["APCA-API-SECRET-KEY"]
    stream.send(json.dumps({"action": "auth", "key": key, "secret": secret}))
    stream.recv(timeout=WAIT_S)
    stream.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    stream.recv(timeout=WAIT_S)
    return stream


def count_until_last(stream: ClientConnection, orders: int, counts: list[int]) -> None:
    """Count messages until as many orders have ended as were sent."""
    messages = ended = 0
    while ended < orders:
        document = json.loads(stream.recv(timeout=WAIT_S))
        messages += 1
        ended += document["data"]["event"] in ("canceled", "fill")
    counts.append(messages)


def stream_rows(folder: Path) -> Iterator[Row]:
    """Time orders until their events have reached all subscribers, and without any."""
    with ExchangeProcess(folder, *RICH) as exchange, contextlib.ExitStack() as stack:
        client = Client(exchange.port)
        begun = time.perf_counter()
        for _ in range(STREAMED):
            client.order()
        alone_s = time.perf_counter() - begun
        counts: list[int] = []
        threads = []
        for _ in range(SUBSCRIBERS):
            stream = stack.enter_context(subscriber(exchange.port))
            arguments = (stream, STREAMED, counts)
            threads.append(threading.Thread(target=count_until_last, args=arguments))
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for _ in range(STREAMED):
            client.order()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begun
    if len(counts) != SUBSCRIBERS:
        raise RuntimeError(f"only {len(counts)} of {SUBSCRIBERS} subscribers got every event")
    message_ms = seconds / sum(counts) * 1e3
    yield Row(f"exchange: a trade message to {SUBSCRIBERS} streams", "ms", message_ms, 2.0)
    name = f"exchange: {STREAMED} orders, streamed to {SUBSCRIBERS}"
    yield Row(name, "s", seconds, 6.0, "the same, nobody listening", alone_s)


def memory_row(folder: Path) -> Row:
    """Compare the process's memory after few and after many orders."""
    with ExchangeProcess(folder, *RICH) as exchange:
        process = psutil.Process(exchange.pid)
        client = Client(exchange.port)
        sizes = []
        sent = 0
        for goal in MEMORY_ORDERS:
            while sent < goal:
                client.order()
                sent += 1
            sizes.append(process.memory_info().rss / _MIB)
    few, many = MEMORY_ORDERS
    name = f"exchange: memory after {many} orders"
    return Row(name, "MiB", sizes[1], 1.1, f"after {few}", sizes[0])


def history_row(folder: Path) -> Row:
    """Walk ten million bars page by page; the last pages beside the first ones."""
    with ExchangeProcess(folder, *DEEP) as exchange:
        client = Client(exchange.port)
        query = f"/v2/stocks/bars?timeframe=1Min&limit={PAGE_BARS}&symbols=SPY&start=2000-01-01"
        seconds: list[float] = []
        bars, token = 0, ""
        while token is not None and bars < BARS:
            begun = time.perf_counter()
            page = client.call("GET", query + (f"&page_token={token}" if token else ""))
            seconds.append(time.perf_counter() - begun)
            bars += sum(len(rows) for rows in page["bars"].values())
            token = page["next_page_token"]
    if bars < BARS:
        raise RuntimeError(f"the history ended after {bars} of {BARS} bars")
    first, last = median(seconds[:EDGE_PAGES]) * 1e3, median(seconds[-EDGE_PAGES:]) * 1e3
    name = f"exchange: a page at the end of {BARS} bars"
    return Row(name, "ms", last, 1.3, "a page at their beginning", first)


def rows() -> Iterator[Row]:
    """Measure each on an exchange of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from order_rows(folder / "orders")
        yield from stream_rows(folder / "streams")
        yield memory_row(folder / "memory")
        yield history_row(folder / "history")
