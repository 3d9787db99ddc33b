"""What every route shares: the site, the permission check around a handler, bodies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.dashboard import access, bodies
from services.dashboard.access import Access, Bound, Facts, Refusal
from services.dashboard.answer_fields import Shape, shaped
from services.dashboard.auth import SESSION_COOKIE, Keeper
from services.dashboard.commands import Commands
from services.dashboard.refusals import HTML, JSON, body_fault_answer, refusal_answer
from services.dashboard.snapshot import Hub, Snapshot
from shared.config.parsers import is_loopback
from shared.telemetry.logs import log_event

BODY_DEADLINE_S = 10.0
APART_MAX = 2
"""So much work at once beside the event loop: more would only take each other's time."""
_FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")

logger = logging.getLogger("dashboard")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer's bytes, good for as long as it would be made of these same rows."""

    rows: tuple[Any, ...]
    is_fresh: bool
    body: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that the handlers work with."""

    hub: Hub
    keeper: Keeper
    bound: Bound
    commands: Commands
    log_dir: Path
    configured_mode: str
    is_stopped: Callable[[], bool]
    """Whether the emergency-stop file exists at this moment."""
    body_within_s: float = BODY_DEADLINE_S
    """So long a body may take to arrive whole."""
    running: set[asyncio.Future[Any]] = field(default_factory=set)
    kept: dict[str, Kept] = field(default_factory=dict)
    """Path to its large answer, made last."""
    apart: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(APART_MAX))

    def background(self, work: asyncio.Future[Any]) -> None:
        """Let work go on after its request has been answered."""
        self.running.add(work)
        work.add_done_callback(self.running.discard)


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer is made of. Without a shape it is of the media type and no more is said."""

    media_type: str
    shape: type[Shape] | None = None

    def body(self, document: dict[str, Any]) -> bytes:
        """Return the document in the shape; raises TypeError where none is promised."""
        if self.shape is None:
            raise TypeError(f"no document is promised as {self.media_type}")
        return shaped(self.shape, document)


def told(shape: type[Shape]) -> Told:
    """An answer in JSON of that shape."""
    return Told(JSON, shape)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that may be served, with the site and what is known of who asks."""

    request: Request
    site: Site
    facts: Facts
    row: Row

    @property
    def peer(self) -> str:
        """The address that the connection comes from."""
        return peer_of(self.request)

    @property
    def cookie(self) -> str:
        """The session cookie; empty without one."""
        return _cookie(self.request)

    def still_stands(self) -> bool:
        """Whether token and session still are what they were when the request was let in."""
        return facts_of(self.request, self.site) == self.facts

    def newest(self) -> Snapshot:
        """Return the newest snapshot judged now; raises RefusedRequest before the first one."""
        snapshot = self.site.hub.now()
        if snapshot is None:
            raise RefusedRequest(Refusal(503, "starting", "the dashboard has read nothing yet"))
        return snapshot

    async def fields(self) -> dict[str, Any]:
        """Return the checked fields of the body; raises BodyFault or RefusedRequest."""
        raw = await _whole_body(self.request, self.site.body_within_s)
        return bodies.checked(bodies.read_body(raw), self.row.body)

    def query(self) -> dict[str, Any]:
        """Return the checked fields behind the question mark; raises BodyFault. What we do not
        know there is nobody's fault.
        """
        names = {entry.name for entry in self.row.query}
        given = {name: text for name, text in self.request.query_params.items() if name in names}
        return bodies.checked(given, self.row.query)

    async def apart(self, work: Callable[[], Result]) -> Result:
        """Do what takes milliseconds in a thread, few at a time: others are answered meanwhile."""
        return await run_sync(work, limiter=self.site.apart)

    def answer(self, document: dict[str, Any], status: int = 200) -> Response:
        """Return the document in the shape that the row promises for the status."""
        return self.answer_of(self.row.answers[status].body(document), status)

    def answer_of(self, body: bytes, status: int = 200) -> Response:
        """Return a body that was made in the promised shape."""
        return Response(body, status, media_type=self.row.answers[status].media_type)


Handler = Callable[[Ask], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the route table. What is said here is what the handler works with and what the
    published schema says.
    """

    method: str
    path: str
    access: Access
    handler: Handler
    answers: Mapping[int, Told] = field(default_factory=lambda: {200: Told(HTML)})
    """Status to what it tells, refusals not among them."""
    body: tuple[bodies.Field, ...] = ()
    query: tuple[bodies.Field, ...] = ()
    refuses: tuple[int, ...] = ()
    """Statuses of refusals, beyond those that follow from the access, the body and the query."""


