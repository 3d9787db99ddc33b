"""A gateway before an exchange that is always open: its clock says that the market is closed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

CALL_S = 10
_PASSED_ON = ("apca-api-key-id", "apca-api-secret-key", "content-type")


def closed(clock: dict[str, Any]) -> dict[str, Any]:
    """Return the clock of the same moment on a weekend."""
    opens = datetime.fromisoformat(clock["timestamp"]) + timedelta(hours=40)
    closes = opens + timedelta(hours=6, minutes=30)
    return clock | {
        "is_open": False,
        "next_open": opens.isoformat(),
        "next_close": closes.isoformat(),
    }


@contextmanager
def closed_market(exchange_url: str) -> Iterator[str]:
    """Serve the exchange on another address, closed, until the block is left."""

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            reply = requests.request(
                self.command,
                exchange_url + self.path,
                data=self.rfile.read(size) or None,
                headers={name: self.headers[name] for name in _PASSED_ON if name in self.headers},
                timeout=CALL_S,
            )
            body = reply.content
            if self.path.startswith("/v2/clock"):
                body = json.dumps(closed(reply.json())).encode()
            self.send_response(reply.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _pass_on  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing on the test's terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
