"""Refusals as answers: JSON for programs, a page for a person's browser."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.dashboard import bodies, pages
from services.dashboard.access import Refusal
from services.dashboard.answer_fields import shaped
from services.dashboard.answers import FieldProblem, Problem

JSON = "application/json"
HTML = "text/html"


def wants_page(request: Request) -> bool:
    """Whether the answer goes to a person's browser, not to a program."""
    return HTML in request.headers.get("accept", "")


def refusal_answer(request: Request, refused: Refusal) -> Response:
    """Return a refusal as JSON, or as a page with the sign-in form for a browser."""
    headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    if wants_page(request):
        page = pages.render("sign_in.html", message=refused.message, status=refused.status)
        return HTMLResponse(page, refused.status, headers)
    problem = {"error": refused.code, "message": refused.message}
    return Response(shaped(Problem, problem), refused.status, headers, JSON)


def lost_answer(_request: Request, lost: Exception) -> Response:
    """Return what is said where no route is, or none for that method."""
    status, headers = (
        (lost.status_code, lost.headers) if isinstance(lost, HTTPException) else (404, None)
    )
    phrase = HTTPStatus(status).phrase
    problem = {"error": phrase.lower().replace(" ", "_"), "message": f"{phrase}: see docs/HTTP.md"}
    return Response(shaped(Problem, problem), status, dict(headers or {}), JSON)


def body_fault_answer(request: Request, fault: bodies.BodyFault) -> Response:
    """Return 422 naming every wrong field."""
    if wants_page(request):
        page = pages.render("answer.html", title="Not done", tone="bad", detail=str(fault), rows=())
        return HTMLResponse(page, 422)
    fields = [FieldProblem(field=one.field, problem=one.problem) for one in fault.faults]
    problem = {"error": "bad_fields", "message": str(fault), "fields": fields}
    return Response(shaped(Problem, problem), 422, media_type=JSON)
