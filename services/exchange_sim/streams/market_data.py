"""The data stream: connected, auth, subscribe, batches; msgpack or JSON by Content-Type."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgpack
from starlette.websockets import WebSocket

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.gate import Keys
from services.exchange_sim.http.replies import encode
from services.exchange_sim.market.port import MarketEvent
from services.exchange_sim.streams.outbox import Outbox
from services.exchange_sim.streams.session import run_session
from services.exchange_sim.wire import Document
from services.exchange_sim.wire_market import stream_document

AUTH_WITHIN_S = 10.0
BATCH_MAX = 500
TEST_SYMBOL = "FAKEPACA"
_CHANNELS = (
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "lulds",
    "corrections",
    "cancelErrors",
)
_Batch = list[tuple[str, Document]]


def _pack_moment(value: object) -> object:
    if isinstance(value, datetime):
        return msgpack.Timestamp.from_datetime(value)
    raise TypeError(f"{type(value).__name__} has no place in a message")


class MarketDataStream:
    """Every client of /v2/iex, /v2/sip and /v2/test."""

    def __init__(self, exchange: Exchange, keys: Keys) -> None:
        self._exchange = exchange
        self._keys = keys
        self._clients: set[_Client] = set()
        exchange.listeners.market = self._publish

    def _publish(self, events: Sequence[MarketEvent]) -> None:
        if not self._clients:
            return
        batch = [found for event in events if (found := stream_document(event)) is not None]
        for client in self._clients:
            client.deliver(batch)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client."""
        await socket.accept()
        packed = "msgpack" in socket.headers.get("content-type", "")
        feed = socket.path_params.get("feed", "iex")
        stand_in = self._exchange.market.symbols[0] if feed == "test" else None
        client = _Client(self._keys, packed=packed, stand_in=stand_in)
        client.say({"T": "success", "msg": "connected"})
        timer = asyncio.get_running_loop().call_later(AUTH_WITHIN_S, client.auth_timeout)

        async def handle(frame: bytes) -> None:
            client.handle(frame)

        self._clients.add(client)
        try:
            await run_session(socket, client.outbox, handle, text=not packed)
        finally:
            timer.cancel()
            self._clients.discard(client)


class _Client:
    """One client's keys, subscriptions and way of writing."""

    def __init__(self, keys: Keys, *, packed: bool, stand_in: str | None) -> None:
        self._keys = keys
        self._packed = packed
        self._stand_in = stand_in
        self._authenticated = False
        self._channels: dict[str, set[str]] = {name: set() for name in _CHANNELS}
        self.outbox = Outbox()

    def say(self, *messages: Document) -> None:
        """Queue messages as one batch."""
        self.outbox.put(self._written(messages))

    def _written(self, messages: Sequence[Document]) -> bytes:
        if not self._packed:
            return encode(messages)
        packed: bytes = msgpack.packb(messages, default=_pack_moment)
        return packed

    def _error(self, code: int, message: str) -> None:
        self.say({"T": "error", "code": code, "msg": message})

    def auth_timeout(self) -> None:
        """Say that nobody authenticated in time."""
        if not self._authenticated:
            self._error(404, "auth timeout")

    def deliver(self, batch: _Batch) -> None:
        """Queue what this client subscribed to."""
        wanted = list(self._wanted(batch))
        for first in range(0, len(wanted), BATCH_MAX):
            self.say(*wanted[first : first + BATCH_MAX])

    def _wanted(self, batch: _Batch) -> Iterable[Document]:
        for channel, message in batch:
            names = self._channels[channel]
            if not names:
                continue
            if self._stand_in is not None:
                if message["S"] == self._stand_in and names & {TEST_SYMBOL, "*"}:
                    yield {**message, "S": TEST_SYMBOL}
            elif message["S"] in names or "*" in names:
                yield message

    def handle(self, frame: bytes) -> None:
        """Answer one message."""
        message = self._read(frame)
        if message is None:
            self._error(400, "invalid syntax")
        elif message.get("action") == "auth":
            self._authenticate(message)
        elif not self._authenticated:
            self._error(401, "not authenticated")
        elif message.get("action") in ("subscribe", "unsubscribe"):
            self._subscribe(message, add=message["action"] == "subscribe")
        else:
            self._error(400, "invalid syntax")

    def _read(self, frame: bytes) -> dict[str, Any] | None:
        try:
            message = msgpack.unpackb(frame) if self._packed else json.loads(frame)
        except (ValueError, RecursionError, msgpack.UnpackException):
            return None
        return message if isinstance(message, dict) else None

    def _authenticate(self, message: dict[str, Any]) -> None:
        if self._authenticated:
            self._error(403, "already authenticated")
            return
        key, secret = str(message.get("key") or ""), str(message.get("secret") or "")
        if self._keys.refusal(key, secret) is not None:
            self._error(402, "auth failed")
            return
        self._authenticated = True
        self.say({"T": "success", "msg": "authenticated"})

    def _subscribe(self, message: dict[str, Any], *, add: bool) -> None:
        for channel, names in self._channels.items():
            listed = message.get(channel)
            for name in listed if isinstance(listed, list) else []:
                if add:
                    names.add(str(name).upper())
                else:
                    names.discard(str(name).upper())
        lists = {channel: sorted(names) for channel, names in self._channels.items()}
        self.say({"T": "subscription", **lists})
