"""Delivers messages: always to the log, and to people when a channel is set.

Delivery to people is slow and fails; it runs in a thread per address, one message at a time, and
never holds the judging loop up.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field
from typing import Any

from services.heartbeat.outbox import PEOPLE, Message
from services.heartbeat.subjects import Severity
from shared.clock import Clock
from shared.config.settings import Settings
from shared.ports import Alerter
from shared.telemetry.logs import log_event

SILENCE_MAX_S = 60.0
"""A receiver that keeps a message for so long is called silent: far beyond every timeout."""
ABANDON_AFTER_S = 300.0
ANSWER_WITHIN_S = 30.0
"""Each address has a thread of its own, so that there is no hurry: one that answers after the
library's four seconds has taken the message, and would be told it again without end.
"""
UNSURE_AFTER_S = 5.0
"""A refusal comes at once; what ends later may have been heard all the same."""

_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARN: logging.WARNING,
    Severity.PAGE: logging.ERROR,
}


class LogAlerter:
    """Writes the message into our own log: the channel that is always there."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def send(self, title: str, body: str, severity: str) -> bool:
        """Write one line; True."""
        level = _LEVELS[Severity(severity)]
        log_event(self._logger, "alert", f"{title}. {body}", level=level, severity=severity)
        return True


class AppriseAlerter:
    """Sends through apprise to one address. Addresses are secrets."""

    def __init__(self, address: str) -> None:
        # Imported here: it is heavy, and most installations have no address.
        import apprise

        # Our words are plain text: without saying so a `<` in them is read as mark-up, and the
        # receiver refuses the message for ever.
        self._format = apprise.NotifyFormat.TEXT
        self._kinds = {
            "info": apprise.NotifyType.INFO,
            "warn": apprise.NotifyType.WARNING,
            "page": apprise.NotifyType.FAILURE,
        }
        self._sender: Any = apprise.Apprise()
        self.is_understood = bool(self._sender.add(address))
        for service in self._sender:
            service.socket_read_timeout = max(service.socket_read_timeout, ANSWER_WITHIN_S)
            # For mail this one bounds every word of the talk, the acceptance of the mail too.
            service.socket_connect_timeout = max(service.socket_connect_timeout, ANSWER_WITHIN_S)
        """Whether apprise knows what to do with the address."""

    def send(self, title: str, body: str, severity: str) -> bool:
        """Return whether the address took the message; bounded by apprise's own timeouts."""
        kind = self._kinds[severity]
        return bool(
            self._sender.notify(title=title, body=body, notify_type=kind, body_format=self._format)
        )


@dataclass(frozen=True, slots=True)
class PeopleAddress:
    """One address that reaches people. Its url is a secret; its label is how we speak of it."""

    channel: str
    label: str
    url: str = field(repr=False)


def people_addresses(settings: Settings) -> tuple[PeopleAddress, ...]:
    """Return the addresses of ALERT_URLS and the one of the two Telegram settings."""
    found = [
        (f"address {number} of ALERT_URLS", url.get_secret_value())
        for number, url in enumerate(settings.alert_urls, 1)
    ]
    if settings.telegram_bot_token is not None and settings.telegram_chat_id is not None:
        token = settings.telegram_bot_token.get_secret_value()
        found.append(("TELEGRAM_CHAT_ID", f"tgram://{token}/{settings.telegram_chat_id}/"))
    return tuple(
        PeopleAddress(f"{PEOPLE}-{number}", label, url)
        for number, (label, url) in enumerate(found, 1)
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message."""

    message_id: str
    taken: bool
    problem: str
    perhaps: bool = False
    """Not known to be taken, but it may have been: the answer was late or never came."""


class PeopleChannel:
    """Delivers to one address from a thread: one that is down or endlessly slow delays no other,
    and none gets a message twice because another refused it. Everything but the thread's own
    work belongs to the loop's thread.
    """

    def __init__(self, address: PeopleAddress, heard: threading.Event, clock: Clock) -> None:
        """`heard` is set each time that `results` has something new."""
        self.name = address.channel
        self._address = address
        self._heard = heard
        self._clock = clock
        self._worker = _Worker(address, heard, clock)
        self._under_way: Message | None = None
        self._busy_since_s = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way."""
        return self._under_way is not None

    def trouble(self, now_s: float) -> str:
        """Return why people may not be reached, empty when nothing is known against it."""
        waited_s = now_s - self._busy_since_s if self.is_busy else 0.0
        if waited_s > SILENCE_MAX_S:
            return f"{self._address.label} has not answered for {waited_s:.0f} s"
        return self._worker.problem

    def start(self) -> None:
        """Begin delivering. The thread is not waited for at the end: the outbox is on disk."""
        threading.Thread(target=self._worker.deliver, name=self.name, daemon=True).start()

    def offer(self, message: Message, now_s: float) -> None:
        """Hand one message over; only while `is_busy` is false. `now_s`: seconds since boot."""
        self._under_way, self._busy_since_s = message, now_s
        self._worker.waiting.put_nowait(message)

    def results(self, now_s: float) -> tuple[Delivery, ...]:
        """Return what became of messages since the last call. A thread that has not come back
        for minutes is left to itself, and another takes over: one answer without an end must not
        keep every later message from this address.
        """
        found: list[Delivery] = []
        while not self._worker.done.empty():
            found.append(self._worker.done.get_nowait())
            self._under_way = None
        if self._under_way is not None and now_s - self._busy_since_s > ABANDON_AFTER_S:
            problem = f"{self._address.label} gave no answer for {ABANDON_AFTER_S:.0f} s"
            found.append(Delivery(self._under_way.id, False, problem, perhaps=True))
            self._under_way, self._worker = None, _Worker(self._address, self._heard, self._clock)
            self.start()
        return tuple(found)


class _Worker:
    """What one thread of a channel works on; an abandoned one speaks to nobody any more."""

    def __init__(self, address: PeopleAddress, heard: threading.Event, clock: Clock) -> None:
        self.waiting: queue.Queue[Message] = queue.Queue(maxsize=1)
        self.done: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self.problem = ""
        self._address = address
        self._heard = heard
        self._clock = clock

    def deliver(self) -> None:
        """Deliver one message after the other, for ever."""
        alerter: Alerter | None = None
        while True:
            # Before the first message is there: an address that is wrong is said on a quiet day.
            try:
                alerter = alerter or self._alerter()
            except Exception as failure:  # any library may fail in any way; it is only an alert
                self.problem = f"{type(failure).__name__} at {self._address.label}"
            message = self.waiting.get()
            began_s = self._clock.monotonic_s()
            taken = False
            try:
                taken = alerter is not None and alerter.send(
                    message.title, message.body, message.severity
                )
                failed = self.problem or f"{self._address.label} did not take the message"
            except Exception as failure:  # as above
                failed = f"{type(failure).__name__} while sending to {self._address.label}"
            took_s = self._clock.monotonic_s() - began_s
            perhaps = not taken and took_s >= UNSURE_AFTER_S
            self.done.put(Delivery(message.id, taken, "" if taken else failed, perhaps))
            self._heard.set()

    def _alerter(self) -> Alerter:
        alerter = AppriseAlerter(self._address.url)
        understood = alerter.is_understood
        self.problem = "" if understood else f"{self._address.label} is not understood"
        return alerter
