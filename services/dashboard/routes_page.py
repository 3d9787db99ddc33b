"""The page for people, its sign-in, and its own few static files."""

from __future__ import annotations

from functools import lru_cache

from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.dashboard import pages
from services.dashboard.access import Access
from services.dashboard.auth import SESSION_COOKIE, SESSION_S
from services.dashboard.bodies import Field
from services.dashboard.serving import (
    Ask,
    RefusedRequest,
    Row,
    guess_refusal,
    read_fields,
)

TOKEN_CHARACTERS_MAX = 500
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def page(ask: Ask) -> Response:
    """The whole page, rendered on the server; readable without script."""
    facts = ask.facts
    view = ask.newest().view
    return HTMLResponse(pages.render_page(view, signed_in=facts.has_session))


async def sign_in_form(_ask: Ask) -> Response:
    """The form that asks for the token."""
    return HTMLResponse(pages.render("sign_in.html", message="", status=200))


async def sign_in(ask: Ask) -> Response:
    """Take the token, give a session cookie, go to the page."""
    fields = await read_fields(ask.request, Field("token", _token))
    peer = ask.peer
    if ask.site.keeper.wait_s(peer) > 0 or not ask.site.keeper.is_token(fields["token"]):
        raise RefusedRequest(guess_refusal(ask.site, peer))
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        SESSION_COOKIE, ask.site.keeper.make_session(), SESSION_S, httponly=True, samesite="strict"
    )
    return answer


async def sign_out(_ask: Ask) -> Response:
    """Forget the session in this browser."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer


def _token(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the dashboard token")
    if len(value) > TOKEN_CHARACTERS_MAX:
        raise ValueError("is too long for a token")
    return value.strip()


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
        return Response("no such file\n", 404, media_type="text/plain")
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=300"})


ROUTES = (
    Row("GET", "/", Access.MONEY, page),
    Row("GET", "/dashboard", Access.MONEY, page),
    Row("GET", "/sign-in", Access.PUBLIC, sign_in_form),
    Row("POST", "/sign-in", Access.PUBLIC, sign_in),
    Row("POST", "/sign-out", Access.PUBLIC, sign_out),
    Row("GET", "/static/{name}", Access.PUBLIC, static_file),
)
