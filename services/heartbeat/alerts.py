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

from services.heartbeat.findings import Severity
from services.heartbeat.outbox import PEOPLE, Message
from shared.config.settings import Settings
from shared.ports import Alerter
from shared.telemetry.logs import log_event

SILENCE_MAX_S = 60.0
"""A receiver that keeps a message for so long is called silent: far beyond every timeout."""

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

        self._kinds = {
            "info": apprise.NotifyType.INFO,
            "warn": apprise.NotifyType.WARNING,
            "page": apprise.NotifyType.FAILURE,
        }
        self._sender: Any = apprise.Apprise()
        self.is_understood = bool(self._sender.add(address))
        """Whether apprise knows what to do with the address."""

    def send(self, title: str, body: str, severity: str) -> bool:
        """Return whether the address took the message; bounded by apprise's own timeouts."""
        kind = self._kinds[severity]
        return bool(self._sender.notify(title=title, body=body, notify_type=kind))


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


class PeopleChannel:
    """The thread that delivers to one address: one that is down or endlessly slow delays no
    other, and none gets a message twice because another refused it. Everything but the thread's
    own work belongs to the loop's thread.
    """

    def __init__(self, address: PeopleAddress, heard: threading.Event) -> None:
        """`heard` is set each time that `results` has something new."""
        self.name = address.channel
        self._address = address
        self._heard = heard
        self._waiting: queue.Queue[Message] = queue.Queue(maxsize=1)
        self._done: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._busy_since_s: float | None = None
        self._problem = ""

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way."""
        return self._busy_since_s is not None

    def trouble(self, now_s: float) -> str:
        """Return why people may not be reached, empty when nothing is known against it."""
        waited_s = 0.0 if self._busy_since_s is None else now_s - self._busy_since_s
        if waited_s > SILENCE_MAX_S:
            return f"{self._address.label} has not answered for {waited_s:.0f} s"
        return self._problem

    def start(self) -> None:
        """Begin delivering. The thread is not waited for at the end: the outbox is on disk."""
        threading.Thread(target=self._deliver, name=self.name, daemon=True).start()

    def offer(self, message: Message, now_s: float) -> None:
        """Hand one message over; only while `is_busy` is false. `now_s`: seconds since boot."""
        self._busy_since_s = now_s
        self._waiting.put_nowait(message)

    def results(self) -> tuple[Delivery, ...]:
        """Return what became of messages since the last call."""
        found: list[Delivery] = []
        while not self._done.empty():
            found.append(self._done.get_nowait())
            self._busy_since_s = None
        return tuple(found)

    def _deliver(self) -> None:
        alerter: Alerter | None = None
        while True:
            # Before the first message is there: an address that is wrong is said on a quiet day.
            try:
                alerter = alerter or self._alerter()
            except Exception as failure:  # any library may fail in any way; it is only an alert
                self._problem = f"{type(failure).__name__} at {self._address.label}"
            message = self._waiting.get()
            taken = False
            try:
                taken = alerter is not None and alerter.send(
                    message.title, message.body, message.severity
                )
                failed = self._problem or f"{self._address.label} did not take the message"
            except Exception as failure:  # as above
                failed = f"{type(failure).__name__} while sending to {self._address.label}"
            self._done.put(Delivery(message.id, taken, "" if taken else failed))
            self._heard.set()

    def _alerter(self) -> Alerter:
        alerter = AppriseAlerter(self._address.url)
        understood = alerter.is_understood
        self._problem = "" if understood else f"{self._address.label} is not understood"
        return alerter
