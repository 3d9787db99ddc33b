"""Delivers messages: always to the log, and to people when a channel is set.

Delivery to people is slow and fails; it runs in a thread of its own, one message at a time, and
never holds the judging loop up.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.heartbeat.outbox import Message
from services.heartbeat.plan import Severity
from shared.config.settings import Settings
from shared.ports import Alerter
from shared.telemetry.logs import log_event

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
    """Sends through apprise to every address that is set. Addresses are secrets."""

    def __init__(self, addresses: Sequence[str]) -> None:
        # Imported here: it is heavy, and most installations have no address.
        import apprise

        self._kinds = {
            "info": apprise.NotifyType.INFO,
            "warn": apprise.NotifyType.WARNING,
            "page": apprise.NotifyType.FAILURE,
        }
        self._sender: Any = apprise.Apprise()
        self.wrong = [
            number for number, address in enumerate(addresses, 1) if not self._sender.add(address)
        ]
        """Places in the list of addresses that apprise does not understand."""

    def send(self, title: str, body: str, severity: str) -> bool:
        """Return whether every address took the message; bounded by apprise's own timeouts."""
        kind = self._kinds[severity]
        return bool(self._sender.notify(title=title, body=body, notify_type=kind))


def people_addresses(settings: Settings) -> tuple[str, ...]:
    """Return the addresses of ALERT_URLS and the two Telegram settings."""
    addresses = [url.get_secret_value() for url in settings.alert_urls]
    if settings.telegram_bot_token is not None and settings.telegram_chat_id is not None:
        token = settings.telegram_bot_token.get_secret_value()
        addresses.append(f"tgram://{token}/{settings.telegram_chat_id}/")
    return tuple(addresses)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message."""

    message_id: str
    taken: bool
    problem: str


class PeopleChannel:
    """The thread that delivers to people. `offer` and `results` belong to the loop's thread."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = tuple(addresses)
        self._waiting: queue.Queue[Message] = queue.Queue(maxsize=1)
        self._done: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._busy = False

    @property
    def is_set(self) -> bool:
        """Whether there is anybody to deliver to."""
        return bool(self._addresses)

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way."""
        return self._busy

    def start(self) -> None:
        """Begin delivering. The thread is not waited for at the end: the outbox is on disk."""
        if self.is_set:
            threading.Thread(target=self._deliver, name="alerts", daemon=True).start()

    def offer(self, message: Message) -> None:
        """Hand one message over; only while `is_busy` is false."""
        self._busy = True
        self._waiting.put_nowait(message)

    def results(self) -> tuple[Delivery, ...]:
        """Return what became of messages since the last call."""
        found: list[Delivery] = []
        while not self._done.empty():
            found.append(self._done.get_nowait())
            self._busy = False
        return tuple(found)

    def _deliver(self) -> None:
        alerter: Alerter | None = None
        while True:
            message = self._waiting.get()
            problem = ""
            taken = False
            try:
                alerter = alerter or AppriseAlerter(self._addresses)
                taken = alerter.send(message.title, message.body, message.severity)
                problem = "" if taken else _refusal(alerter)
            except Exception as failure:  # any library may fail in any way; it is only an alert
                problem = f"{type(failure).__name__} while sending"
            self._done.put(Delivery(message.id, taken, problem))


def _refusal(alerter: Alerter) -> str:
    wrong = alerter.wrong if isinstance(alerter, AppriseAlerter) else []
    if wrong:
        return f"address {wrong} of ALERT_URLS is not understood"
    return "an address did not take the message"
