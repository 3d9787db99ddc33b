"""Several reads answered beside one request: each by the application itself, as if asked alone.

A lock-step minute needs the same few reads again and again while the market stands still. Asked
one by one they cost mostly the way there and back; so a participant may name them with its report.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from services.exchange_sim.ticket import bad_form
from services.exchange_sim.wire import Document

log = logging.getLogger("exchange-sim")
ASKED_MAX = 8
Edition = object
"""Equal as long as nothing has changed that an answer follows from."""
_READABLE = ("/v2/", "/v1beta1/", "/v1beta3/")


def read_asked(body: dict[str, Any]) -> list[str]:
    """Return the addresses (path and query) that a body asks for; raises Refusal."""
    asked = body.get("ask") or []
    if not isinstance(asked, list) or len(asked) > ASKED_MAX:
        raise bad_form(f"ask must be a list of at most {ASKED_MAX} addresses")
    for one in asked:
        if not isinstance(one, str) or not one.isascii() or not one.startswith(_READABLE):
            raise bad_form("ask must hold addresses of the vendor's reads, such as /v2/account")
    return asked


class Together:
    """Answers reads within another request. `is_disturbed` says whether faults are switched on:
    then nothing is answered here, so that each read meets them by itself.
    """

    def __init__(self, is_disturbed: Callable[[], bool]) -> None:
        self.is_disturbed = is_disturbed
        self.application: ASGIApp | None = None
        """Set once it stands: the routes are a part of it."""

    async def answers(self, scope: Scope, asked: list[str]) -> list[Document]:
        """Return what each address answers to a GET with the headers of the outer request."""
        application = self.application
        if application is None or self.is_disturbed():
            return []
        told = []
        for address in asked:
            try:
                told.append(await _answer(application, scope, address))
            except Exception:
                # A read that breaks must not cost the report: asked alone it fails alone.
                log.exception("a read beside a report broke", extra={"event": "read_broken"})
        return told


class Reads:
    """The reads that one report asks for. Answered ahead, while their asker waits for his turn,
    they count as long as nothing has changed that they follow from.
    """

    def __init__(self, together: Together, scope: Scope, asked: list[str]) -> None:
        self._together = together
        self._scope = scope
        self.asked = asked
        self._ahead: tuple[Edition, list[Document]] | None = None

    async def prepare(self, edition: Edition) -> None:
        """Answer them now, unless they are answered for this edition of the books already."""
        if self.asked and (self._ahead is None or self._ahead[0] != edition):
            self._ahead = edition, await self._together.answers(self._scope, self.asked)

    async def answers(self, edition: Edition) -> list[Document]:
        """Return the answers of this very moment; none while faults are switched on."""
        if self._together.is_disturbed():
            return []
        await self.prepare(edition)
        return self._ahead[1] if self._ahead is not None else []


async def _answer(application: ASGIApp, outer: Scope, address: str) -> Document:
    path, _, query = address.partition("?")
    scope = {name: outer[name] for name in _KEPT if name in outer}
    scope |= {"method": "GET", "path": unquote(path), "raw_path": path.encode()}
    scope |= {"query_string": query.encode(), "root_path": "", "state": {}}
    heard: list[Message] = []
    await application(scope, _nothing_more, _listener(heard))
    head = heard[0]
    return {
        "address": address,
        "status": head["status"],
        "headers": {
            name.decode("latin-1"): text.decode("latin-1") for name, text in head["headers"]
        },
        "body": b"".join(one.get("body", b"") for one in heard[1:]).decode(),
    }


_KEPT = ("type", "asgi", "http_version", "scheme", "server", "client", "headers")


def _listener(heard: list[Message]) -> Callable[[Message], Awaitable[None]]:
    async def listen(message: Message) -> None:
        heard.append(message)

    return listen


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
