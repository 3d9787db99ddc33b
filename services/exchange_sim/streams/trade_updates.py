"""The trading stream: authenticate, listen, trade_updates; JSON in binary frames, no replay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.websockets import WebSocket

from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.gate import OAUTH_KEY_ID, Keys
from services.exchange_sim.http.replies import encode
from services.exchange_sim.records import TradeEvent
from services.exchange_sim.streams.connections import Connections
from services.exchange_sim.streams.outbox import Outbox
from services.exchange_sim.streams.session import AUTH_WITHIN_S, run_session
from services.exchange_sim.wire import event_document

TRADE_UPDATES = "trade_updates"
AUTH_TIMEOUT = (404, "auth timeout")
CONNECTION_LIMIT = 406


class TradeUpdates:
    """Every client of /stream."""

    def __init__(self, exchange: Exchange, keys: Keys) -> None:
        self._exchange = exchange
        self._keys = keys
        self._listening: set[Outbox] = set()
        self._connections = Connections(None, 0.0)
        exchange.listeners.trades = self._publish

    def _publish(self, events: Sequence[TradeEvent]) -> None:
        if not self._listening:
            return
        for event in events:
            frame = encode(event_document(self._exchange.books, event))
            for outbox in self._listening:
                outbox.put(frame)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client."""
        await socket.accept()
        outbox = Outbox()
        loop = asyncio.get_running_loop()
        client = _Client(self._admit, outbox)
        timer = loop.call_later(AUTH_WITHIN_S, client.auth_timeout)

        async def handle(frame: bytes) -> None:
            client.handle(frame)
            if client.listening:
                self._listening.add(outbox)
            else:
                self._listening.discard(outbox)

        code: int | None = None
        try:
            code = await run_session(socket, outbox, handle, text=False)
        finally:
            timer.cancel()
            self._listening.discard(outbox)
            self._connections.leave(outbox, code, loop.time())

    def _admit(self, outbox: Outbox, key: str, secret: str) -> int | None:
        """Return the code that refuses a client, None when it may come in: 401 or 403 for its
        keys, 406 when they have too many connections.
        """
        refused = self._keys.refusal(key, secret)
        if refused is not None:
            return refused
        switches = self._exchange.books.switches
        self._connections.most = switches.trading_streams_max or None
        self._connections.zombie_s = switches.zombie_s
        now_s = asyncio.get_running_loop().time()
        return None if self._connections.enter(outbox, key, now_s) else CONNECTION_LIMIT


class _Client:
    """What one client has said so far."""

    def __init__(self, admit: Callable[[Outbox, str, str], int | None], outbox: Outbox) -> None:
        self._admit = admit
        self._outbox = outbox
        self._authorized = False
        self.listening = False

    def handle(self, frame: bytes) -> None:
        """Answer one message; what cannot be read gets an error message."""
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            self._answer("error", {"message": "invalid syntax"})
            return
        data = message.get("data")
        data = data if isinstance(data, dict) else {}
        action = message.get("action")
        if action in ("authenticate", "auth"):
            self._authenticate(str(action), {**message, **data})
        elif action == "listen":
            self._listen(data)
        else:
            self._answer("error", {"message": f"unknown action {action!r}"[:80]})

    def _answer(self, stream: str, data: dict[str, Any]) -> None:
        self._outbox.put(encode({"stream": stream, "data": data}))

    def _end(self, code: int, message: str) -> None:
        self._answer("error", {"code": code, "message": message})
        self._outbox.finish()

    def auth_timeout(self) -> None:
        """Say that nobody authenticated in time, and end."""
        if not self._authorized:
            self._end(*AUTH_TIMEOUT)

    def _authenticate(self, action: str, words: dict[str, Any]) -> None:
        token = words.get("oauth_token")
        key = OAUTH_KEY_ID if token else words.get("key_id") or words.get("key") or ""
        secret = token or words.get("secret_key") or words.get("secret") or ""
        refused = self._admit(self._outbox, str(key), str(secret))
        if refused == CONNECTION_LIMIT:
            self.listening = False
            self._end(CONNECTION_LIMIT, "connection limit exceeded")
            return
        self._authorized = refused is None
        self.listening = self.listening and self._authorized
        status = "authorized" if self._authorized else "unauthorized"
        self._answer("authorization", {"status": status, "action": action})

    def _listen(self, data: dict[str, Any]) -> None:
        if not self._authorized:
            self._answer("authorization", {"status": "unauthorized", "action": "listen"})
            return
        wanted = data.get("streams")
        names = wanted if isinstance(wanted, list) else []
        self.listening = TRADE_UPDATES in names
        self._answer("listening", {"streams": [TRADE_UPDATES] if self.listening else []})
