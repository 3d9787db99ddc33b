"""The bot interface of Telegram, as far as we speak it: two methods over the one HTTP door.

The token is part of every address, so no fault of a call is ever shown with its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from services.heartbeat.rows import number
from shared.clock import Clock
from shared.errors import ConfigFault, SystemFault, TransientFault

if TYPE_CHECKING:
    from shared.resilience.http_door import HttpDoor

API = "https://api.telegram.org"
POLL_S = 25
CALL_S = 10.0
_MARGIN_S = 10.0
REFUSALS = {
    400: "it refuses the message or the chat",
    401: "it refuses the token",
    403: "the bot was thrown out of the chat",
    404: "it refuses the token",
    409: "another program listens to this bot",
}
"""What waiting alone does not cure, in words for the operator."""
TOO_MANY = 429
RETRY_AFTER_MAX_S = 300.0
"""Longer than that we wait for nobody."""


class TelegramBusy(TransientFault):
    """It has had too much of us, and says how long it wants to be left alone."""

    def __init__(self, retry_after_s: float) -> None:
        """`retry_after_s`: seconds from now."""
        super().__init__(f"Telegram wants no call for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Updates:
    """What came in, and when that was by Telegram's own clock, which dates the messages."""

    rows: tuple[Mapping[str, Any], ...]
    at_unix_s: float | None


class Telegram:
    """One connection to the interface; each thread has its own."""

    def __init__(self, token: str, clock: Clock, base_url: str = API) -> None:
        # Imported here: requests is only needed where a chat is set.
        from shared.resilience.http_door import DoorAdapter, DoorRules, HttpDoor

        rules = DoorRules(reads_per_minute=None, holds=False)
        self._door: HttpDoor = HttpDoor(DoorAdapter(rules, clock), {}, identity="sht-heartbeat")
        self._base = f"{base_url.rstrip('/')}/bot{token}"

    def updates(self, offset: int, wait_s: int = POLL_S) -> Updates:
        """Return what came since, waiting for it; with `offset` all before it are forgotten.

        Raises ConfigFault for a refusal, TelegramBusy when it wants to be left alone,
        TransientFault for everything else.
        """
        body = {"offset": offset, "timeout": wait_s, "allowed_updates": ["message"]}
        result, at_unix_s = self._call("getUpdates", body, wait_s + _MARGIN_S)
        rows = result if isinstance(result, list) else []
        return Updates(tuple(row for row in rows if isinstance(row, Mapping)), at_unix_s)

    def send(self, chat_id: str, text: str) -> None:
        """Send one plain text. Raises as `updates`."""
        body = {"chat_id": chat_id, "text": text, "disable_web_page_preview": True}
        self._call("sendMessage", body, CALL_S)

    def _call(
        self, method: str, body: Mapping[str, object], total_s: float
    ) -> tuple[object, float | None]:
        address, bounds = f"{self._base}/{method}", (total_s, total_s)
        try:
            reply = self._door.session.post(
                address, json=dict(body), timeout=bounds, allow_redirects=False
            )
            answer = reply.json()
        except (SystemFault, OSError, ValueError) as failure:
            raise TransientFault(f"Telegram: {type(failure).__name__}") from None
        if reply.status_code == TOO_MANY:
            raise TelegramBusy(_retry_after_s(answer))
        if reply.status_code in REFUSALS:
            raise ConfigFault(f"Telegram: {REFUSALS[reply.status_code]}")
        if not reply.ok or not isinstance(answer, Mapping) or answer.get("ok") is not True:
            raise TransientFault(f"Telegram answered {reply.status_code}")
        return answer.get("result"), _unix_s(reply.headers.get("Date"))


def _retry_after_s(answer: object) -> float:
    parameters = answer.get("parameters") if isinstance(answer, Mapping) else None
    asked = parameters.get("retry_after") if isinstance(parameters, Mapping) else None
    return min(RETRY_AFTER_MAX_S, max(0.0, number(asked)))


def _unix_s(date: str | None) -> float | None:
    """The moment of a `Date` header; None where it is none."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
