"""What every HTTP request passes: keys, the rate limit, fresh market time, Alpaca's headers."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.exchange_sim.http.replies import encode
from services.exchange_sim.naming import seeded_uuid
from shared.clock import Clock
from shared.errors import SystemFault
from shared.telemetry.logs import log_event

logger = logging.getLogger("exchange-sim")
REQUESTS_PER_MINUTE = 200
_WINDOW_S = 60
UNAUTHORIZED = 401
FORBIDDEN = 403
TOO_MANY = 429
BROKEN, BROKEN_CODE, BROKEN_WORDS = 500, 50010000, "internal server error occurred"
OAUTH_KEY_ID = "oauth"
"""Stands for the key id where a client has only a token (Alpaca's streams say it so); the
token is then the secret key."""
_UNCOUNTED_PATHS = ("/sim/", "/api/")
"""The simulator's own doors, and Unusual Whales, which counts by itself."""
_DATA_PATHS = ("/v2/stocks", "/v1beta1", "/v1beta3")


@dataclass(frozen=True, slots=True)
class Keys:
    """Who may come in; without a key id, everybody who brings some key and secret."""

    key_id: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)

    def refusal(self, key_id: str, secret: str) -> int | None:
        """Return the HTTP status that refuses these keys, None when they are right."""
        if not key_id or not secret:
            return UNAUTHORIZED
        if self.key_id is None or self.secret_key is None:
            return None
        same_id = _is_same(key_id, self.key_id) or key_id == OAUTH_KEY_ID
        same_secret = _is_same(secret, self.secret_key)
        return None if same_id and same_secret else FORBIDDEN


def _is_same(one: str, other: str) -> bool:
    # A stream client may say half a surrogate pair, which has no encoding of its own.
    words = (word.encode(errors="surrogatepass") for word in (one, other))
    return hmac.compare_digest(*words)


def keys_of(headers: dict[bytes, bytes]) -> tuple[str, str]:
    """Return key and secret of APCA headers, Basic, or a Bearer token; empty without any."""
    key = headers.get(b"apca-api-key-id", b"").decode("latin-1")
    secret = headers.get(b"apca-api-secret-key", b"").decode("latin-1")
    if key or secret:
        return key, secret
    kind, _, text = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if kind.lower() == "bearer":
        return OAUTH_KEY_ID, text.strip()
    if kind.lower() == "basic":
        try:
            pair = base64.b64decode(text, validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            return "", ""
        key, _, secret = pair.partition(":")
        return key, secret
    return "", ""


class RateWindow:
    """Counts requests per minute of real time; refuses the excess only when `enforced`."""

    def __init__(self, clock: Clock, *, enforced: bool) -> None:
        self._clock = clock
        self._enforced = enforced
        self._minute = -1
        self._count = 0

    def count(self) -> bool:
        """Count one request; False when it is one too many."""
        minute = int(self._clock.monotonic_s()) // _WINDOW_S
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return not self._enforced or self._count <= REQUESTS_PER_MINUTE

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return Alpaca's three headers."""
        left_s = _WINDOW_S - int(self._clock.monotonic_s()) % _WINDOW_S
        reset = int(self._clock.utc_now().timestamp()) + left_s
        left = max(0, REQUESTS_PER_MINUTE - self._count)
        return [
            (b"x-ratelimit-limit", str(REQUESTS_PER_MINUTE).encode()),
            (b"x-ratelimit-remaining", str(left).encode()),
            (b"x-ratelimit-reset", str(reset).encode()),
        ]


class RateWindows:
    """Trading and market data have a budget each; other surfaces cost nothing here."""

    def __init__(self, clock: Clock, *, enforced: bool) -> None:
        self._trading = RateWindow(clock, enforced=enforced)
        self._data = RateWindow(clock, enforced=enforced)
        self.birth = f"{clock.boot_id()}:{clock.boottime_s()}"
        """Tells the requests of this process from those of every other."""

    def of(self, path: str) -> RateWindow | None:
        """Return the budget of a path."""
        if path.startswith(_UNCOUNTED_PATHS):
            return None
        return self._data if path.startswith(_DATA_PATHS) else self._trading


class Gate:
    """ASGI middleware around the HTTP routes; streams authenticate by message instead."""

    def __init__(
        self, app: ASGIApp, keys: Keys, windows: RateWindows, fresh_time: Callable[[], None]
    ) -> None:
        self._app = app
        self._keys = keys
        self._windows = windows
        self._fresh_time = fresh_time
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse at the gate."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._requests += 1
        request_id = seeded_uuid("request", self._windows.birth, self._requests).replace("-", "")
        window = self._windows.of(scope["path"])
        allowed = window is None or window.count()
        extra = [(b"x-request-id", request_id.encode())]
        extra += window.headers() if window is not None else []

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        status = self._keys.refusal(*keys_of(dict(scope["headers"])))
        if status is not None:
            word = "unauthorized." if status == UNAUTHORIZED else "forbidden."
            await _answer(send_with_headers, status, {"message": word})
        elif not allowed:
            document = {"code": 42910000, "message": "rate limit exceeded"}
            await _answer(send_with_headers, TOO_MANY, document)
        elif not self._has_fresh_time():
            document = {"code": BROKEN_CODE, "message": BROKEN_WORDS}
            await _answer(send_with_headers, BROKEN, document)
        else:
            await self._app(scope, receive, send_with_headers)

    def _has_fresh_time(self) -> bool:
        """Move market time on; False when the disk refuses what happens meanwhile."""
        try:
            self._fresh_time()
        except SystemFault as fault:
            log_event(logger, "database_refused", str(fault), level=logging.ERROR)
            return False
        return True


async def _answer(send: Send, status: int, document: dict[str, object]) -> None:
    body = encode(document)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
