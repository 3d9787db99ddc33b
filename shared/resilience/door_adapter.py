"""The adapter under every call that leaves: deadline, safe retries, ceilings, breakers.

Mounted on any requests session, ours or a vendor's, it binds that session:
- connect and silence timeouts, and a deadline over the whole call, retries and body included;
- only GET is retried, on connection trouble and on 408, 425, 429 and 5xx, with growing, jittered
  pauses that honour Retry-After; nothing that changes anything is ever sent twice;
- redirects are refused, since keys stand in the headers, and TLS is always verified;
- reads, entries and what protects go out over lanes of their own (lanes.py), each with its share
  of the budget and its breaker; safety is counted, told of, and never held back.
"""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result

from shared.clock import Clock
from shared.errors import ConfigFault, SystemFault
from shared.resilience.breaker import CallBreaker
from shared.resilience.call_tally import CallTally
from shared.resilience.classification import Verdict, classify_exception, classify_reply
from shared.resilience.classification_tally import TALLY
from shared.resilience.deadline_sockets import (
    DeadlinePool,
    DeadlineTlsPool,
    current_deadline,
    tls_context,
)
from shared.resilience.door_refusals import (
    CallWithheld,
    CertificateChanged,
    HollowReply,
    RedirectedAway,
    RedirectRefused,
)
from shared.resilience.door_rules import DoorHost, DoorRules, FailedCall
from shared.resilience.door_standing import DoorStanding, metric_word, standing_of
from shared.resilience.governor import Governor, RateReading, retry_after_s
from shared.resilience.lanes import Lane, lane_of, recheck
from shared.resilience.reply_body import is_hollow, made_of_a_reply, whole

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
PAUSE_FIRST_S, PAUSE_MAX_S, JITTER = 0.25, 5.0, 0.2
SLOW_S = 1.0
"""After a call that took so long, and before a second try, the host is told of the wait."""
WAIT_MARGIN_S = 5.0
REQUEST_ID_MAX = 80
LOOK_S = 0.1
"""So soon a pause hears that the process ends."""


