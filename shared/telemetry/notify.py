"""sd_notify: how a service tells its supervisor that it is ready, alive, and how it feels.

The protocol is systemd's (sd_notify(3)): newline-separated KEY=VALUE in one datagram to the
socket named by NOTIFY_SOCKET. Private words begin with X_ (CONTRACTS.md section 6). A beat is
sent only by the loop that does the work, after a finished unit of work.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

DATAGRAM_BYTES_MAX = 8192
REASON_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat: what the service itself says of its health after a unit of work."""

    progress: int
    """Finished turns of the loop; must rise from beat to beat."""
    health: str = "OK"
    """OK, DEGRADED or FAILED."""
    reason: str = ""
    failure_class: str | None = None
    """SCHEMA, RISK or CONFIG while FAILED for such a cause: health.json then names that code."""
    trading_state: str | None = None
    trading_state_cause: str | None = None
    port: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:REASON_CHARACTERS_MAX]


class Notifier:
    """Sends to the supervisor that started us; silent, and harmless, when there is none."""

    def __init__(self, socket_path: str | None) -> None:
        self._socket: socket.socket | None = None
        if not socket_path:
            return
        address = "\0" + socket_path[1:] if socket_path.startswith("@") else socket_path
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    @classmethod
    def from_environment(cls) -> Notifier:
        """Return a notifier for NOTIFY_SOCKET of the environment."""
        return cls(os.environ.get("NOTIFY_SOCKET"))

    @property
    def is_supervised(self) -> bool:
        """Whether a supervisor gave us a socket."""
        return self._socket is not None

    def send(self, words: Mapping[str, str]) -> bool:
        """Send the words in one datagram; False when nobody listens or the socket is full.

        A lost beat is the supervisor's business, never a reason to stop working.
        """
        if self._socket is None:
            return False
        lines = "\n".join(f"{key}={_one_line(value)}" for key, value in words.items())
        try:
            self._socket.sendto(lines.encode()[:DATAGRAM_BYTES_MAX], self._address)
        except OSError:
            return False
        return True

    def ready(self, status: str = "") -> None:
        """READY: lock held, state loaded, loop turning; not reconciled, not connected."""
        self.send({"READY": "1", "STATUS": status})

    def beat(self, beat: Beat) -> None:
        """One WATCHDOG beat with our own words beside it."""
        words = {
            "WATCHDOG": "1",
            "STATUS": beat.reason or beat.health,
            "X_HEALTH": beat.health,
            "X_REASON": beat.reason,
            "X_PROGRESS": str(beat.progress),
        }
        if beat.failure_class is not None:
            words["X_CLASS"] = beat.failure_class
        if beat.trading_state is not None:
            words["X_TRADING_STATE"] = beat.trading_state
            words["X_TRADING_STATE_CAUSE"] = beat.trading_state_cause or "none"
        if beat.port is not None:
            words["X_PORT"] = str(beat.port)
        self.send(words)
        if beat.metrics:
            self._send_metrics(beat.metrics)

    def _send_metrics(self, metrics: Mapping[str, float]) -> None:
        if self._socket is None:
            return
        text = "X_METRICS=" + json.dumps(dict(metrics), allow_nan=False, separators=(",", ":"))
        if len(text) <= DATAGRAM_BYTES_MAX:
            try:
                self._socket.sendto(text.encode(), self._address)
            except OSError:
                return

    def stopping(self, status: str = "stopping") -> None:
        """Say that the end was asked for."""
        self.send({"STOPPING": "1", "STATUS": status})

    def extend_timeout(self, seconds: float) -> None:
        """Ask for more time before a long call, so that waiting never becomes a kill."""
        self.send({"EXTEND_TIMEOUT_USEC": str(int(seconds * 1_000_000))})
