"""The one way out over HTTP: timeouts, a total deadline, safe retries, ceilings, no redirects.

The door is a requests session whose adapter does all of it, so that a vendor's client whose
session carries this adapter obeys the same rules as our own calls:
- connect and silence timeouts, and a deadline over the whole call, retries and body included;
- only GET is retried, on connection trouble and on 408, 425, 429 and 5xx, with growing, jittered
  pauses that honour Retry-After; nothing that changes anything is ever sent twice;
- redirects are refused, since keys stand in the headers;
- reads stop at a ceiling per minute, and fail at once while the breaker is open; writes pass.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests
from ratelimit import RateLimitException, limits
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result

from shared.clock import Clock
from shared.errors import ConfigFault, SystemFault, TransientFault
from shared.resilience.breaker import CallBreaker
from shared.resilience.classification import classify_reply, fault_from, fault_of
from shared.resilience.classification_rows import Placement
from shared.resilience.deadline_sockets import (
    DeadlinePool,
    DeadlineTlsPool,
    current_deadline,
    tls_context,
)

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
PAUSE_FIRST_S, PAUSE_MAX_S, JITTER = 0.25, 5.0, 0.2


class RedirectRefused(ConfigFault):
    """The other side answered with a redirect: the address in the settings is wrong."""

    placement = Placement.NOT_PLACED


class CallWithheld(TransientFault):
    """The door itself held a read back: the breaker is open or the ceiling is reached."""

    placement = Placement.NOT_PLACED


@dataclass(frozen=True, slots=True)
class DoorRules:
    """Bounds of every call through a door, in seconds."""

    connect_s: float = 3.0
    silence_s: float = 5.0
    total_s: float = 10.0
    attempts: int = 3
    """Tries of a read, the first included."""
    reads_per_minute: int | None = 150
    """Own ceiling for reads, below the broker's 200 per minute so that orders always find room;
    None where the other side has no limit."""


@dataclass(frozen=True, slots=True)
class RateReading:
    """What the other side last said of our budget per minute."""

    limit: int
    remaining: int


class DoorAdapter(HTTPAdapter):
    """The adapter that carries the rules; mounted on any requests session, it binds it.

    `send` takes requests' `timeout` as (silence_s, total_s) when a call needs other bounds than
    the rules; a single number or none means the rules.
    """

    def __init__(
        self, rules: DoorRules, clock: Clock, breaker: CallBreaker | None = None, seed: int = 0
    ) -> None:
        self.rules = rules
        self.breaker = breaker
        self.rate: RateReading | None = None
        self.closing = threading.Event()
        # Jitter is no secret: a seeded generator makes it repeatable.
        self._random = random.Random(seed)  # nosec B311
        self._take_read: Callable[[], None] | None = None
        if rules.reads_per_minute is not None:
            ceiling = limits(calls=rules.reads_per_minute, period=60, clock=clock.monotonic_s)
            self._take_read = ceiling(lambda: None)
        self._retrying = Retrying(
            stop=self._must_stop,
            wait=self._pause_s,
            retry=retry_if_exception_type(RequestException) | retry_if_result(_may_pass_later),
            sleep=self._sleep,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        self._clock = clock
        super().__init__(max_retries=0, pool_connections=4, pool_maxsize=8)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let requests build its pools over sockets that obey the deadline."""
        super().init_poolmanager(*args, ssl_context=tls_context(), **options)
        self.poolmanager.pool_classes_by_scheme = {"http": DeadlinePool, "https": DeadlineTlsPool}

    def send(  # type: ignore[override]  # requests passes every option by its name
        self, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        """Send one request under the rules and return its whole reply.

        Raises requests' exceptions, and a SystemFault for what the door itself refuses.
        """
        timeout = options.pop("timeout", None)
        options["stream"] = False
        bounds = timeout if isinstance(timeout, tuple) else None
        silence_s, total_s = bounds or (self.rules.silence_s, self.rules.total_s)
        current_deadline().begin(total_s, silence_s)
        if request.method != "GET":
            return self._attempt(request, options)
        self._withhold_read()
        reply: requests.Response = self._retrying(self._attempt, request, options)
        if _is_hollow(reply):
            raise TransientFault(f"GET {request.url} was answered with an empty body")
        return reply

    def _attempt(self, request: requests.PreparedRequest, options: Any) -> requests.Response:
        timeout = (self.rules.connect_s, current_deadline().next_wait_s())
        try:
            reply = super().send(request, timeout=timeout, **options)
            _ = reply.content  # the body belongs to the attempt: it may break off, too
        except RequestException:
            if self.breaker is not None:
                self.breaker.failed()
            raise
        self._learn(reply)
        if reply.is_redirect or 300 <= reply.status_code < 400:
            raise RedirectRefused(f"{request.method} {request.url} answered with a redirect")
        return reply

    def _learn(self, reply: requests.Response) -> None:
        if self.breaker is not None:
            if reply.status_code >= 500:
                self.breaker.failed()
            else:
                self.breaker.succeeded()
        limit = reply.headers.get("X-RateLimit-Limit", "")
        remaining = reply.headers.get("X-RateLimit-Remaining", "")
        if limit.isdecimal() and remaining.isdecimal():
            self.rate = RateReading(int(limit), int(remaining))

    def _withhold_read(self) -> None:
        """Raise CallWithheld while the breaker is open or the ceiling is reached."""
        wait_s = self.breaker.wait_s() if self.breaker is not None else 0.0
        if wait_s > 0:
            raise CallWithheld(f"reads pause for {wait_s:.1f} s after repeated failures")
        if self._take_read is None:
            return
        try:
            self._take_read()
        except RateLimitException as error:
            left_s = error.period_remaining
            raise CallWithheld(f"own ceiling of reads per minute, {left_s:.0f} s left") from None

    def _must_stop(self, state: RetryCallState) -> bool:
        if self.closing.is_set() or state.attempt_number >= self.rules.attempts:
            return True
        return state.upcoming_sleep >= current_deadline().left_s

    def _pause_s(self, state: RetryCallState) -> float:
        asked = _retry_after_s(state)
        if asked is not None:
            return asked
        growing = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2 ** (state.attempt_number - 1))
        return float(growing * (1 + JITTER * self._random.random()))

    def _sleep(self, seconds: float) -> None:
        self._clock.wait(self.closing, seconds)


