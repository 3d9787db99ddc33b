"""The exchange under load: orders over HTTP, streamed messages, memory, a deep history."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from websockets.sync.client import ClientConnection, connect

from tests.bench.exchange_client import MIB, WAIT_S, Client
from tests.bench.exchange_history import made_up_history_rows, recorded_history_rows
from tests.bench.frame import Row, interleaved, median, percentile
from tests.support.exchange_process import HEADERS, ExchangeProcess

TIMED = 2_000
STREAMED = 2_000
SUBSCRIBERS = 4
SENDERS = 2
FEW_ORDERS, MANY_ORDERS = 10_000, 100_000
LIVE_S = 8.0
LIVE_SPEED = ("--speed", "600")
RICH = ("--cash", "1000000000")
"""Enough for every share of a run."""


def place_order(client: Client) -> None:
    """Send a market order that fills and a far one that is cancelled in turn."""
    body = {"symbol": "SPY", "side": "buy", "qty": "1", "time_in_force": "day"}
    if client.calls % 2:
        body |= {"type": "market"}
    else:
        body |= {"type": "limit", "limit_price": "1", "time_in_force": "ioc"}
    client.call("POST", "/v2/orders", body)


def order_rows(folder: Path) -> Iterator[Row]:
    """Time orders beside the cheapest request on the same connection."""
    with ExchangeProcess(folder, *RICH) as exchange:
        client = Client(exchange.port)
        for _ in range(100):
            place_order(client)
        ours, theirs = interleaved(
            lambda: place_order(client), lambda: client.call("GET", "/v2/clock"), TIMED
        )
        begun = time.perf_counter()
        for _ in range(TIMED):
            place_order(client)
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
            place_order(client)
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
            place_order(client)
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - begun
    if len(counts) != SUBSCRIBERS:
        raise RuntimeError(f"only {len(counts)} of {SUBSCRIBERS} subscribers got every event")
    message_ms = seconds / sum(counts) * 1e3
    yield Row(f"exchange: a trade message to {SUBSCRIBERS} streams", "ms", message_ms, 2.0)
    name = f"exchange: {STREAMED} orders, streamed to {SUBSCRIBERS}"
    yield Row(name, "s", seconds, 6.0, "the same, nobody listening", alone_s)


def endurance_rows(folder: Path) -> Iterator[Row]:
    """Send very many orders over two connections at once; compare memory and the cost of an order
    after few and after many.
    """
    with ExchangeProcess(folder, *RICH) as exchange:
        process = psutil.Process(exchange.pid)
        clients = [Client(exchange.port) for _ in range(SENDERS)]
        first_s = timed_orders(clients, FEW_ORDERS)
        few = process.memory_info().rss / MIB
        middle_s = timed_orders(clients, MANY_ORDERS - 2 * FEW_ORDERS)
        last_s = timed_orders(clients, FEW_ORDERS)
        many = process.memory_info().rss / MIB
    each_ms = (first_s + middle_s + last_s) / MANY_ORDERS * 1e3
    yield Row(f"exchange: an order, {SENDERS} clients at once", "ms", each_ms, 4.0)
    name = f"exchange: the last {FEW_ORDERS} of {MANY_ORDERS} orders"
    yield Row(name, "s", last_s, 1.3, f"the first {FEW_ORDERS}", first_s)
    name = f"exchange: memory after {MANY_ORDERS} orders"
    yield Row(name, "MiB", many, 1.1, f"after {FEW_ORDERS}", few)


def timed_orders(clients: Sequence[Client], orders: int) -> float:
    """Let the clients share so many orders and return the seconds it took."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        for done in [pool.submit(send, client, orders // len(clients)) for client in clients]:
            done.result()
    return time.perf_counter() - begun


def send(client: Client, orders: int) -> None:
    """Send so many orders one after the other."""
    for _ in range(orders):
        place_order(client)


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


def rows() -> Iterator[Row]:
    """Measure each on an exchange of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from order_rows(folder / "orders")
        yield from stream_rows(folder / "streams")
        yield live_row(folder / "live")
        yield from endurance_rows(folder / "endurance")
        yield from made_up_history_rows(folder / "made_up")
        yield from recorded_history_rows(folder / "recorded")
