"""The application: one table of routes, security headers around all of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.dashboard import routes_api, routes_commands, routes_page
from services.dashboard.access import Access
from services.dashboard.openapi import described
from services.dashboard.refusals import JSON, lost_answer
from services.dashboard.serving import Ask, Row, Site, Told, endpoint


async def published_schema(ask: Ask) -> Response:
    """This interface in words of OpenAPI 3.1."""
    return JSONResponse(described(ROUTES, on_loopback=ask.site.bound.is_loopback))


ROUTES: tuple[Row, ...] = (
    *routes_page.ROUTES,
    *routes_api.ROUTES,
    *routes_commands.ROUTES,
    Row("GET", "/api/openapi.json", Access.PUBLIC, published_schema, {200: Told(JSON)}),
)

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not no-referrer: browsers would then send forms with the Origin `null`
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds the headers to every answer; streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


def make_app(site: Site) -> ASGIApp:
    """Return the application of a site."""
    routes = [Route(row.path, endpoint(row, site), methods=[row.method]) for row in ROUTES]
    lost = {HTTPException: lost_answer}
    app = Starlette(routes=routes, exception_handlers=lost)
    # It would send people on to whatever name stands in Host, before we have looked at it.
    app.router.redirect_slashes = False
    return SecurityHeaders(app)
