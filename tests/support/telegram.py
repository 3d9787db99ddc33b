"""The bot interface of Telegram on loopback, with its real shapes: long polls that forget what
was confirmed, refusals with `error_code` and `description`, one listener at a time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.dashboard import until

TOKEN = "123456789:AAfake-token-of-the-local-telegram"
CHAT_ID = 424_242
TEXT_CHARACTERS_MAX = 4096


@dataclass
class LocalTelegram:
    """What was sent to the bot and what it answered."""

    now_unix_s: int
    base_url: str = ""
    updates: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    refuse: int = 0
    """So many calls are still answered 502."""
    takes_confirmations: bool = True
    """Whether a poll that does not wait, which only confirms, is answered at all."""
    lose_confirmations: int = 0
    """So many of them are still obeyed, and their answers lost."""
    busy_s: float = 0.0
    """The next message is refused with 429: come back after so long."""
    calls: list[tuple[str, float]] = field(default_factory=list)
    """Each method that was called, and when (monotonic)."""
    number: int = 700_000_000
    changed: threading.Condition = field(default_factory=threading.Condition)

    def say(
        self, text: str, chat_id: int = CHAT_ID, age_s: int = 0, key: str = "message", **by: Any
    ) -> None:
        """A person writes to the bot; `by` changes who, `type` in it the kind of the chat."""
        with self.changed:
            self.number += 1
            command = text.partition(" ")[0]
            kind = by.pop("type", "private")
            person = {"id": 99, "is_bot": False, "first_name": "Ann", "username": "ann", **by}
            message = {
                "message_id": self.number - 700_000_000,
                "from": {**person, "language_code": "en"},
                "chat": {"id": chat_id, "first_name": "Ann", "type": kind},
                "date": self.now_unix_s - age_s,
                "text": text,
                "entities": [{"offset": 0, "length": len(command), "type": "bot_command"}],
            }
            self.updates.append({"update_id": self.number, key: message})
            self.changed.notify_all()

    def replies(self, count: int) -> list[str]:
        """Wait until so many texts were sent; all of them."""
        until(lambda: len(self.sent) >= count, f"no {count} replies: {self.sent}", timeout_s=20)
        return [message["text"] for message in self.sent]

    def get_updates(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The long poll."""
        offset = int(body.get("offset", 0))
        with self.changed:
            self.offsets.append(offset)
            self.updates[:] = [one for one in self.updates if one["update_id"] >= offset]
            # A test does not wait for the whole of an empty poll when it ends.
            self.changed.wait_for(lambda: bool(self.updates), min(float(body["timeout"]), 1.0))
            return list(self.updates)

    def send_message(self, body: dict[str, Any]) -> dict[str, Any] | str:
        """The message as Telegram tells it back, or why it refuses."""
        text = body.get("text", "")
        if not text:
            return "Bad Request: message text is empty"
        if len(text) > TEXT_CHARACTERS_MAX:
            return "Bad Request: message is too long"
        if str(body.get("chat_id")) != str(CHAT_ID):
            return "Bad Request: chat not found"
        self.sent.append(body)
        chat = {"id": CHAT_ID, "first_name": "Ann", "type": "private"}
        sender = {"id": 123456789, "is_bot": True, "first_name": "trader"}
        number = len(self.sent)
        return {"message_id": number, "from": sender, "chat": chat, "date": 1, "text": text}


def _refusal(code: int, description: str) -> tuple[int, dict[str, Any]]:
    return code, {"ok": False, "error_code": code, "description": description}


def _answered(local: LocalTelegram, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    method = path.rpartition("/")[2]
    local.calls.append((method, time.monotonic()))
    is_confirmation = method == "getUpdates" and body.get("timeout") == 0
    if is_confirmation and local.lose_confirmations > 0:
        local.lose_confirmations -= 1
        local.get_updates(body)
        return _refusal(502, "Bad Gateway")
    if method == "sendMessage" and local.busy_s > 0:
        parameters, local.busy_s = {"retry_after": local.busy_s}, 0.0
        status, refusal = _refusal(429, "Too Many Requests")
        return status, {**refusal, "parameters": parameters}
    if local.refuse > 0 or (is_confirmation and not local.takes_confirmations):
        local.refuse = max(0, local.refuse - 1)
        return _refusal(502, "Bad Gateway")
    if path != f"/bot{TOKEN}/{method}":
        return _refusal(401, "Unauthorized")
    if method == "getUpdates":
        return 200, {"ok": True, "result": local.get_updates(body)}
    if method != "sendMessage":
        return _refusal(404, "Not Found")
    result = local.send_message(body)
    return (
        _refusal(400, result) if isinstance(result, str) else (200, {"ok": True, "result": result})
    )


@contextmanager
def local_telegram(now_unix_s: int) -> Iterator[LocalTelegram]:
    """The interface on a free port of loopback."""
    local = LocalTelegram(now_unix_s)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = _answered(local, self.path, json.loads(raw))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    local.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
