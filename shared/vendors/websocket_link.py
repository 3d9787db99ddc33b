"""One websocket kept open from a thread: connect, shake hands, listen, reconnect with backoff.

What is said over it is the session's business. Pings find a dead connection; silence of a
living one is only suspicious where the session says that data is due.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection

from shared.clock import Clock
from shared.errors import SystemFault, TransientFault
from shared.resilience.classification import classify_exception
from shared.telemetry.logs import log_event
from shared.vendors.websocket_opening import Handshake, connected_socket, open_websocket

PING_EVERY_S, PING_TIMEOUT_S = 10.0, 20.0
RECEIVE_S = 0.25
"""How long one receive waits before stop and silence are looked at."""
BACKOFF_FIRST_S, BACKOFF_MAX_S, JITTER = 1.0, 60.0, 0.2
LASTED_S = 10.0
"""A connection that lasted for longer, and was not mute, resets the backoff."""
LIMIT_PAUSE_S = 20.0
"""After an unclean end the server counts the dead connection for some 90 s and refuses another:
quick tries only keep it busy. Source: Lean.Brokerages.Alpaca, pull request 39.
"""
CONNECTION_LIMIT = "406"
"""Both streams' own code for it; at the opening it is HTTP 429."""
_TOO_MANY = 429
SIMULATED_PAUSE_S_MAX = 2.0
"""At the exchange of this machine: nobody there minds being asked often."""
CONNECTING, LIVE, DOWN = "connecting", "live", "down"

log = logging.getLogger("stream")


class ConnectionLimit(TransientFault):
    """The server counts too many connections of ours; they run out by themselves."""


class StreamSession(Protocol):
    """What is said over the link. Called from the link's thread only."""

    name: str
    headers: Mapping[str, str]

    def shake_hands(self, connection: Handshake) -> None:
        """Authenticate and subscribe; raises SystemFault when it is refused."""

    def take(self, message: str | bytes) -> bool:
        """Take one message and return whether it brought what the stream is for; raises SystemFault
        when the connection must be given up.
        """

    def silence_s_max(self) -> float | None:
        """Seconds without anything of use after which the connection is given up; None: never."""

    def ended(self) -> None:
        """The connection that was live is gone."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the link says of itself."""

    state: str
    """connecting, live or down."""
    reason: str


@dataclass(frozen=True, slots=True)
class LinkPace:
    """How patient a link is, in real seconds."""

    pause_s_max: float = BACKOFF_MAX_S
    """The longest pause between two tries."""
    ping_every_s: float = PING_EVERY_S
    ping_timeout_s: float = PING_TIMEOUT_S
    """An unanswered ping ends the connection after this, and so do bytes that nobody takes: nothing
    else finds a half-open one."""


PATIENT = LinkPace()