def endpoint(row: Row, site: Site) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler with its permission check and its faults as answers around it."""

    async def serve(request: Request) -> Response:
        facts = facts_of(request, site)
        refused = _refused(row, request, site, facts)
        if refused is not None:
            _log_refused(request, row, refused)
            return refusal_answer(request, refused)
        try:
            return await row.handler(Ask(request, site, facts, row))
        except bodies.BodyFault as fault:
            return body_fault_answer(request, fault)
        except RefusedRequest as late:
            if late.refusal.status in _OF_PERMISSION:
                _log_refused(request, row, late.refusal)
            return refusal_answer(request, late.refusal)

    return serve


_OF_PERMISSION = (401, 403, 429)


def _log_refused(request: Request, row: Row, refused: Refusal) -> None:
    log_event(
        logger,
        "request_refused",
        f"{request.method} {row.path} refused: {refused.message}",
        level=logging.WARNING,
        code=refused.code,
        peer=peer_of(request),
    )


class RefusedRequest(Exception):
    """A handler found a reason to refuse, after the first check had passed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def peer_of(request: Request) -> str:
    """Return the address that the connection comes from."""
    return request.client.host if request.client is not None else "unknown"


def _cookie(request: Request) -> str:
    return request.cookies.get(SESSION_COOKIE, "")


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def facts_of(request: Request, site: Site) -> Facts:
    """Gather what the permission check looks at."""
    bearer = _bearer(request)
    peer = peer_of(request)
    forwarded = any(name in request.headers for name in _FORWARDING_HEADERS)
    return Facts(
        method=request.method,
        host=request.headers.get("host", ""),
        origin=request.headers.get("origin"),
        fetch_site=request.headers.get("sec-fetch-site"),
        fetch_mode=request.headers.get("sec-fetch-mode"),
        peer_is_local=is_loopback(peer) and not forwarded,
        has_bearer=bearer is not None and site.keeper.is_token(bearer),
        has_session=site.keeper.is_session(_cookie(request)),
    )


def _refused(row: Row, request: Request, site: Site, facts: Facts) -> Refusal | None:
    refused = access.refusal(row.access, facts, site.bound)
    if row.access is Access.STOP and facts.peer_is_local:
        # Stopping is always safe: an outdated token does not stand in its way.
        return refused
    return brake(request, site, facts) or refused


def brake(request: Request, site: Site, facts: Facts) -> Refusal | None:
    """Refuse a peer that has guessed too often; a wrong bearer is a guess."""
    if _bearer(request) is None or facts.has_bearer:
        return None
    return guess_refusal(site, peer_of(request))


def guess_refusal(site: Site, peer: str) -> Refusal:
    """Count a wrong token and return its refusal: 401, or 429 while the peer must wait."""
    wait_s = site.keeper.wait_s(peer)
    if wait_s > 0:
        return Refusal(429, "too_many_tries", f"too many wrong tokens; wait {wait_s:.0f} s")
    site.keeper.note_wrong(peer)
    return Refusal(401, "wrong_token", "that is not the dashboard token")


async def _whole_body(request: Request, within_s: float) -> bytes:
    """A body that is too large is refused before it is read whole, one that dribbles after a
    deadline.
    """
    try:
        return await asyncio.wait_for(_bounded_body(request), within_s)
    except TimeoutError:
        raise RefusedRequest(Refusal(408, "slow_body", "the body came too slowly")) from None
    except ClientDisconnect:
        raise RefusedRequest(Refusal(400, "cut_body", "the body broke off")) from None


async def _bounded_body(request: Request) -> bytes:
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > bodies.BODY_BYTES_MAX:
            raise RefusedRequest(
                Refusal(413, "large_body", f"at most {bodies.BODY_BYTES_MAX} bytes are read")
            )
    return bytes(chunks)
