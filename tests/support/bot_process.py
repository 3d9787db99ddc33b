"""A real trading-bot process beside a real exchange-sim and data-daemon, seen by its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.models.ids import parse_own_id
from shared.persistence.ledger import LedgerReader, Row
from tests.support.daemon_process import DaemonProcess
from tests.support.exchange_process import ExchangeProcess
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("key", "secret")
END_S = 20.0


class BotProcess:
    """Starts on entering, ends on leaving; `kill` and `start` again to prove restarts."""

    def __init__(self, folder: Path, *, speed: str, notify_socket: str | None = None) -> None:
        self.state = folder / "state"
        self.logs = folder / "logs"
        self.process: subprocess.Popen[bytes] | None = None
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SIM_", "APCA_", "SHT_", "NOTIFY_", "TRADING_", "SYMBOLS"))
        }
        self._environ = kept | {
            "STATE_DIR": str(self.state),
            "LOG_DIR": str(self.logs),
            "SHT_ENV_FILE": "",
            "TRADING_MODE": "sim",
            "SIM_SPEED": speed,
        }
        if notify_socket is not None:
            self._environ["NOTIFY_SOCKET"] = notify_socket

    def __enter__(self) -> BotProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()

    def start(self) -> BotProcess:
        """Start the process."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.trading_bot"], cwd=ROOT, env=self._environ
        )
        return self

    def believe_in_speed(self, speed: str) -> None:
        """Let processes from here on know another speed of the market."""
        self._environ["SIM_SPEED"] = speed

    def name_strategies(self, words: str) -> None:
        """Let processes from here on find STRATEGIES set to these words."""
        self._environ["STRATEGIES"] = words

    def adopt_externals(self) -> None:
        """Let processes from here on protect external shares."""
        self._environ["ADOPT_EXTERNAL"] = "true"

    def stop(self) -> int:
        """Ask for the end and return the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        code = self.process.wait(END_S)
        self.process = None
        return code

    def one_shot(self, errand: str) -> subprocess.CompletedProcess[str]:
        """Run a one-shot to its end."""
        return subprocess.run(
            [sys.executable, "-m", "services.trading_bot.one_shot", errand],
            cwd=ROOT,
            env=self._environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def status(self) -> dict[str, Any]:
        """What bot_status.json says; empty while there is none."""
        try:
            document: dict[str, Any] = json.loads((self.state / "bot_status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return document

    def trades(self) -> tuple[Row, ...]:
        """The closed trades of the ledger, newest first."""
        return LedgerReader(self.state / "ledger.db").trades(1_000)

    def steps(self) -> list[dict[str, Any]]:
        """The lines of orders.jsonl."""
        text = (self.logs / "orders.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def wait_for(self, is_true: Callable[[], object], timeout_s: float, what: str) -> None:
        """Wait, as long as the process lives."""

        def alive_and_true() -> object:
            assert self.process is not None
            assert self.process.poll() is None, f"the bot ended with {self.process.returncode}"
            return is_true()

        wait_until(alive_and_true, timeout_s, what)


@dataclass(frozen=True, slots=True)
class TradingFloor:
    """Exchange, data-daemon and bot, running."""

    exchange: ExchangeProcess
    daemon: DaemonProcess
    bot: BotProcess

    def slow_down(self) -> None:
        """Let market time run like real time, for who starts from here on: in a fast market a
        position may be stopped out while a process starts.
        """
        self.exchange.restart("--speed", "1")
        self.bot.believe_in_speed("1")

    def positions(self) -> dict[str, int]:
        """Shares by symbol, by the exchange's own word."""
        rows = self.exchange.call("GET", "/v2/positions").json()
        return {row["symbol"]: int(row["qty"]) for row in rows}

    def orders(self) -> list[dict[str, Any]]:
        """Every order that the exchange knows, un-nested."""
        path = "/v2/orders?status=all&limit=500&nested=false"
        rows: list[dict[str, Any]] = self.exchange.call("GET", path).json()
        return rows

    def own_entries(self) -> list[dict[str, Any]]:
        """The entries of ours that the exchange knows."""
        return [
            row
            for row in self.orders()
            if row["side"] == "buy" and parse_own_id(row["client_order_id"]) is not None
        ]

    def live_stops(self) -> dict[str, int]:
        """Shares that live stops at the exchange cover, by symbol."""
        covered: dict[str, int] = {}
        for row in self.orders():
            if row["type"] == "stop" and row["status"] in ("held", "new", "accepted"):
                covered[row["symbol"]] = covered.get(row["symbol"], 0) + int(row["qty"])
        return covered

    def is_covered(self) -> bool:
        """Whether live stops cover every share; the market moves between the two reads."""
        stops = self.live_stops()
        return all(stops.get(name, 0) >= qty for name, qty in self.positions().items())


@contextmanager
def trading_floor(folder: Path, *, speed: str, seed: int) -> Iterator[TradingFloor]:
    """Run exchange, data-daemon and bot in a folder until the block is left."""
    options = ("--speed", speed, "--seed", str(seed), "--db", str(folder / "exchange.db"))
    with (
        ExchangeProcess(folder, *options) as exchange,
        DaemonProcess(folder, exchange.port, speed=speed, keys=KEYS) as daemon,
        BotProcess(folder, speed=speed) as bot,
    ):
        yield TradingFloor(exchange, daemon, bot)