class WebsocketLink:
    """Keeps one session alive until stopped."""

    def __init__(
        self,
        url: str,
        session: StreamSession,
        clock: Clock,
        pace: LinkPace = PATIENT,
        seed: int = 0,
    ) -> None:
        self._url = url
        self._session = session
        self._clock = clock
        self._pace = pace
        # Jitter is no secret: a seeded generator makes it repeatable.
        self._random = random.Random(seed)  # nosec B311
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._heard_at_s: float | None = None
        self._line: socket.socket | None = None
        """The connection's own line, by which its opening is ended from outside."""
        self.state = LinkState(DOWN, "not started")
        self.failed_tries = 0
        """Tries in a row that came to nothing: refused, cut at once, or mute. 0 once a connection
        has lasted and spoken.
        """
        self.connections = 0
        """How often the session became live; a change means that messages may be missing."""

    def start(self) -> None:
        """Begin connecting in a thread of its own; once."""
        if self._thread is not None:
            return
        self.state = LinkState(CONNECTING, "first connection")
        self._thread = threading.Thread(
            target=self._run, name=f"stream-{self._session.name}", daemon=True
        )
        self._thread.start()

    @property
    def is_live(self) -> bool:
        """Whether the handshake is done and the connection still stands."""
        return self.state.state == LIVE

    @property
    def silent_s(self) -> float | None:
        """Real seconds since the last message of this connection, None when there was none."""
        heard_at_s = self._heard_at_s
        return None if heard_at_s is None else self._clock.monotonic_s() - heard_at_s

    def stop(self, timeout_s: float) -> None:
        """Close and end the thread within the timeout."""
        self._stop.set()
        line = self._line
        if line is not None and not self.is_live:
            with suppress(OSError):  # an opening in progress would wait for its own timeout
                line.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            reason, least_pause_s = self._one_connection()
            if self._stop.is_set():
                break
            growing_s = BACKOFF_FIRST_S * 2 ** min(self.failed_tries, 16)
            pause_s = min(self._pace.pause_s_max, max(growing_s, least_pause_s))
            pause_s *= 1 + JITTER * self._random.random()
            self.failed_tries += 1
            self.state = LinkState(DOWN, reason)
            log_event(
                log,
                "stream_down",
                f"{self._session.name}: {reason}; next try in {pause_s:.1f} s",
                level=logging.WARNING,
            )
            self._clock.wait(self._stop, pause_s)
            self.state = LinkState(CONNECTING, reason)
        self.state = LinkState(DOWN, "stopped")

    def _one_connection(self) -> tuple[str, float]:
        """Connect, listen until it ends; return why it ended and the least pause, in seconds."""
        was_live = False
        try:
            with self._opened() as connection:
                self._session.shake_hands(Handshake(connection, self._clock))
                was_live = True
                self._heard_at_s = self._clock.monotonic_s()
                self.connections += 1
                self.state = LinkState(LIVE, "")
                log_event(log, "stream_live", f"{self._session.name} is live")
                return self._listen(connection), 0.0
        except ConnectionLimit as limit:
            return str(limit), LIMIT_PAUSE_S
        except InvalidStatus as refusal:
            is_limit = refusal.response.status_code == _TOO_MANY
            return _in_words(refusal), LIMIT_PAUSE_S if is_limit else 0.0
        except (SystemFault, WebSocketException, OSError, EOFError, ValueError) as failure:
            return _in_words(failure), 0.0
        except Exception as failure:
            # Nobody restarts this thread: what breaks in it costs the connection, no more.
            log.exception("the stream's reader broke", extra={"event": "stream_broken"})
            return _in_words(failure), 0.0
        finally:
            if self._line is not None:
                self._line.close()
                self._line = None
            if was_live:
                self.state = LinkState(DOWN, "connection ended")
                self._session.ended()

    def _opened(self) -> ClientConnection:
        sock = connected_socket(self._url, self._pace.ping_timeout_s)
        self._line = sock.dup()
        pings_s = (self._pace.ping_every_s, self._pace.ping_timeout_s)
        return open_websocket(self._url, sock, self._session.headers, pings_s)

    def _listen(self, connection: ClientConnection) -> str:
        begun_s = brought_at_s = self._clock.monotonic_s()
        has_brought = False
        while not self._stop.is_set():
            limit_s, now_s = self._session.silence_s_max(), self._clock.monotonic_s()
            if limit_s is None:
                brought_at_s = now_s  # silence counts from when it became suspicious
            elif now_s - brought_at_s > limit_s:
                return f"silent for {now_s - brought_at_s:.0f} s although data is due"
            if now_s - begun_s > LASTED_S and (has_brought or limit_s is None):
                # One that broke at once, even after a good handshake, is no recovery.
                self.failed_tries = 0
            try:
                message = connection.recv(timeout=RECEIVE_S)
            except TimeoutError:
                continue
            self._heard_at_s = self._clock.monotonic_s()
            if self._session.take(message):
                # Words alone prove no stream: one may chat and bring nothing of what is due.
                has_brought, brought_at_s = True, self._heard_at_s
        return "stopped"


def _in_words(failure: Exception) -> str:
    verdict = classify_exception(failure)
    return f"{verdict.code}: {verdict.message}"
