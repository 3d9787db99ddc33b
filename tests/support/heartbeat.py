"""A real heartbeat process, and the receivers that it talks to."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from shared.clock import SystemClock
from tests.support import documents as sample
from tests.support.dashboard import ROOT, environment, notify_socket, parse_words, put


@dataclass
class Heart:
    """A running heartbeat."""

    process: subprocess.Popen[bytes]
    state: Path
    logs: Path
    words: list[dict[str, str]]
    listener: socket.socket

    def newest_word(self, name: str) -> str:
        """Wait for the next beat; what it says under the name."""
        self.words.append(parse_words(self.listener.recv(65_536)))
        return self.words[-1].get(name, "")

    def alerts(self) -> list[str]:
        """The sentences of its alert lines so far."""
        path = self.logs / "heartbeat.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [line["msg"] for line in lines if line["event"] == "alert"]

    @property
    def memory(self) -> dict[str, Any]:
        """What it remembers on disk."""
        document: dict[str, Any] = json.loads((self.state / "heartbeat.json").read_text())
        return document


def write_health(state: Path, **changed: Any) -> None:
    """Put a fresh health.json."""
    clock = SystemClock()
    put(
        state / "health.json",
        sample.health_document(
            now=datetime.now(UTC),
            boot_id=clock.boot_id(),
            boottime_s=clock.boottime_s(),
            **changed,
        ),
    )


@contextmanager
def running_heartbeat(folder: Path, **more: str) -> Iterator[Heart]:
    """Start the process, wait for READY, end it afterwards."""
    state, logs = folder / "state", folder / "logs"
    state.mkdir(parents=True, exist_ok=True)
    with notify_socket(folder) as (path, words, listener):
        env = environment(state, logs, NOTIFY_SOCKET=path, SHT_BEAT_S="0.2", **more)
        process = subprocess.Popen([sys.executable, "-m", "services.heartbeat"], cwd=ROOT, env=env)
        try:
            while not any(word.get("READY") == "1" for word in words):
                words.append(parse_words(listener.recv(65_536)))
            words.append(parse_words(listener.recv(65_536)))
            yield Heart(process, state, logs, words, listener)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=10)


@dataclass
class Receiver:
    """A local HTTP server that keeps what it was sent; `status` is what it answers, and `before`
    what happens before it does.
    """

    port: int = 0
    status: int = 200
    paths: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[], object] = bool


@contextmanager
def listening_receiver(status: int = 200) -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver(status=status)

    class Handler(BaseHTTPRequestHandler):
        def _keep(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            if receiver.status == 200:
                receiver.paths.append(self.path)
                if raw:
                    receiver.bodies.append(json.loads(raw))
            receiver.before()
            with suppress(OSError):
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        do_GET = _keep  # noqa: N815  the library's own spelling
        do_POST = _keep  # noqa: N815  the library's own spelling

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@contextmanager
def dribbling_receiver() -> Iterator[int]:
    """A port whose every answer begins, and then comes a byte at a time without end."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def _dribble(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
            with suppress(OSError):
                while not over.wait(0.2):
                    self.wfile.write(b"x")

        do_GET = _dribble  # noqa: N815  the library's own spelling
        do_POST = _dribble  # noqa: N815  the library's own spelling

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
