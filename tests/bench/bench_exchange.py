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
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.bench.frame import Row, interleaved, median, percentile
from tests.support.exchange_process import HEADERS, ExchangeProcess

TIMED = 2_000
STREAMED = 2_000
SUBSCRIBERS = 4
SENDERS = 2
MEMORY_ORDERS = (10_000, 100_000)
BARS = 10_000_000
PAGE_BARS = 10_000
HISTORY = "/v2/stocks/bars?timeframe=1Min&symbols=SPY"
DEEP = ("--symbols", "SPY", "--history-days", "7000")
"""More than ten million minutes of one symbol."""
PLACES = ("beginning", "middle", "end")
PAGES = 8
"""Pages one after the other at each place."""
LIVE_S = 8.0
LIVE_SPEED = ("--speed", "600")
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
        clients = [Client(exchange.port) for _ in range(SENDERS)]
        sizes = []
        sent = 0
        for goal in MEMORY_ORDERS:
            each = (goal - sent) // SENDERS
            with ThreadPoolExecutor(SENDERS) as pool:
                for done in [pool.submit(send, client, each) for client in clients]:
                    done.result()
            sent = goal
            sizes.append(process.memory_info().rss / _MIB)
    few, many = MEMORY_ORDERS
    name = f"exchange: memory after {many} orders"
    return Row(name, "MiB", sizes[1], 1.1, f"after {few}", sizes[0])


def send(client: Client, orders: int) -> None:
    """Send so many orders one after the other."""
    for _ in range(orders):
        client.order()


def live_row(folder: Path) -> Row:
    """Count what four subscribers to everything on the data stream get in some seconds."""
    with ExchangeProcess(folder, *LIVE_SPEED) as exchange, contextlib.ExitStack() as stack:
        counts: list[int] = []
        threads = []
        begun = time.perf_counter()
        for _ in range(SUBSCRIBERS):
            stream = stack.enter_context(market_subscriber(exchange.port))
            arguments = (stream, begun + LIVE_S, counts)
            threads.append(threading.Thread(target=count_until, args=arguments))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if len(counts) != SUBSCRIBERS or not min(counts):
        raise RuntimeError(f"{SUBSCRIBERS} subscribers got {counts} market messages")
    name = f"exchange: a market message to {SUBSCRIBERS} streams"
    return Row(name, "ms", LIVE_S / sum(counts) * 1e3, 1.0)


def market_subscriber(port: int) -> ClientConnection:
    """Return a connection that listens to every symbol's trades, quotes and bars."""
    stream = connect(f"ws://127.0.0.1:{port}/v2/iex", additional_headers=HEADERS, max_queue=None)
    everything = {name: ["*"] for name in ("trades", "quotes", "bars")}
    stream.send(json.dumps({"action": "subscribe", **everything}))
    while json.loads(stream.recv(timeout=WAIT_S))[0]["T"] != "subscription":
        pass
    return stream


def count_until(stream: ClientConnection, end_s: float, counts: list[int]) -> None:
    """Count messages until that moment."""
    messages = 0
    while time.perf_counter() < end_s:
        messages += len(json.loads(stream.recv(timeout=WAIT_S)))
    counts.append(messages)


def history_rows(folder: Path) -> Iterator[Row]:
    """Read pages at three places of ten million bars in turn; each beside the beginning's."""
    with ExchangeProcess(folder, *DEEP) as exchange:
        client = Client(exchange.port)
        first = client.call("GET", f"{HISTORY}&limit=1&start=2000-01-01")["bars"]["SPY"][0]["t"]
        beginning = datetime.fromisoformat(first)
        walks = []
        for place in range(len(PLACES)):
            minutes = (BARS - PAGES * PAGE_BARS) * place // (len(PLACES) - 1)
            walks.append(pages(client, beginning + timedelta(minutes=minutes)))
        taken = [median(list(seconds)) for seconds in zip(*zip(*walks, strict=True), strict=True)]
    for where, seconds in list(zip(PLACES, taken, strict=True))[1:]:
        name = f"exchange: a page at the {where} of {BARS} bars"
        yield Row(name, "ms", seconds * 1e3, 1.3, "a page at their beginning", taken[0] * 1e3)


def pages(client: Client, start: datetime) -> Iterator[float]:
    """Read full pages from there on and yield the seconds of each."""
    query = f"{HISTORY}&limit={PAGE_BARS}&start={start:%Y-%m-%dT%H:%M:%SZ}"
    token = ""
    for _ in range(PAGES):
        begun = time.perf_counter()
        page = client.call("GET", f"{query}&page_token={token}")
        yield time.perf_counter() - begun
        if len(page["bars"].get("SPY", ())) != PAGE_BARS:
            raise RuntimeError(f"the history from {start} on ends before {PAGES} full pages")
        token = page["next_page_token"]


def rows() -> Iterator[Row]:
    """Measure each on an exchange of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from order_rows(folder / "orders")
        yield from stream_rows(folder / "streams")
        yield live_row(folder / "live")
        yield memory_row(folder / "memory")
        yield from history_rows(folder / "history")