def _may_pass_later(reply: requests.Response) -> bool:
    return reply.status_code in RETRIED_STATUSES or _is_hollow(reply)


def _is_hollow(reply: requests.Response) -> bool:
    """Whether a read succeeded in nothing: a gateway's word, since every read has a body. The
    vendor's client would make it None, which looks like a changed contract.
    """
    return reply.status_code == 200 and not reply.content


def _retry_after_s(state: RetryCallState) -> float | None:
    """Return the pause that a reply asked for in seconds; dates are not taken."""
    if state.outcome is None or state.outcome.failed:
        return None
    asked = state.outcome.result().headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else None


class HttpDoor:
    """A session behind the adapter, for our own calls: JSON in, JSON out, faults raised."""

    def __init__(
        self, adapter: DoorAdapter, headers: Mapping[str, str], *, identity: str = "sht"
    ) -> None:
        self.adapter = adapter
        self.session = requests.Session()
        # Neither proxies nor .netrc of the environment: keys go where the settings say.
        self.session.trust_env = False
        self.session.headers.update({**headers, "User-Agent": identity})
        mount(self.session, adapter)

    def get_json(self, url: str, params: Mapping[str, str] | None = None) -> object:
        """Return the decoded reply of a GET, numbers with a point as Decimal.

        Raises SystemFault of the right family for everything else than a readable 2xx.
        """
        return self._call("GET", url, None, {"params": params})

    def post_json(self, url: str, body: Mapping[str, object], total_s: float) -> object:
        """Return the decoded reply of one POST, which is never repeated and may stay silent
        and last for `total_s`. Raises as `get_json`.
        """
        return self._call("POST", url, (total_s, total_s), {"json": dict(body)})

    def close(self) -> None:
        """End pauses between tries and let the connections go."""
        self.adapter.closing.set()
        self.session.close()

    def _call(
        self, method: str, url: str, bounds: tuple[float, float] | None, content: dict[str, Any]
    ) -> object:
        call = f"{method} {url}"
        try:
            reply = self.session.request(
                method, url, timeout=bounds, allow_redirects=False, **content
            )
            if not reply.ok:
                raise fault_of(classify_reply(reply.status_code, reply.text), call)
            return json.loads(reply.content, parse_float=Decimal)
        except SystemFault:
            raise
        except (RequestException, ValueError, OSError) as error:
            raise fault_from(error, call) from error


def mount(session: requests.Session, adapter: DoorAdapter) -> None:
    """Put a session, ours or a vendor's, under the adapter's rules."""
    session.mount("http://", adapter)
    session.mount("https://", adapter)
