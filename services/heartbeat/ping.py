"""The dead man's switch: an outside service that misses our pings wakes a person.

The protocol is healthchecks.io's: the address itself means all is well, `/fail` that it is not,
`/start` that we begin. A silent machine pings nothing, which is the point.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from shared.clock import Clock
from shared.health.judge import Judgement, Standing
from shared.models.health import Status

if TYPE_CHECKING:
    from shared.resilience.http_door import HttpDoor

PING_EVERY_S = 60.0
GAP_S = 10.0
"""Even flips do not ping faster than this: the receivers count."""


@dataclass(frozen=True, slots=True)
class LastPing:
    """What was pinged last, and when (monotonic seconds)."""

    word: str
    at_s: float


def ping_word(judgement: Judgement) -> str:
    """Return `` for well, `fail` otherwise: well only on a fresh document that is not FAILED."""
    well = judgement.standing is Standing.FRESH and judgement.overall is not Status.FAILED
    return "" if well else "fail"


def is_due(word: str, last: LastPing | None, now_s: float, *, failed: bool = False) -> bool:
    """Whether to ping now: each minute, sooner on a flip or after a ping that was not taken,
    never within ten seconds.
    """
    if last is None:
        return True
    waited_s = now_s - last.at_s
    return waited_s >= PING_EVERY_S or ((failed or word != last.word) and waited_s >= GAP_S)


def ping_address(url: str, word: str) -> str:
    """Return the address with the word at the end of its path, before any question mark."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=f"{path}/{word}" if word else path))


class Pinger:
    """Pings from a thread of its own. `turn` belongs to the loop's thread and never waits."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._last: LastPing | None = None
        self._words: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.problem = ""
        """Why the last ping failed; empty when it was taken."""

    def start(self) -> None:
        """Begin; the thread is not waited for at the end."""
        threading.Thread(target=self._run, name="pings", daemon=True).start()

    def turn(self, judgement: Judgement) -> None:
        """Look whether a ping is due, and hand it over."""
        word, now_s = ping_word(judgement), self._clock.monotonic_s()
        if not is_due(word, self._last, now_s, failed=bool(self.problem)):
            return
        self._last = LastPing(word, now_s)
        self._words.put(word)

    def _run(self) -> None:
        # Imported here: requests is only needed where a ping address is set.
        from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor

        rules = DoorRules(reads_per_minute=None)
        door = HttpDoor(DoorAdapter(rules, self._clock), {}, identity="sht-heartbeat")
        self._ping(door, "start")
        while True:
            word = self._words.get()
            while not self._words.empty():
                word = self._words.get()  # a slow receiver hears only the newest
            self._ping(door, word)

    def _ping(self, door: HttpDoor, word: str) -> None:
        try:
            # POST: it changes what the receiver believes, and an empty answer is one.
            reply = door.session.post(ping_address(self._url, word), allow_redirects=False)
            self.problem = "" if reply.ok else f"the ping was answered {reply.status_code}"
        except Exception as failure:  # any library may fail in any way; the next ping must go out
            self.problem = f"the ping failed: {type(failure).__name__}"
