"""The page for people, its sign-in, and its own few static files."""

from __future__ import annotations

import logging
from functools import lru_cache

from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.dashboard import pages
from services.dashboard.access import Access, Refusal
from services.dashboard.auth import SESSION_COOKIE, SESSION_S
from services.dashboard.bodies import Field, Rule, one_of
from services.dashboard.log_tail import LEVELS, LINES_MAX, SERVICE_NAME, tail
from services.dashboard.refusals import HTML
from services.dashboard.serving import Ask, RefusedRequest, Row, Told, guess_refusal
from services.dashboard.snapshot import Snapshot
from services.dashboard.views_log import (
    LINES_ALONE,
    LINES_ON_PAGE,
    USUAL,
    LogFilter,
    LogView,
    log_view,
)
from shared.telemetry.logs import log_event

TOKEN_CHARACTERS_MAX = 500
FIND_CHARACTERS_MAX = 100
SYMBOL_CHARACTERS_MAX = 12
logger = logging.getLogger("dashboard")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def page(ask: Ask) -> Response:
    """The whole page, rendered on the server; readable without script."""
    snapshot = ask.newest()
    symbol = ask.request.query_params.get("symbol", "")[:SYMBOL_CHARACTERS_MAX]

    def rendered() -> str:
        log = _log(ask, snapshot, USUAL, LINES_ON_PAGE)
        signed_in = ask.facts.has_session
        return pages.render_page(snapshot.view, log, signed_in=signed_in, symbol=symbol)

    return HTMLResponse(await ask.apart(rendered))


async def log(ask: Ask) -> Response:
    """The end of one log, filtered; the page's own script takes its lines from here."""
    snapshot, wanted = ask.newest(), LogFilter(**ask.query())

    def rendered() -> str:
        view = _log(ask, snapshot, wanted, LINES_ALONE)
        return pages.render("log.html", log=view, tone=snapshot.view.verdict.tone)

    return HTMLResponse(await ask.apart(rendered))


def _log(ask: Ask, snapshot: Snapshot, wanted: LogFilter, count_max: int) -> LogView:
    lines = tail(ask.site.log_dir, wanted.service, LINES_MAX, wanted.level)
    services = [row.name for row in snapshot.view.services]
    return log_view(wanted, lines, services, snapshot.reading.at, count_max)


async def runbook(ask: Ask) -> Response:
    """RUNBOOK.md, to which every next action points."""
    latest = ask.site.hub.now()
    tone = "warn" if latest is None else latest.view.verdict.tone
    return HTMLResponse(pages.render("runbook.html", book=pages.book(), tone=tone))


async def sign_in_form(_ask: Ask) -> Response:
    """The form that asks for the token."""
    return HTMLResponse(pages.render("sign_in.html", message="", status=200))


async def sign_in(ask: Ask) -> Response:
    """Take the token, give a session cookie, go to the page."""
    fields = await ask.fields()
    peer = ask.peer
    if ask.site.keeper.wait_s(peer) > 0 or not ask.site.keeper.is_token(fields["token"]):
        raise RefusedRequest(guess_refusal(ask.site, peer))
    log_event(logger, "signed_in", f"a session for {peer}", peer=peer)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        SESSION_COOKIE, ask.site.keeper.make_session(), SESSION_S, httponly=True, samesite="strict"
    )
    return answer


async def sign_out(ask: Ask) -> Response:
    """End the session, here and wherever its cookie was copied to; its event streams end, too."""
    ask.site.keeper.end_session(ask.cookie)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


def _token(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the dashboard token")
    if len(value) > TOKEN_CHARACTERS_MAX:
        raise ValueError("is too long for a token")
    return value.strip()


_TOKEN = Rule(_token, {"type": "string", "minLength": 1, "maxLength": TOKEN_CHARACTERS_MAX})


def _service(value: object) -> str:
    if not isinstance(value, str) or not SERVICE_NAME.fullmatch(value):
        raise ValueError("must be the name of a log")
    return value


def _find(value: object) -> str:
    if not isinstance(value, str) or len(value) > FIND_CHARACTERS_MAX:
        raise ValueError(f"must be at most {FIND_CHARACTERS_MAX} characters")
    return value


_LOG_FILTER = (
    Field(
        "service",
        Rule(_service, {"type": "string", "pattern": SERVICE_NAME.pattern}),
        required=False,
        default=USUAL.service,
    ),
    Field("level", one_of(*LEVELS), required=False, default=USUAL.level),
    Field(
        "find",
        Rule(_find, {"type": "string", "maxLength": FIND_CHARACTERS_MAX}),
        required=False,
        default="",
    ),
)
_TO_THE_PAGE = {303: Told(HTML)}


@lru_cache(maxsize=1)
def _static_files() -> dict[str, tuple[bytes, str]]:
    """All static files by name, read once: a name from outside never becomes a path."""
    return {
        path.name: (path.read_bytes(), _TYPES[path.suffix])
        for path in pages.STATIC.iterdir()
        if path.suffix in _TYPES
    }


async def static_file(ask: Ask) -> Response:
    """One of our own files."""
    found = _static_files().get(ask.request.path_params["name"])
    if found is None:
        raise RefusedRequest(Refusal(404, "no_such_file", "there is no file of that name"))
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=300"})


ROUTES = (
    Row("GET", "/", Access.MONEY, page, refuses=(503,)),
    Row("GET", "/dashboard", Access.MONEY, page, refuses=(503,)),
    Row("GET", "/log", Access.MONEY, log, query=_LOG_FILTER, refuses=(503,)),
    Row("GET", "/runbook", Access.PUBLIC, runbook),
    Row("GET", "/sign-in", Access.PUBLIC, sign_in_form),
    Row("POST", "/sign-in", Access.PUBLIC, sign_in, _TO_THE_PAGE, (Field("token", _TOKEN),)),
    Row("POST", "/sign-out", Access.PUBLIC, sign_out, _TO_THE_PAGE),
    Row("GET", "/static/{name}", Access.PUBLIC, static_file, {200: Told("*/*")}, refuses=(404,)),
)
