"""The dashboard under load: its status beside its cheapest answer, while pages listen and ask; and
its memory over many requests.

The reader of the state folder works as in a running system: a bot's and a supervisor's documents
are written anew all the time, beside a ledger of a long run.
"""

from __future__ import annotations

import contextlib
import http.client
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psutil

from shared.clock import SystemClock
from shared.config.paths import StatePaths
from shared.persistence.ledger import Denial, LedgerWriter
from shared.risk.approved import CheckResult
from tests.bench.frame import Row, interleaved, percentile
from tests.support import documents as sample
from tests.support.dashboard import Dashboard, put, running_dashboard

MIB = 1024 * 1024
POLLERS, STREAMS = 20, 20
POLL_EVERY_S = 1.0
"""As often as an impatient page without a stream would ask."""
WRITE_EVERY_S = 0.5
TIMED = 400
STATUS_P99_MS_MAX = 50.0
REQUESTS = 20_000
SENDERS = 4
GROWTH_MIB_MAX = 4.0
POINTS, DENIALS = 5_000, 100
STATUS, CHEAPEST = "/api/unified/status", "/livez"
ASKED = (STATUS, "/api/system/health", "/api/unified/positions", "/metrics")


class Asker:
    """One connection that asks and forgets the answer."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> None:
        """Ask; RuntimeError unless it is answered 200."""
        self._connection.request("GET", path)
        reply = self._connection.getresponse()
        reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path} was answered {reply.status}")


def fill(state: Path) -> None:
    """A ledger as a long run leaves it, by the real writer."""
    writer = LedgerWriter(StatePaths(state).ledger, SystemClock())
    now = datetime.now(UTC)
    for number in range(POINTS):
        at = now - timedelta(minutes=POINTS - number)
        writer.add_equity(at, Decimal(100_000 + number % 700), Decimal(90_000))
    trace = tuple(CheckResult(f"CHECK_{number}", True, "100", "7") for number in range(20))
    for number in range(DENIALS):
        writer.add_denial(
            Denial(now, f"sht-{number}", "MSFT", "buy", Decimal(5), "ENTRY", "X", "1", "2", trace)
        )
    writer.commit()
    writer.close()


def write_documents(page: Dashboard) -> None:
    """What bot and supervisor write: ten positions, sixty orders."""
    clock = SystemClock()
    stamps = {"boot_id": clock.boot_id(), "boottime_s": clock.boottime_s()}
    positions = [sample.position(f"SYM{number}") for number in range(10)]
    orders = [sample.order(number) for number in range(60)]
    now = datetime.now(UTC)
    status = sample.bot_status(now=now, **stamps, positions=positions, orders=orders)  # type: ignore[arg-type]
    put(page.state / "bot_status.json", status)
    put(page.state / "health.json", sample.health_document(now=now, **stamps))  # type: ignore[arg-type]


@contextlib.contextmanager
def living_page(folder: Path) -> Iterator[Dashboard]:
    """A dashboard whose documents are written anew until the end."""
    with running_dashboard(folder) as page:
        fill(page.state)
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                write_documents(page)
                stop.wait(WRITE_EVERY_S)

        writer = threading.Thread(target=write)
        write_documents(page)
        writer.start()
        try:
            page.await_health(lambda seen: seen["overall"] == "OK")
            yield page
        finally:
            stop.set()
            writer.join()


@contextlib.contextmanager
def crowd(port: int) -> Iterator[None]:
    """Pages that listen to the stream, and others that ask for the status again and again."""
    stop = threading.Event()

    def poll(first_after_s: float) -> None:
        asker = Asker(port)
        stop.wait(first_after_s)
        while not stop.is_set():
            asker.get(STATUS)
            stop.wait(POLL_EVERY_S)

    def listen() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/api/events")
        stream = connection.getresponse()
        while not stop.is_set() and stream.readline():
            continue
        connection.close()

    threads = [threading.Thread(target=listen) for _ in range(STREAMS)]
    spread = POLL_EVERY_S / POLLERS
    threads += [threading.Thread(target=poll, args=(spread * n,)) for n in range(POLLERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def latency_rows(page: Dashboard) -> Iterator[Row]:
    """Time the status beside the cheapest answer, under the crowd."""
    asker = Asker(page.port)
    with crowd(page.port):
        time.sleep(POLL_EVERY_S)
        ours, theirs = interleaved(lambda: asker.get(STATUS), lambda: asker.get(CHEAPEST), TIMED)
    beside = "GET /livez likewise"
    name = f"dashboard: status, {POLLERS} pollers, {STREAMS} streams"
    for rank, word in ((0.5, "p50"), (0.99, "p99")):
        slow_ms, reference_ms = percentile(ours, rank) * 1e3, percentile(theirs, rank) * 1e3
        yield Row(f"{name}, {word}", "ms", slow_ms, STATUS_P99_MS_MAX, beside, reference_ms, True)


def memory_rows(page: Dashboard) -> Iterator[Row]:
    """Weigh the process before and after many requests over a few connections."""
    process = psutil.Process(page.process.pid)

    def ask(count: int) -> None:
        asker = Asker(page.port)
        for number in range(count):
            asker.get(ASKED[number % len(ASKED)])

    def all_ask(count: int) -> None:
        threads = [threading.Thread(target=ask, args=(count // SENDERS,)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    all_ask(REQUESTS // 10)  # whatever is made once is made now
    before = process.memory_full_info().uss
    began = time.perf_counter()
    all_ask(REQUESTS)
    each_ms = (time.perf_counter() - began) / REQUESTS * 1e3
    grown = (process.memory_full_info().uss - before) / MIB
    beside = "its memory before"
    name = f"dashboard: memory grown over {REQUESTS} requests"
    yield Row(name, "MiB", grown, GROWTH_MIB_MAX, beside, before / MIB, True)
    yield Row("dashboard: an answer, four ask at once", "ms", each_ms, 10.0)


def rows() -> Iterator[Row]:
    """Run both on one process."""
    with tempfile.TemporaryDirectory() as folder, living_page(Path(folder)) as page:
        yield from latency_rows(page)
        yield from memory_rows(page)
