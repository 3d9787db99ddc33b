"""The trade_updates stream: events of our orders, as hints; REST stays the truth (rule 11).

A connection counts as listening only after the server's own `listening` acknowledgement; an
order sent earlier could fill unseen. Events wait in a bounded queue until the bot drains them.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Mapping

from shared.clock import Clock
from shared.contracts.alpaca_orders import read_trade_update
from shared.contracts.drift import SchemaDrift
from shared.contracts.fields import Fields
from shared.errors import ConfigFault, TransientFault
from shared.models.broker import TradeUpdate
from shared.models.ids import parse_own_id
from shared.telemetry.logs import log_event
from shared.vendors.websocket_link import (
    CONNECTION_LIMIT,
    PATIENT,
    ConnectionLimit,
    LinkPace,
    LinkState,
    WebsocketLink,
)
from shared.vendors.websocket_opening import Handshake

QUEUE_MAX = 10_000
HANDSHAKE_MESSAGES_MAX = 20
log = logging.getLogger("stream")


class _TradeSession:
    """Speaks the trading stream: authenticate, listen, take updates."""

    name = "trade_updates"
    headers: Mapping[str, str] = {}

    def __init__(self, key_id: str, secret_key: str) -> None:
        self._key_id = key_id
        self._secret_key = secret_key
        self._lock = threading.Lock()
        self._queue: deque[TradeUpdate] = deque()
        self.is_listening = False
        self.dropped = 0
        self.drifts = 0
        self.last_drift: SchemaDrift | None = None

    def shake_hands(self, connection: Handshake) -> None:
        keys = {"key_id": self._key_id, "secret_key": self._secret_key}
        connection.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = self._wait_for(connection, "authorization")
        if answer.get("status") != "authorized":
            raise ConfigFault("the trade stream refused our keys")
        connection.send(json.dumps({"action": "listen", "data": {"streams": [self.name]}}))
        answer = self._wait_for(connection, "listening")
        streams = answer.get("streams")
        if not isinstance(streams, list) or self.name not in streams:
            raise TransientFault("the trade stream does not confirm that it listens")
        self.is_listening = True

    def take(self, message: str | bytes) -> bool:
        frame = json.loads(message)
        if isinstance(frame, dict):
            _raise_refusal(frame)
        if not isinstance(frame, dict) or frame.get("stream") != self.name:
            return False
        try:
            update = read_trade_update(frame.get("data"))
        except SchemaDrift as drift:
            self._note_drift(frame.get("data"), drift)
            return False
        with self._lock:
            if len(self._queue) >= QUEUE_MAX:
                self._queue.popleft()
                self.dropped += 1
            self._queue.append(update)
        return True

    def drain(self) -> tuple[TradeUpdate, ...]:
        with self._lock:
            updates = tuple(self._queue)
            self._queue.clear()
        return updates

    @property
    def has_news(self) -> bool:
        return bool(self._queue)

    def silence_s_max(self) -> float | None:
        # An account may be quiet for hours; pings alone tell a dead connection here.
        return None

    def ended(self) -> None:
        self.is_listening = False

    def _wait_for(self, connection: Handshake, stream: str) -> Mapping[str, object]:
        for _ in range(HANDSHAKE_MESSAGES_MAX):
            raw = connection.recv()
            frame = Fields(json.loads(raw), "stream")
            _raise_refusal(frame.raw)
            if frame.raw.get("stream") == stream:
                return Fields(frame.raw.get("data"), f"stream.{stream}").raw
        raise TransientFault(f"the trade stream never answers with {stream}")

    def _note_drift(self, data: object, drift: SchemaDrift) -> None:
        order = data.get("order") if isinstance(data, dict) else None
        client_id = order.get("client_order_id") if isinstance(order, dict) else None
        if isinstance(client_id, str) and parse_own_id(client_id) is None:
            return  # a foreign order or a leg; REST shows what it means for us
        self.drifts += 1
        self.last_drift = drift
        log_event(
            log,
            "trade_update_unreadable",
            f"an update broke its contract: {drift}",
            level=logging.ERROR,
            failure_class=str(drift.failure_class),
        )


def _raise_refusal(frame: Mapping[str, object]) -> None:
    """Raise what an error message of the stream means; it ends the connection."""
    data = frame.get("data")
    if frame.get("stream") != "error" or not isinstance(data, Mapping):
        return
    code, said = str(data.get("code")), str(data.get("message", ""))[:100]
    log_event(log, "stream_error", f"trade stream: {said}", level=logging.WARNING, code=code)
    if code == CONNECTION_LIMIT:
        raise ConnectionLimit(f"the trade stream has too many connections of ours ({said})")
    raise TransientFault(f"the trade stream reports {code} {said}")


class TradeStream:
    """Trade updates of one account, from a thread of its own."""

    def __init__(
        self, url: str, keys: tuple[str, str], clock: Clock, pace: LinkPace = PATIENT
    ) -> None:
        self._session = _TradeSession(*keys)
        self._link = WebsocketLink(url, self._session, clock, pace)

    def start(self) -> None:
        """Begin connecting; `listening` turns true once the server confirmed."""
        self._link.start()

    @property
    def listening(self) -> bool:
        """Whether the server confirmed that it sends us updates over a standing connection."""
        return self._link.is_live and self._session.is_listening

    @property
    def state(self) -> LinkState:
        """connecting, live or down, and why."""
        return self._link.state

    @property
    def gaps(self) -> int:
        """Rises whenever updates may have been missed: each new connection, each overflow.
        Reconcile when it changed.
        """
        return self._link.connections + self._session.dropped

    @property
    def failed_tries(self) -> int:
        """Connections in a row that came to nothing."""
        return self._link.failed_tries

    @property
    def drifts(self) -> int:
        """How many updates of ours broke their contract."""
        return self._session.drifts

    @property
    def last_drift(self) -> SchemaDrift | None:
        """The newest broken contract on an update of ours."""
        return self._session.last_drift

    @property
    def last_message_age_s(self) -> float | None:
        """Real seconds since the last message, None when there was none."""
        return self._link.silent_s

    @property
    def has_news(self) -> bool:
        """Whether updates wait to be drained."""
        return self._session.has_news

    def drain(self) -> tuple[TradeUpdate, ...]:
        """Return the updates that came since the last call, in the order of their arrival."""
        return self._session.drain()

    def stop(self, timeout_s: float) -> None:
        """Close the connection and end the thread within the timeout."""
        self._link.stop(timeout_s)
