"""Asks the dashboard by a real request, from a thread of its own: a page that is listed as
running may still answer nobody, or tell an old verdict.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from services.heartbeat.subjects import PageAnswer
from shared.models.health import Status

ASK_EVERY_S = 5.0
TIMEOUT_S = 4.0
SILENT_AFTER_S = 20.0
"""A request that is not through after so long counts as no answer, dribbling included."""
BODY_BYTES_MAX = 8_000_000
PATH = "/api/system/health"


def ask_page(base_url: str, timeout_s: float = TIMEOUT_S) -> PageAnswer:
    """Return what the page answers; every failure is an answer with a problem."""
    try:
        status, body = _answer(base_url, timeout_s)
    except (OSError, ValueError, http.client.HTTPException) as failure:
        return PageAnswer(problem=f"it does not answer ({type(failure).__name__})")
    if status not in (200, 503):
        return PageAnswer(problem=f"it answers {status}")
    return _judged(body)


def _answer(base_url: str, timeout_s: float) -> tuple[int, bytes]:
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port or 80, timeout=timeout_s
    )
    try:
        connection.request("GET", PATH, headers={"User-Agent": "sht-heartbeat"})
        reply = connection.getresponse()
        return reply.status, reply.read(BODY_BYTES_MAX)
    finally:
        connection.close()


def _judged(body: bytes) -> PageAnswer:
    try:
        overall = json.loads(body)["overall"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return PageAnswer(problem="its answer is no verdict")
    if overall not in set(Status):
        return PageAnswer(problem="its answer is no verdict")
    return PageAnswer(overall=str(overall))


class PageProbe:
    """Asks again and again. `answer` belongs to the loop's thread and never waits."""

    def __init__(self, address: Callable[[], str | None]) -> None:
        self._address = address
        self._answer: PageAnswer | None = None
        self._asked_s: float | None = None
        """When the request under way was noticed by the loop."""
        self._rounds = 0
        self._seen_rounds = 0

    def start(self) -> None:
        """Begin; the thread is not waited for at the end."""
        threading.Thread(target=self._run, name="page-probe", daemon=True).start()

    def answer(self, now_s: float) -> PageAnswer | None:
        """Return the newest answer, None while there is no page to ask."""
        rounds = self._rounds
        if self._asked_s is None or rounds != self._seen_rounds:
            self._seen_rounds, self._asked_s = rounds, now_s
        elif now_s - self._asked_s > SILENT_AFTER_S:
            return PageAnswer(problem="its answer does not come to an end")
        return self._answer

    def _run(self) -> None:
        never = threading.Event()
        while True:
            address = self._address()
            self._answer = None if address is None else ask_page(address)
            self._rounds += 1
            never.wait(ASK_EVERY_S)