class DoorAdapter(HTTPAdapter):
    """Carries the rules. `name` stands in logs and seeds the jitter.

    `send` takes requests' `timeout` as (silence_s, total_s) when a call needs other bounds than
    the rules; a single number or none means the rules.
    """

    def __init__(
        self,
        rules: DoorRules,
        clock: Clock,
        breakers: Mapping[Lane, CallBreaker] | None = None,
        name: str = "door",
        host: DoorHost | None = None,
    ) -> None:
        self.rules = rules
        self.name = name
        self.breakers = dict(breakers or {})
        self.governor = Governor(rules, clock)
        self._calls = CallTally()
        self.closing = threading.Event()
        self._host = host or DoorHost()
        self._has_served = False
        self._was_slow = False
        # Jitter is no secret: a seeded generator makes it repeatable.
        self._random = random.Random(zlib.crc32(name.encode()))  # nosec B311
        self._retrying = Retrying(
            stop=self._must_stop,
            wait=self._pause_s,
            retry=retry_if_exception_type(RequestException) | retry_if_result(_may_pass_later),
            sleep=self._pause,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        self._clock = clock
        super().__init__(max_retries=0, pool_connections=4, pool_maxsize=8)

    @property
    def rate(self) -> RateReading | None:
        """What the other side last said of the account's budget."""
        return self.governor.rate

    def standing(self) -> DoorStanding:
        """Return breakers and budgets as they are now, for status and metrics."""
        standing = standing_of(self.name, self.breakers, self.governor)
        return standing.with_metrics(self._calls.metrics(metric_word(self.name)))

    # --- TLS: one verifying context for all doors, which no session can weaken

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let requests build its pools over sockets that obey the deadline."""
        super().init_poolmanager(*args, ssl_context=tls_context(), **options)
        self.poolmanager.pool_classes_by_scheme = {"http": DeadlinePool, "https": DeadlineTlsPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Give a session with certificates of its own a context of its own: what it trusts must
        not be trusted by every other door. Raises ConfigFault when nothing should be verified.
        """
        if verify is False:
            raise ConfigFault("TLS is always verified: keys stand in the headers")
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if isinstance(verify, str):
            pool["ssl_context"] = tls_context(verify)
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Load nothing into a context that may be shared: it already has its certificates."""
        del url, verify, cert
        conn.cert_reqs = "CERT_REQUIRED"
        conn.ca_certs = conn.ca_cert_dir = None

    # --- one call

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
        began_s = self._clock.monotonic_s()
        tries = _Tries()
        if self._was_slow:
            self._host.on_wait(total_s + WAIT_MARGIN_S)
        try:
            reply = self._answered(request, options, tries)
        except (RequestException, SystemFault) as failure:
            self._failed(request, classify_exception(failure), tries, began_s)
            raise
        finally:
            took_s = self._clock.monotonic_s() - began_s
            self._was_slow = took_s >= SLOW_S
            self._calls.took(took_s)
        if reply.status_code >= 400:
            tries.request_id = reply.headers.get("X-Request-ID", "")[:REQUEST_ID_MAX]
            self._failed(request, classify_reply(reply.status_code, reply.text), tries, began_s)
        return reply

    def _answered(
        self, request: requests.PreparedRequest, options: Any, tries: _Tries
    ) -> requests.Response:
        if lane_of(request.method) is not Lane.READ:
            return self._attempt(request, options, tries)
        reply: requests.Response = self._retrying(self._attempt, request, options, tries)
        if is_hollow(reply):
            raise HollowReply(f"GET {_path(request)} was answered with no content of its own")
        return reply

    def _attempt(
        self, request: requests.PreparedRequest, options: Any, tries: _Tries
    ) -> requests.Response:
        lane = lane_of(request.method)
        self._admit(lane)
        if lane is not Lane.READ:
            recheck()
        tries.count += 1
        timeout = (self.rules.connect_s, current_deadline().next_wait_s())
        breaker = self.breakers.get(lane)
        try:
            told = self._host.alongside.take(request)
            reply = self._asked(request, options | {"timeout": timeout}) if told is None else told
        except RequestException as failure:
            if breaker is not None:
                breaker.failed()
            if self._has_served and classify_exception(failure).code == "certificate_refused":
                raise CertificateChanged(f"{_path(request)} shows another certificate") from failure
            raise
        if breaker is not None:
            (breaker.failed if reply.status_code >= 500 else breaker.succeeded)()
        self.governor.learn(reply.status_code, reply.headers)
        if 300 <= reply.status_code < 400:
            kind = RedirectedAway if self._has_served else RedirectRefused
            raise kind(f"{request.method} {_path(request)}", reply.status_code)
        self._has_served |= reply.status_code < 300 and not is_hollow(reply)
        return reply

    def _asked(self, request: requests.PreparedRequest, options: Any) -> requests.Response:
        with made_of_a_reply():
            # The body belongs to the attempt: it may break off, too.
            return whole(super().send(request, **options))

    def _failed(
        self, request: requests.PreparedRequest, verdict: Verdict, tries: _Tries, began_s: float
    ) -> None:
        TALLY.note(verdict)
        self._calls.failed(verdict.failure_class)
        took_s = self._clock.monotonic_s() - began_s
        call = f"{request.method} {_path(request)}"
        self._host.on_failed(FailedCall(call, verdict, tries.count, took_s, tries.request_id))

    # --- holding back

    def _admit(self, lane: Lane) -> None:
        """Wait for the lane's turn; raise CallWithheld when it is too far away. Safety goes out
        after its wait, whatever the counts say.
        """
        breaker = self.breakers.get(lane)
        pause_s = breaker.wait_s() if breaker is not None and lane is not Lane.SAFETY else 0.0
        if pause_s > 0:
            raise CallWithheld(f"{lane} calls pause for {pause_s:.1f} s after repeated failures")
        until_s = self._clock.monotonic_s() + self.rules.pace_s_max
        while (held := self.governor.take(lane)) is not None:
            is_near = self._clock.monotonic_s() + held.wait_s <= until_s
            if is_near and held.wait_s < current_deadline().left_s and not self.closing.is_set():
                # A process that ends still reads and cancels: it waits its turn as ever.
                self._clock.wait(self.closing, held.wait_s)
            elif lane is Lane.SAFETY:
                return
            else:
                raise CallWithheld(f"{held.reason}, {held.wait_s:.1f} s left")

    @property
    def _is_ending(self) -> bool:
        return self.closing.is_set() or self._host.stop.is_set()

    def _must_stop(self, state: RetryCallState) -> bool:
        if self._is_ending or state.attempt_number >= self.rules.attempts:
            return True
        return state.upcoming_sleep >= current_deadline().left_s

    def _pause_s(self, state: RetryCallState) -> float:
        if state.outcome is not None and not state.outcome.failed:
            headers = state.outcome.result().headers
            asked_s = retry_after_s(headers, self._clock.utc_now())
            if asked_s is not None:
                return asked_s
        growing = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2 ** (state.attempt_number - 1))
        return float(growing * (1 + JITTER * self._random.random()))

    def _pause(self, seconds: float) -> None:
        """Wait before another try; the end of the door, or of its process, ends it."""
        self._host.on_wait(current_deadline().left_s + WAIT_MARGIN_S)
        ends_at_s = self._clock.monotonic_s() + seconds
        while (left_s := ends_at_s - self._clock.monotonic_s()) > 0 and not self._is_ending:
            self._clock.wait(self.closing, min(LOOK_S, left_s))


class _Tries:
    """What is known of one call while it runs."""

    def __init__(self) -> None:
        self.count = 0
        self.request_id = ""


def _path(request: requests.PreparedRequest) -> str:
    """Return the address without its query, which may hold a token."""
    parts = urlsplit(str(request.url))
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _may_pass_later(reply: requests.Response) -> bool:
    return reply.status_code in RETRIED_STATUSES or is_hollow(reply)
