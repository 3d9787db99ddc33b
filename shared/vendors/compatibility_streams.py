"""Whether the two streams let us in and say that they listen. Nothing is waited for beyond that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from shared.clock import Clock
from shared.config.endpoints import Endpoints
from shared.config.settings import Settings
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.vendors.alpaca_market_data import DataStreamSession
from shared.vendors.connect import open_trade_stream
from shared.vendors.websocket_link import ConnectionLimit, StreamSession, WebsocketLink
from shared.vendors.websocket_opening import Handshake

STREAM_S = 10.0
LOOK_S = 0.05
STOP_S = 2.0


class _Witness:
    """A session that remembers why its handshake was refused."""

    def __init__(self, session: StreamSession) -> None:
        self._session = session
        self.name = session.name
        self.headers: Mapping[str, str] = session.headers
        self.fault: SystemFault | None = None

    def shake_hands(self, connection: Handshake) -> None:
        try:
            self._session.shake_hands(connection)
        except SystemFault as fault:
            self.fault = fault
            raise

    def take(self, message: str | bytes) -> bool:
        return self._session.take(message)

    def silence_s_max(self) -> float | None:
        return None

    def ended(self) -> None:
        self._session.ended()


def hears_trades(settings: Settings, endpoints: Endpoints, clock: Clock) -> None:
    """Raise SystemFault unless the trade stream confirms that it listens."""
    stream = open_trade_stream(settings, endpoints, clock)

    def look() -> bool:
        if "refused our keys" in stream.state.reason:
            raise ConfigFault(stream.state.reason)
        return stream.listening

    stream.start()
    try:
        _wait(look, clock, lambda: stream.state.reason)
    finally:
        stream.stop(timeout_s=STOP_S)


def hears_prices(endpoints: Endpoints, clock: Clock, symbol: str) -> None:
    """Raise SystemFault unless the data stream takes keys and subscription. That its one
    connection is taken, which is data-daemon's, proves the keys as well.
    """
    keys = (endpoints.key_id, endpoints.secret_key)
    session = DataStreamSession(keys, (symbol,), _ignore, _ignore, lambda: None)
    witness = _Witness(session)
    link = WebsocketLink(endpoints.data_stream_url, witness, clock)

    def look() -> bool:
        if isinstance(witness.fault, ConnectionLimit):
            return True
        if witness.fault is not None:
            raise witness.fault
        return link.is_live

    link.start()
    try:
        _wait(look, clock, lambda: link.state.reason)
    finally:
        link.stop(STOP_S)


def _ignore(*_: object) -> None:
    """Prices themselves are not asked for here."""


def _wait(look: Callable[[], bool], clock: Clock, reason: Callable[[], str]) -> None:
    never, ends_at_s = threading.Event(), clock.monotonic_s() + STREAM_S
    while not look():
        if clock.monotonic_s() > ends_at_s:
            raise TransientFault(f"not listening within {STREAM_S:.0f} s: {reason()}")
        clock.wait(never, LOOK_S)
