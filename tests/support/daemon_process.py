"""A real data-daemon process, its endpoints file, and an ear for its beats."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from shared.clock import SystemClock
from shared.config.endpoints import exchange_endpoints, write_endpoints
from shared.persistence.market_store import MarketStoreReader
from shared.ports import Turn
from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor
from shared.vendors.lockstep_clock import LockStepMarketClock

ROOT = Path(__file__).resolve().parents[2]
END_S = 20.0
CLOCK = SystemClock()


class DaemonProcess:
    """Starts on entering, ends on leaving; `kill` and `start` again to prove restarts."""

    def __init__(self, folder: Path, port: int, *, speed: str, keys: tuple[str, str]) -> None:
        self.state = folder / "state"
        self.logs = folder / "logs"
        self.endpoints = exchange_endpoints(port, *keys)
        write_endpoints(
            self.state / "run/endpoints.json", exchange=self.endpoints, dashboard_url=None
        )
        self.reader = MarketStoreReader(self.state / "market.db")
        self.words: queue.Queue[dict[str, str]] = queue.Queue()
        self.process: subprocess.Popen[bytes] | None = None
        # Unix sockets have short names; the test's own folder may be deep.
        self._socket_folder = tempfile.TemporaryDirectory(prefix="dd")
        self._socket_path = str(Path(self._socket_folder.name) / "n")
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(self._socket_path)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SIM_", "APCA_", "SHT_", "NOTIFY_", "TRADING_", "SYMBOLS"))
        } | {
            "STATE_DIR": str(self.state),
            "LOG_DIR": str(self.logs),
            "SHT_ENV_FILE": "",
            "TRADING_MODE": "sim",
            "SIM_SPEED": speed,
            "NOTIFY_SOCKET": self._socket_path,
        }

    def __enter__(self) -> DaemonProcess:
        self._thread.start()
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()
        self._ear.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._ear.close()
        self._socket_folder.cleanup()
        self.reader.close()

    def start(self) -> DaemonProcess:
        """Start the process; what an earlier one said is forgotten."""
        self._forget()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.data_daemon"], cwd=ROOT, env=self._environ
        )
        return self

    def stop(self) -> int:
        """Ask for the end and return the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def exit_code(self) -> int:
        """Wait for the process to end by itself."""
        assert self.process is not None
        code = self.process.wait(END_S)
        self.process = None
        return code

    def _forget(self) -> None:
        """Drop every word heard so far: a mark sent now comes behind all of them."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(b"MARK=1", self._socket_path)
        self.wait_for("MARK", "1")

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.exit_code()

    def wait_for(self, key: str, value: str, timeout_s: float = END_S) -> dict[str, str]:
        """Return the next datagram that says so."""
        deadline = time.monotonic() + timeout_s
        heard: dict[str, str] = {}
        while time.monotonic() < deadline:
            with suppress(queue.Empty):
                heard = self.words.get(timeout=0.5)
                if heard.get(key) == value:
                    return heard
        raise AssertionError(f"{key}={value} not heard within {timeout_s} s; last: {heard}")

    def next_reason(self) -> str:
        """Return the reason of the next beat."""
        return self.words.get(timeout=END_S).get("X_REASON", "")

    def _listen(self) -> None:
        while data := self._heard():
            lines = data.decode().split("\n")
            self.words.put(dict(line.partition("=")[::2] for line in lines))

    def _heard(self) -> bytes:
        try:
            return self._ear.recv(65536)
        except OSError:
            return b""


class LockStepBot:
    """Stands in for the trading-bot: takes one lock-step minute after the other."""

    def __init__(self, daemon: DaemonProcess) -> None:
        rules = DoorRules(reads_per_minute=None)
        endpoints = daemon.endpoints
        keys = {"APCA-API-KEY-ID": endpoints.key_id, "APCA-API-SECRET-KEY": endpoints.secret_key}
        door = HttpDoor(DoorAdapter(rules, CLOCK), keys)
        self._clock = LockStepMarketClock(door, endpoints.trading_url, "trading-bot", CLOCK)
        self._stop = threading.Event()

    def next(self) -> Turn:
        """Report the minute before as finished and return the next one."""
        ends_at_s = CLOCK.monotonic_s() + END_S
        while CLOCK.monotonic_s() < ends_at_s:
            turn = self._clock.next_turn(self._stop, 1.0)
            if turn is not None:
                return turn
        raise AssertionError(f"no turn within {END_S} s: {self._clock.last_fault}")
