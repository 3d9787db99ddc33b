"""A receiver of alerts on loopback, reached by heartbeat as `json://`: what really got out."""

from __future__ import annotations

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from chaos.evidence import AlertSaid
from shared.clock import Clock

LOOPBACK = "127.0.0.1"
BODY_BYTES_MAX = 1_000_000


class AlertReceiver:
    """Takes every message and remembers it with its moment."""

    def __init__(self, clock: Clock) -> None:
        received = self._received = []  # type: list[AlertSaid]

        class _Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length") or 0), BODY_BYTES_MAX)
                told = json.loads(self.rfile.read(length))
                words = (str(told[name]) for name in ("title", "message", "type"))
                received.append(AlertSaid(clock.monotonic_s(), *words))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing on the terminal of the drills."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()

    @property
    def url(self) -> str:
        """The address for ALERT_URLS."""
        return f"json://{LOOPBACK}:{self._server.server_address[1]}/"

    def since(self, at_s: float, until_s: float = math.inf) -> tuple[AlertSaid, ...]:
        """Return what came since then and before the end, on the monotonic clock."""
        return tuple(one for one in self._received if at_s <= one.at_s < until_s)

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()
