"""Stream frames as documents and back: JSON in text or binary frames, msgpack. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgpack

_ANSWERS = ("success", "error", "subscription")


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame: its messages, and how to write them again."""

    messages: list[Any]
    packed: bool
    is_text: bool
    is_batch: bool

    def written(self, messages: list[Any]) -> list[dict[str, Any]]:
        """Return ASGI messages that carry these messages as this frame did."""
        if not messages:
            return []
        bodies = [messages] if self.is_batch else messages
        return [self._message(body) for body in bodies]

    def _message(self, body: Any) -> dict[str, Any]:
        if self.packed:
            return {"type": "websocket.send", "bytes": msgpack.packb(body, datetime=True)}
        text = json.dumps(body, separators=(",", ":"))
        if self.is_text:
            return {"type": "websocket.send", "text": text}
        return {"type": "websocket.send", "bytes": text.encode()}


def read_frame(message: Any) -> Frame | None:
    """Return the frame of an ASGI message, None when it is none that can be read."""
    text, raw = message.get("text"), message.get("bytes")
    try:
        document, packed = json.loads(text if text is not None else raw or b""), False
    except ValueError:
        try:
            document, packed = msgpack.unpackb(raw or b"", timestamp=3), True
        except (ValueError, msgpack.UnpackException):
            return None
    is_batch = isinstance(document, list) and all(isinstance(one, dict) for one in document)
    messages = document if is_batch else [document]
    return Frame(messages, packed, text is not None, is_batch)


def is_event(message: Any) -> bool:
    """Whether a message is news, not the answer to the client's own request."""
    if isinstance(message, dict):
        if "stream" in message:
            return bool(message["stream"] == "trade_updates")
        return "T" in message and message["T"] not in _ANSWERS
    if isinstance(message, list) and len(message) > 1 and isinstance(message[1], dict):
        return "response" not in message[1]
    return False


def symbol_of(message: Any) -> str | None:
    """Return the symbol that a stream message is about."""
    found: Any = None
    if isinstance(message, dict):
        found = message.get("S")
        data = message.get("data")
        order = data.get("order") if isinstance(data, dict) else None
        if isinstance(order, dict):
            found = order.get("symbol")
    elif isinstance(message, list) and len(message) > 1 and isinstance(message[1], dict):
        found = message[1].get("ticker")
    return found if isinstance(found, str) else None
