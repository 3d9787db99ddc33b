"""The data stream: who is connected, what each client hears, and how connections end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import Response
from starlette.websockets import WebSocket

from services.exchange_sim.data_plan import DataPlan
from services.exchange_sim.exchange import Exchange
from services.exchange_sim.http.gate import Keys, keys_of
from services.exchange_sim.market.port import MarketEvent
from services.exchange_sim.streams.connections import Connections
from services.exchange_sim.streams.data_conversation import (
    Answer,
    Conversation,
    error,
    refuse,
)
from services.exchange_sim.streams.dialects import Dialect, Message, dialect_for
from services.exchange_sim.streams.narration import Narrator
from services.exchange_sim.streams.outbox import Outbox
from services.exchange_sim.streams.session import AUTH_WITHIN_S, run_session

BATCH_MAX = 500
TEST_SYMBOL = "FAKEPACA"
DELAY = timedelta(minutes=15)
_LIVE, _TEST, _DELAYED = frozenset({"iex", "sip"}), "test", "delayed_sip"
_FEEDS = _LIVE | {_TEST, _DELAYED}
_NOT_FOUND = 404


class MarketDataStream:
    """Every client of /v2/iex, /v2/sip, /v2/delayed_sip and /v2/test."""

    def __init__(self, exchange: Exchange, keys: Keys, plan: DataPlan) -> None:
        self._exchange = exchange
        self._keys = keys
        self._plan = plan
        self._clients: set[_Client] = set()
        self._connections = Connections(plan.stream_connections_max, plan.zombie_s)
        self._live = Narrator(exchange.market)
        self._late = Narrator(exchange.market)
        self._late_until = exchange.now - DELAY

    def publish(self, events: Sequence[MarketEvent]) -> None:
        """Tell every client what happened; called after each move of market time."""
        now = self._exchange.now
        since, self._late_until = self._late_until, now - DELAY
        if not self._clients:
            return
        live = [client for client in self._clients if client.feed != _DELAYED]
        late = [client for client in self._clients if client.feed == _DELAYED]
        halts = self._live.halts(self._exchange.books.switches.halted, now)
        self._deliver(live, [*halts, *self._live.tell(events, _Wants(live))])
        if late:
            earlier = self._exchange.market.events(since, self._late_until)
            self._deliver(late, self._late.tell(earlier, _Wants(late)))

    def _deliver(self, clients: Sequence[_Client], messages: Sequence[Message]) -> None:
        if not messages:
            return
        # The test stream is the first symbol under the name that Alpaca gives its test symbol.
        first = self._exchange.market.symbols[0]
        renamed = [
            Message(one.channel, TEST_SYMBOL, {**one.document, "S": TEST_SYMBOL})
            for one in messages
            if one.symbol == first and any(client.feed == _TEST for client in clients)
        ]
        for client in clients:
            client.deliver(renamed if client.feed == _TEST else messages)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client."""
        feed = socket.path_params.get("feed", "iex")
        if feed not in _FEEDS:
            await socket.send_denial_response(Response(status_code=_NOT_FOUND))
            return
        await socket.accept()
        loop = asyncio.get_running_loop()
        client = _Client(feed, dialect_for(socket.headers.get("content-type", "")))
        client.conversation = Conversation(
            self._plan, lambda key, secret: self._admit(client, key, secret)
        )
        client.say(*client.conversation.greet(*keys_of(dict(socket.scope["headers"]))))
        timer = loop.call_later(AUTH_WITHIN_S, client.auth_timeout)

        async def handle(frame: bytes) -> None:
            client.say(client.conversation.answer(client.dialect.read(frame)))

        self._clients.add(client)
        code: int | None = None
        try:
            code = await run_session(socket, client.outbox, handle, text=client.dialect.text)
        finally:
            timer.cancel()
            self._clients.discard(client)
            self._connections.leave(client, code, loop.time())

    def _admit(self, client: _Client, key: str, secret: str) -> int | None:
        """Return the code that refuses these keys on this feed, None when they may come in."""
        if self._keys.refusal(key, secret) is not None:
            return 402
        if client.feed == "sip" and not self._plan.recent_sip:
            return 409
        now_s = asyncio.get_running_loop().time()
        return None if self._connections.enter(client, (client.feed, key), now_s) else 406


class _Wants:
    """What any of these clients subscribed to; asked once per channel and symbol."""

    def __init__(self, clients: Sequence[_Client]) -> None:
        self._clients = clients
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, channel: str, symbol: str) -> bool:
        key = (channel, symbol)
        if key not in self._known:
            self._known[key] = any(client.wants(channel, symbol) for client in self._clients)
        return self._known[key]


class _Client:
    """One connection: its feed, its dialect, its conversation and what waits for it."""

    conversation: Conversation

    def __init__(self, feed: str, dialect: Dialect) -> None:
        self.feed = feed
        self.dialect = dialect
        self.outbox = Outbox(farewell=dialect.write([error(407)]))

    def wants(self, channel: str, symbol: str) -> bool:
        """Whether the client may be told of that; the test feed renames its one symbol."""
        name = TEST_SYMBOL if self.feed == _TEST else symbol
        return self.conversation.wants(channel, name)

    def say(self, *answers: Answer) -> None:
        """Queue answers, each a frame of its own; end the connection where one says so."""
        for answer in answers:
            self.outbox.put(self.dialect.write([answer.message]))
            if answer.ends:
                self.outbox.finish()

    def auth_timeout(self) -> None:
        """Say that nobody authenticated in time, and end."""
        if not self.conversation.authenticated:
            self.say(refuse(404))

    def deliver(self, messages: Sequence[Message]) -> None:
        """Queue what this client subscribed to, in batches."""
        wants = self.conversation.wants
        wanted = [one for one in messages if wants(one.channel, one.symbol)]
        for first in range(0, len(wanted), BATCH_MAX):
            self.outbox.put(self.dialect.write(wanted[first : first + BATCH_MAX]))
