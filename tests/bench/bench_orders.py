"""From a decided signal to the order's bytes at the broker, beside a bare alpaca-py submit.

Ours goes the whole way of the door: id, bracket, guard with its trace, intent in the journal, two
lines of orders.jsonl, the broker's lanes and ceilings. Only the disk's own time is left out (the
journal's fsync does nothing here), for the commit has a row of its own.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, StopLossRequest, TakeProfitRequest

from services.trading_bot.execution.door import OrderDoor, Sent
from services.trading_bot.memory import Memory
from services.trading_bot.orders_log import OrdersLog
from services.trading_bot.sends import entry_send
from shared.clock import SystemClock
from shared.models.broker import Accepted
from shared.models.limits import Limits
from shared.persistence.file_port import RealFiles
from shared.risk.dollars import DollarLimits
from tests.bench.frame import Row, median
from tests.support.alpaca_payloads import raw_bracket
from tests.support.bot_bench import NOON, a_signal
from tests.support.builders import a_state
from tests.support.guard_builders import good_facts
from tests.support.raw_server import RawServer, reply_bytes
from tests.support.scripted_alpaca import broker_at
from tests.support.stores import open_journal, open_store

ORDERS, WARMUP = 400, 20
RATIO_MAX = 2.0


class Unsynced(RealFiles):
    """Real files without the wait for the disk."""

    def fsync(self, descriptor: int) -> None:
        del descriptor


class Broker:
    """Takes every order and remembers when its last byte was there."""

    def __init__(self) -> None:
        self.server = RawServer(self._answer)
        self.arrived_s = 0.0

    def _answer(self, connection: socket.socket, request: bytes) -> None:
        self.arrived_s = time.perf_counter()
        asked = json.loads(request.partition(b"\r\n\r\n")[2])
        shown = {name: asked[name] for name in ("client_order_id", "symbol", "qty", "limit_price")}
        connection.sendall(reply_bytes(json.dumps(raw_bracket(**shown)).encode()))


def our_way(folder: Path, url: str) -> Callable[[], None]:
    """Return what sends the next signal through our door; RuntimeError when it is not accepted."""
    journal, (store, _) = open_journal(folder, Unsynced()), open_store(folder, Unsynced())
    clock = SystemClock()
    memory = Memory(a_state(), journal, store, clock)
    broker = broker_at(url, lambda: False)
    door = OrderDoor(broker, memory, OrdersLog(folder / "orders.jsonl", clock), clock)
    facts, dollars = good_facts(), DollarLimits.of(Limits(), Decimal(100_000))
    moments = iter(range(1_000_000))

    def send() -> None:
        signal = a_signal(at=NOON + timedelta(seconds=next(moments)))
        order = entry_send(memory.state, signal, Decimal(10), signal.at)
        sent = door.send(order, facts, dollars, signal.at)
        if not isinstance(sent, Sent) or not isinstance(sent.outcome, Accepted):
            raise RuntimeError(f"the bench's own order was not accepted: {sent}")

    return send


def bare_way(url: str) -> Callable[[], None]:
    """Return what submits the same order with nothing but the vendor's client."""
    client = TradingClient("key", "secret", raw_data=True, url_override=url)
    numbers = iter(range(1_000_000))

    def send() -> None:
        client.submit_order(
            LimitOrderRequest(
                symbol="AAPL",
                qty=10,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.GTC,
                order_class=OrderClass.BRACKET,
                limit_price=100.1,
                client_order_id=f"bare-{next(numbers)}",
                take_profit=TakeProfitRequest(limit_price=102),
                stop_loss=StopLossRequest(stop_price=99),
            )
        )

    return send


def rows() -> Iterator[Row]:
    """Send in turn to the same server; the time ends with the order's last byte there."""
    broker = Broker()
    with broker.server, tempfile.TemporaryDirectory() as name:
        ways = (our_way(Path(name), broker.server.url), bare_way(broker.server.url))
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(WARMUP + ORDERS):
            for send, seconds in zip(ways, taken, strict=True):
                begun_s = time.perf_counter()
                send()
                if number >= WARMUP:
                    seconds.append(broker.arrived_s - begun_s)
    ours, theirs = (median(seconds) * 1e3 for seconds in taken)
    name = "signal decided -> order bytes sent"
    yield Row(name, "ms", ours, RATIO_MAX, "bare alpaca-py submit", theirs)
