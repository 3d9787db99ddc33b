"""What every route shares: the site, the permission check around a handler, bodies, answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.dashboard import access, bodies, pages
from services.dashboard.access import Access, Bound, Facts, Refusal
from services.dashboard.auth import SESSION_COOKIE, Keeper
from services.dashboard.commands import Commands
from services.dashboard.snapshot import Hub, Snapshot
from shared.config.parsers import is_loopback
from shared.telemetry.logs import log_event

BODY_DEADLINE_S = 10.0
_FORWARDING_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")

logger = logging.getLogger("dashboard")


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
    running: set[asyncio.Future[Any]] = field(default_factory=set)

    def background(self, work: asyncio.Future[Any]) -> None:
        """Let work go on after its request has been answered."""
        self.running.add(work)
        work.add_done_callback(self.running.discard)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that may be served, with the site and what is known of who asks."""

    request: Request
    site: Site
    facts: Facts

    @property
    def peer(self) -> str:
        """The address that the connection comes from."""
        return peer_of(self.request)

    def newest(self) -> Snapshot:
        """Return the newest snapshot judged now; raises RefusedRequest before the first one."""
        snapshot = self.site.hub.now()
        if snapshot is None:
            raise RefusedRequest(Refusal(503, "starting", "the dashboard has read nothing yet"))
        return snapshot


Handler = Callable[[Ask], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the route table."""

    method: str
    path: str
    access: Access
    handler: Handler


def endpoint(row: Row, site: Site) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler with its permission check and its faults as answers around it."""

    async def serve(request: Request) -> Response:
        facts = facts_of(request, site)
        refused = _refused(row, request, site, facts)
        if refused is not None:
            log_event(
                logger,
                "request_refused",
                f"{request.method} {row.path} refused: {refused.message}",
                level=logging.WARNING,
                code=refused.code,
                peer=peer_of(request),
            )
            return refusal_answer(request, refused)
        try:
            return await row.handler(Ask(request, site, facts))
        except bodies.BodyFault as fault:
            return body_fault_answer(request, fault)
        except RefusedRequest as refusal:
            return refusal_answer(request, refusal.refusal)

    return serve


class RefusedRequest(Exception):
    """A handler found a reason to refuse, after the first check had passed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def peer_of(request: Request) -> str:
    """Return the address that the connection comes from."""
    return request.client.host if request.client is not None else "unknown"


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
        peer_is_local=is_loopback(peer) and not forwarded,
        has_bearer=bearer is not None and site.keeper.is_token(bearer),
        has_session=site.keeper.is_session(request.cookies.get(SESSION_COOKIE, "")),
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


async def read_fields(request: Request, *fields: bodies.Field) -> dict[str, Any]:
    """Return the checked fields of the body; raises BodyFault or RefusedRequest.

    A body that is too large is refused before it is read whole, one that dribbles after a
    deadline.
    """
    try:
        raw = await asyncio.wait_for(_bounded_body(request), BODY_DEADLINE_S)
    except TimeoutError:
        raise RefusedRequest(Refusal(408, "slow_body", "the body came too slowly")) from None
    except ClientDisconnect:
        raise RefusedRequest(Refusal(400, "cut_body", "the body broke off")) from None
    return bodies.checked(bodies.read_body(raw), fields)


async def _bounded_body(request: Request) -> bytes:
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > bodies.BODY_BYTES_MAX:
            raise RefusedRequest(
                Refusal(413, "large_body", f"at most {bodies.BODY_BYTES_MAX} bytes are read")
            )
    return bytes(chunks)


def wants_page(request: Request) -> bool:
    """Whether the answer goes to a person's browser, not to a program."""
    return "text/html" in request.headers.get("accept", "")


def refusal_answer(request: Request, refused: Refusal) -> Response:
    """Return a refusal as JSON, or as a page with the sign-in form for a browser."""
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    if wants_page(request):
        page = pages.render("sign_in.html", message=refused.message, status=refused.status)
        return HTMLResponse(page, refused.status, headers)
    document = {"error": refused.code, "message": refused.message}
    return JSONResponse(document, refused.status, headers)


def body_fault_answer(request: Request, fault: bodies.BodyFault) -> Response:
    """Return 422 naming every wrong field."""
    faults = [{"field": entry.field, "problem": entry.problem} for entry in fault.faults]
    if wants_page(request):
        page = pages.render("answer.html", title="Not done", tone="bad", detail=str(fault), rows=())
        return HTMLResponse(page, 422)
    return JSONResponse({"error": "bad_body", "message": str(fault), "fields": faults}, 422)
