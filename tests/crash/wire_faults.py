"""What befalls each request: drawn in advance of its being carried out, from the history's seed."""

from __future__ import annotations

from collections import Counter
from random import Random

from tests.crash.history import History, Strike, Wire, WireKind
from tests.crash.venue import Reply, Request

SILENCE_S = 5.0
"""As long as the door waits for a silent broker."""
SLOW_S = (0.3, 1.2, 3.0)
LATE_S = (0.05, 0.6, 4.0, 15.0, 45.0)
_JSON = ((b"content-type", b"application/json"),)
GATEWAY_TIMEOUT = Reply(504, ((b"content-type", b"text/html"),), b"<html>504</html>")
UNAVAILABLE = Reply(503, _JSON, b'{"code":50310000,"message":"service unavailable"}')
SERVER_ERROR = Reply(500, _JSON, b'{"code":50010000,"message":"internal server error occurred"}')
TOO_MANY = Reply(429, (*_JSON, (b"retry-after", b"1")), b'{"code":42910000,"message":"slow down"}')
GARBAGE = Reply(200, _JSON, b'{"id": "\xff')
EMPTY = Reply(200, _JSON, b"")

UNTOUCHED = frozenset({WireKind.LOST_BEFORE, WireKind.REFUSED_BEFORE, WireKind.TOO_MANY})
"""The request is not carried out."""
CANNED: dict[WireKind, Reply] = {
    WireKind.GATEWAY_TIMEOUT: GATEWAY_TIMEOUT,
    WireKind.REFUSED_BEFORE: UNAVAILABLE,
    WireKind.SERVER_ERROR_AFTER: SERVER_ERROR,
    WireKind.TOO_MANY: TOO_MANY,
    WireKind.GARBAGE: GARBAGE,
    WireKind.EMPTY: EMPTY,
}


class WireDice:
    """Draws, request by request."""

    def __init__(self, history: History) -> None:
        self._wire: Wire = history.wire
        self._dice = Random(f"wire {history.seed}")
        self._struck = Counter[Strike]()

    def kind(self, request: Request, what: str, now_s: float) -> WireKind | None:
        """Return what befalls this request of that kind, None when it goes well."""
        rate = self._wire.write_rate if request.is_write else self._wire.read_rate
        drawn, kind = self._dice.random(), self._dice.choice(self._wire.kinds)
        for strike in self._wire.strikes:
            if self._strikes(strike, what, now_s):
                self._struck[strike] += 1
                return strike.kind
        return kind if drawn < rate and now_s >= self._wire.quiet_s else None

    def _strikes(self, strike: Strike, what: str, now_s: float) -> bool:
        is_due = what == strike.what and strike.from_s <= now_s < strike.until_s
        return is_due and (strike.times is None or self._struck[strike] < strike.times)

    def latency_s(self) -> tuple[float, bool]:
        """Return how long a request is under way, and whether the exchange's own pulse, at which
        accepted requests happen, falls into that time.
        """
        return self._dice.choice((0.005, 0.02, 0.06)), self._dice.random() < 0.7

    def slow_s(self) -> float:
        """Return how long a slow reply takes."""
        return self._dice.choice(SLOW_S)

    def late_s(self) -> float:
        """Return after how long a late request arrives."""
        return self._dice.choice(LATE_S)
