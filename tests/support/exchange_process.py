"""A real exchange-sim process on a free port of loopback, and the alpaca-py clients for it."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.live.stock import StockDataStream
from alpaca.data.requests import StockLatestQuoteRequest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import LimitOrderRequest, StopLossRequest, TakeProfitRequest
from alpaca.trading.stream import TradingStream

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
START_S = 20
CALL_S = 20
_LINE = re.compile(r"exchange-sim http://127\.0\.0\.1:(\d+) ")


class ExchangeProcess:
    """Starts on entering, ends on leaving; `kill` and `start` again to prove restarts."""

    def __init__(self, folder: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._options = options
        self._env = dict(env or {})
        self._process: subprocess.Popen[str] | None = None
        self._address_line = ""
        self.port = 0

    def start(self) -> ExchangeProcess:
        """Start, on the same port as before, and wait for the line with the addresses."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SIM_", "APCA_", "SHT_", "NOTIFY_"))
        }
        environ |= {
            "STATE_DIR": str(self._folder / "state"),
            "LOG_DIR": str(self._folder / "logs"),
            "SHT_ENV_FILE": "",
        } | self._env
        command = [sys.executable, "-m", "services.exchange_sim", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._options],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = _LINE.match(line)
        assert found, f"no address line but {line!r}"
        self._address_line = line
        self.port = int(found[1])
        # The line is printed before the first request can be served.
        session = requests.Session()
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=3))
        session.get(f"{self.url}/v2/clock", headers=HEADERS, timeout=START_S)
        return self

    def restart(self, *options: str) -> None:
        """Die and start again, with these options behind those of before: the last one counts."""
        self.kill()
        self._options = (*self._options, *options)
        self.start()

    def greeting(self) -> str:
        """Return everything that was printed at the start; once only."""
        assert self._process is not None
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline() for _ in range(4)]
        return self._address_line + "".join(lines)

    def stop(self) -> int:
        """Ask for the end and return the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        process.send_signal(number)
        code = process.wait(timeout=START_S)
        assert process.stdout is not None
        process.stdout.close()
        self._process = None
        return code

    def __enter__(self) -> ExchangeProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """Process id while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Base of trading and data REST."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one plain request with keys."""
        options.setdefault("headers", HEADERS)
        return requests.request(method, self.url + path, timeout=CALL_S, **options)

    def trading(self, *, raw: bool = False) -> Any:
        """Return alpaca-py's TradingClient; Any, since each of its answers is a union."""
        return TradingClient("key", "secret", raw_data=raw, url_override=self.url)

    def data(self) -> Any:
        """Return alpaca-py's StockHistoricalDataClient, likewise."""
        return StockHistoricalDataClient("key", "secret", url_override=self.url)


class StreamThread:
    """Runs an alpaca-py stream in a thread; what its handler gets comes out of a queue."""

    def __init__(self, stream: TradingStream | StockDataStream) -> None:
        self.messages: queue.Queue[Any] = queue.Queue()
        self._stream = stream
        self._thread = threading.Thread(target=stream.run, daemon=True)

    async def handle(self, message: Any) -> None:
        """Take one message."""
        self.messages.put(message)

    def __enter__(self) -> StreamThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.stop()
        # Left alone the stream notices within five seconds; closing its socket wakes it.
        if self._stream._loop is not None:
            closing = self._stream.close()
            try:
                asyncio.run_coroutine_threadsafe(closing, self._stream._loop)
            except RuntimeError:
                closing.close()  # a busy stream has noticed and ended its loop meanwhile
        self._thread.join(timeout=CALL_S)

    def next(self) -> Any:
        """Return the next message."""
        return self.messages.get(timeout=CALL_S)


def wait_until(holds: Callable[[], bool]) -> None:
    """Ask the broker again until it is so."""
    deadline = time.monotonic() + CALL_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"


def price_of(exchange: ExchangeProcess, symbol: str) -> float:
    """Return the newest ask."""
    request = StockLatestQuoteRequest(symbol_or_symbols=symbol)
    return float(exchange.data().get_stock_latest_quote(request)[symbol].ask_price)


def bracket(exchange: ExchangeProcess, symbol: str, **fields: Any) -> Order:
    """Send a marketable bracket with far legs."""
    ask = price_of(exchange, symbol)
    order = exchange.trading().submit_order(
        LimitOrderRequest(
            symbol=symbol,
            qty=2,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=round(ask * 1.01, 2),
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=round(ask * 1.2, 2)),
            stop_loss=StopLossRequest(stop_price=round(ask * 0.8, 2)),
            **fields,
        )
    )
    assert isinstance(order, Order)
    return order
