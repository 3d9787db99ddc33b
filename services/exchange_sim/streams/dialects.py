"""The two dialects of the data stream: JSON and msgpack, chosen by the client's Content-Type."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol

import msgpack

from services.exchange_sim.stamps import Stamp
from services.exchange_sim.wire import Document


def _packed_stamp(value: object) -> object:
    if isinstance(value, Stamp):
        return msgpack.Timestamp.from_unix_nano(value.unix_ns)
    raise TypeError(f"{type(value).__name__} has no place in a message")


class Message:
    """One message to many clients: written at most once in each dialect."""

    __slots__ = ("_json", "_packed", "channel", "document", "symbol")

    def __init__(self, channel: str, symbol: str, document: Document) -> None:
        self.channel = channel
        self.symbol = symbol
        self.document = document
        self._json: bytes | None = None
        self._packed: bytes | None = None

    def json(self) -> bytes:
        """Return the message as JSON text."""
        if self._json is None:
            self._json = json.dumps(self.document, separators=(",", ":")).encode()
        return self._json

    def packed(self) -> bytes:
        """Return the message as msgpack, its moments as timestamps with nanoseconds."""
        if self._packed is None:
            packed: bytes = msgpack.packb(self.document, default=_packed_stamp, strict_types=True)
            self._packed = packed
        return self._packed


def control(document: Document) -> Message:
    """Return a message that belongs to no channel: a greeting, an answer, an error."""
    return Message("", "", document)


class Dialect(Protocol):
    """How a client reads and writes."""

    text: bool
    """Whether its frames are text."""

    def write(self, messages: Iterable[Message]) -> bytes:
        """Return one frame with all messages."""

    def read(self, frame: bytes) -> dict[str, Any] | None:
        """Return the client's message, None when it is none."""


class JsonDialect:
    """JSON in text frames."""

    text = True

    def write(self, messages: Iterable[Message]) -> bytes:
        """Return one frame with all messages."""
        return b"[" + b",".join(message.json() for message in messages) + b"]"

    def read(self, frame: bytes) -> dict[str, Any] | None:
        """Return the client's message, None when it is none."""
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None


class PackedDialect:
    """msgpack in binary frames; a client that sends JSON all the same is understood."""

    text = False

    def write(self, messages: Iterable[Message]) -> bytes:
        """Return one frame with all messages."""
        parts = [message.packed() for message in messages]
        head: bytes = msgpack.Packer().pack_array_header(len(parts))
        return head + b"".join(parts)

    def read(self, frame: bytes) -> dict[str, Any] | None:
        """Return the client's message, None when it is none."""
        try:
            message = msgpack.unpackb(frame)
        except (ValueError, RecursionError, msgpack.UnpackException):
            return JsonDialect().read(frame)
        return message if isinstance(message, dict) else None


def dialect_for(content_type: str) -> Dialect:
    """Return the dialect that a handshake's Content-Type asks for; JSON when it says nothing."""
    return PackedDialect() if "msgpack" in content_type.lower() else JsonDialect()
