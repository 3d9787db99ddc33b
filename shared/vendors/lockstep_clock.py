"""The market clock of a lock-step replay: the exchange hands out one minute at a time.

Market time stands still between two minutes, and while the exchange is down. Asking for the
next turn reports the one before as finished; the question is repeated until it is answered, so
that a lost reply, a restart of the exchange or of this process never skips a minute.
"""

from __future__ import annotations

import threading
from datetime import datetime

from shared.clock import Clock, utc_text
from shared.contracts.alpaca import read_clock
from shared.contracts.simulator import LockStepReply, ToldReply, read_lock_step, read_told
from shared.errors import SystemFault
from shared.models.broker import ClockReading
from shared.ports import Turn
from shared.resilience.alongside import Alongside, Told
from shared.resilience.classification import fault_from
from shared.resilience.http_door import HttpDoor

POLL_S_MAX = 1.0
"""One question may wait this long at the exchange, so that a stop is heard within it."""
REPLY_MARGIN_S = 4.0
ASKED_MAX = 8
"""So many reads the exchange answers at once."""
PAUSE_AFTER_FAILURE_S = 0.5


class LockStepMarketClock:
    """shared.ports.MarketClock over POST /sim/lockstep for one participant."""

    def __init__(
        self,
        door: HttpDoor,
        base_url: str,
        participant: str,
        clock: Clock,
        alongside: Alongside | None = None,
    ) -> None:
        """What is wanted `alongside` comes with each minute; so does what it renews."""
        self._door = door
        self._alongside = alongside or Alongside()
        self._alongside.renew = self._renew
        self._base_url = base_url
        self._participant = participant
        self._clock = clock
        self._given: datetime | None = None
        self._reading: ClockReading | None = None
        self.last_fault: SystemFault | None = None
        """Why the last question failed; None when it was answered."""

    def reading(self) -> ClockReading:
        """Return market time, which is that of the last answer; asks when there was none."""
        if self._reading is None:
            raw = self._door.get_json(f"{self._base_url}/v2/clock")
            self._reading = read_clock(raw)
        return self._reading

    def next_turn(self, stop: threading.Event, timeout_s: float) -> Turn | None:
        """Report the minute given before as finished and wait for the next one.

        Never raises: after a failure it pauses, returns None, and `last_fault` says why.
        """
        if stop.is_set():
            return None
        try:
            reply = self._ask(min(timeout_s, POLL_S_MAX))
        except SystemFault as fault:
            self.last_fault = fault
            self._clock.wait(stop, min(timeout_s, PAUSE_AFTER_FAILURE_S))
            return None
        self.last_fault = None
        self._reading = reply.reading
        if reply.minute is not None:
            self._given = reply.minute
            return Turn(reply.reading, reply.minute)
        return Turn(reply.reading, None, ended=True) if reply.ended else None

    def _ask(self, wait_s: float) -> LockStepReply:
        body = {
            "participant": self._participant,
            "finished": utc_text(self._given) if self._given is not None else None,
            "timeout_s": round(wait_s, 3),
            "ask": self._asked(),
        }
        url = f"{self._base_url}/sim/lockstep"
        try:
            reply = read_lock_step(self._door.post_json(url, body, wait_s + REPLY_MARGIN_S))
        except ValueError as error:
            raise fault_from(error, "lockstep") from error
        self._keep(reply.told)
        return reply

    def _asked(self) -> list[str]:
        """Return the wanted addresses of this exchange, without its own."""
        base = self._base_url
        wanted = self._alongside.wanted()
        ours = [one.removeprefix(base) for one in wanted if one.startswith(f"{base}/")]
        return ours[:ASKED_MAX]

    def _keep(self, told: tuple[ToldReply, ...]) -> None:
        self._alongside.put(
            Told(f"{self._base_url}{one.address}", one.status, one.headers, one.body)
            for one in told
        )

    def _renew(self) -> None:
        asked = self._asked()
        if not asked:
            return
        url = f"{self._base_url}/sim/together"
        try:
            self._keep(read_told(self._door.post_json(url, {"ask": asked}, REPLY_MARGIN_S)))
        except (SystemFault, ValueError):
            return  # each read then asks for itself, and says what is wrong
