"""A real dashboard process on a free port, and the parts around it that a test plays."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.clock import SystemClock
from tests.support import documents as sample
from tests.support.published import published

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Reply:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Dashboard:
    """A running process and how to talk to it."""

    process: subprocess.Popen[bytes]
    port: int
    state: Path
    logs: Path
    words: list[dict[str, str]]
    headers: dict[str, str] = field(default_factory=dict)
    healthy_until_s: float = 0.0
    """Until when (monotonic) the documents written last are fresh and healthy."""

    def freeze(self) -> None:
        """Stop the process in its tracks, connections open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    @property
    def token(self) -> str:
        """The token that it made."""
        return (self.state / "run" / "dashboard.token").read_text().strip()

    @property
    def bearer(self) -> dict[str, str]:
        """The header of a script that knows the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a connection of its own; objects are sent as JSON, bytes as they are.

        Every answer of every test is held against the published schema.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            connection.request(method, path, raw, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            reply = Reply(answer.status, found, answer.read())
        finally:
            connection.close()
        broken = published().broken_promise(method, path, reply.status, found, reply.body)
        assert not broken, broken
        return reply

    def write_health(self, age_s: float = 0.0, **changed: Any) -> None:
        """Put a health.json of that age where the supervisor would, and wait until it is seen."""
        clock = SystemClock()
        document = sample.health_document(
            now=datetime.now(UTC),
            boot_id=clock.boot_id(),
            boottime_s=clock.boottime_s() - age_s,
            **changed,
        )
        is_healthy = age_s == 0.0 and not changed
        self.healthy_until_s = time.monotonic() + 2.0 if is_healthy else 0.0
        marker = f"test {time.monotonic_ns()}"
        put(self.state / "health.json", {**document, "marker": marker})
        self.await_health(lambda seen: seen.get("marker") == marker)

    def refresh(self) -> None:
        """See to it that fresh, healthy documents of supervisor and bot are there."""
        if time.monotonic() > self.healthy_until_s:
            self.write_status()
            self.write_health()

    def write_status(self, **changed: Any) -> None:
        """Put a fresh bot_status.json where the bot would."""
        clock = SystemClock()
        status = sample.bot_status(
            now=datetime.now(UTC),
            boot_id=clock.boot_id(),
            boottime_s=clock.boottime_s(),
            **changed,
        )
        put(self.state / "bot_status.json", status)

    def await_health(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until the health answer is as wanted."""
        until(lambda: wanted(self.ask("GET", "/api/system/health").json), "health was not seen")

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)


def until(wanted: Callable[[], bool], problem: str, timeout_s: float = 10.0) -> None:
    """Poll until true; AssertionError with the problem after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not wanted():
        if time.monotonic() > deadline:
            raise AssertionError(problem)
        threading.Event().wait(0.02)


def put(path: Path, document: Any) -> None:
    """Replace a document in one step, as its real writer does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


def environment(state: Path, logs: Path, **more: str) -> dict[str, str]:
    """The environment of a child of the supervisor, without anything of the developer's own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "STATE_DIR": str(state),
        "LOG_DIR": str(logs),
        "SHT_ENV_FILE": "",
        "TRADING_MODE": "sim",
        "SHT_BEAT_S": "1",
        **more,
    }


@contextmanager
def notify_socket(folder: Path) -> Iterator[tuple[str, list[dict[str, str]], socket.socket]]:
    """A socket like the supervisor's, its path, and the words received so far."""
    path = folder / "n.sock"
    words: list[dict[str, str]] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(START_S)
    try:
        yield str(path), words, listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def parse_words(datagram: bytes) -> dict[str, str]:
    """KEY=VALUE lines of one datagram."""
    pairs = (line.partition("=") for line in datagram.decode().splitlines())
    return {key: value for key, _, value in pairs}


@contextmanager
def running_dashboard(folder: Path, state: Path | None = None, **more: str) -> Iterator[Dashboard]:
    """Start the process, wait for READY and its port, end it afterwards."""
    state = state or folder / "state"
    logs = folder / "logs"
    state.mkdir(parents=True, exist_ok=True)
    more.setdefault("DASHBOARD_PORT", str(free_port()))
    with notify_socket(folder) as (path, words, listener):
        env = environment(state, logs, NOTIFY_SOCKET=path, **more)
        process = subprocess.Popen([sys.executable, "-m", "services.dashboard"], cwd=ROOT, env=env)
        try:
            while not any("X_PORT" in word for word in words):
                words.append(parse_words(listener.recv(65_536)))
            port = int(next(word["X_PORT"] for word in words if "X_PORT" in word))
            yield Dashboard(process, port, state, logs, words)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=10)
