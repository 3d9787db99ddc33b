"""The acting half of the API. Every action ends in the audit log, refused ones too."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

from services.dashboard import access, bodies, pages
from services.dashboard.access import Access, Refusal
from services.dashboard.bodies import Field
from services.dashboard.commands import ServiceAction
from services.dashboard.serving import Ask, RefusedRequest, Row, brake, read_fields, wants_page
from services.dashboard.views_api import finite
from shared.models.commands import Answer, ClearWhat, CommandOutcome

OWN_NAME = "dashboard"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
_STATUS = {
    CommandOutcome.DONE: 200,
    CommandOutcome.REFUSED: 409,
    CommandOutcome.EXPIRED: 504,
    CommandOutcome.FAILED: 503,
}
STOP_IN_PLACE_STATUS = 202
"""The stop stands, but nobody has verified at the broker that working entries are gone."""
_TITLES = {200: ("Done", "ok"), 202: ("Under way", "warn")}
_OPTIONAL_REASON = Field("reason", bodies.reason, required=False, default="")


def _who(ask: Ask) -> str:
    """The door and the way in, for the audit log."""
    way = "token" if ask.facts.has_bearer else "session" if ask.facts.has_session else "no token"
    return f"http {ask.peer} ({way})"


async def emergency_stop(ask: Ask) -> Response:
    """Stop all new risk: 200 verified at the broker, 202 the stop stands but is unverified."""
    fields = await read_fields(
        ask.request,
        Field("reason", bodies.reason),
        Field("flatten", bodies.flag, required=False, default=False),
    )
    if fields["flatten"]:
        refused = brake(ask.request, ask.site, ask.facts) or access.refusal(
            Access.ACTION, ask.facts, ask.site.bound
        )
        if refused is not None:
            raise RefusedRequest(refused)
    answer = await ask.site.commands.emergency_stop(fields["reason"], _who(ask), fields["flatten"])
    status = _STATUS[answer.outcome]
    if status != 200 and ask.site.is_stopped():
        status = STOP_IN_PLACE_STATUS
    return _answered(ask, status, answer.detail, _command_document(answer))


async def clear_stop(ask: Ask) -> Response:
    """Let trading go on after a stop, by a named approver."""
    fields = await read_fields(
        ask.request,
        Field("approver", bodies.person),
        Field(
            "what",
            bodies.one_of(*(what.value for what in ClearWhat)),
            required=False,
            default=ClearWhat.STOP.value,
        ),
    )
    by = _who(ask)
    answer = await ask.site.commands.run(
        lambda core: core.clear_stop(fields["approver"], fields["what"], by)
    )
    return _command_answer(ask, answer)


async def close_position(ask: Ask) -> Response:
    """Close one whole position; the answer holds the numbers of the close."""
    fields = await read_fields(
        ask.request, Field("symbol", bodies.symbol), Field("reason", bodies.reason)
    )
    by = _who(ask)
    answer = await ask.site.commands.run(
        lambda core: core.close_position(fields["symbol"], fields["reason"], by)
    )
    return _command_answer(ask, answer)


async def pause(ask: Ask) -> Response:
    """Take no new risk until resumed."""
    fields = await read_fields(ask.request, _OPTIONAL_REASON)
    by = _who(ask)
    answer = await ask.site.commands.run(lambda core: core.pause(by, fields["reason"]))
    return _command_answer(ask, answer)


async def resume(ask: Ask) -> Response:
    """End a pause."""
    fields = await read_fields(ask.request, _OPTIONAL_REASON)
    by = _who(ask)
    answer = await ask.site.commands.run(lambda core: core.resume(by, fields["reason"]))
    return _command_answer(ask, answer)


async def restart_service(ask: Ask) -> Response:
    """Restart one service; asked for, so it counts as no failure."""
    return await _service(ask, ServiceAction.RESTART)


async def release_service(ask: Ask) -> Response:
    """Let a parked service run again."""
    return await _service(ask, ServiceAction.RELEASE)


async def _service(ask: Ask, action: ServiceAction) -> Response:
    fields = await read_fields(ask.request, _OPTIONAL_REASON)
    name = ask.request.path_params["name"]
    if not _NAME.match(name):
        raise RefusedRequest(Refusal(404, "no_such_service", "there is no service of that name"))
    reason, by = fields["reason"], _who(ask)
    asked = ask.site.commands.service(action, name, reason, by)
    if name == OWN_NAME:
        # We shall be gone before the supervisor can answer us.
        ask.site.commands.note_asked(action, name, reason, by)
        ask.site.background(asyncio.ensure_future(asked))
        detail = f"{action.value} of {name}: asked for; this page comes back by itself."
        return _answered(ask, 202, detail, {"outcome": "asked", "detail": detail})
    answer = await asked
    if not answer.known:
        raise RefusedRequest(Refusal(404, "no_such_service", answer.detail))
    status = 200 if answer.done else 409 if answer.reached else 503
    outcome = {200: "done", 409: "refused", 503: "failed"}[status]
    return _answered(ask, status, answer.detail, {"outcome": outcome, "detail": answer.detail})


def _command_document(answer: Answer) -> dict[str, Any]:
    """The result's facts beside outcome, detail and id."""
    document = {
        **answer.result,
        "id": answer.id,
        "outcome": answer.outcome.value,
        "detail": answer.detail,
    }
    return finite(document)  # type: ignore[no-any-return]  # a dict stays a dict


def _command_answer(ask: Ask, answer: Answer) -> Response:
    return _answered(ask, _STATUS[answer.outcome], answer.detail, _command_document(answer))


def _answered(ask: Ask, status: int, detail: str, document: dict[str, Any]) -> Response:
    """Answer a program in JSON, a person with a page that leads back."""
    if not wants_page(ask.request):
        return JSONResponse(document, status)
    title, tone = _TITLES.get(status, ("Not done", "bad"))
    shown = [
        (name.replace("_", " "), str(value))
        for name, value in document.items()
        if name not in ("detail", "id") and value is not None
    ]
    page = pages.render("answer.html", title=title, tone=tone, detail=detail, rows=shown)
    return HTMLResponse(page, status)


ROUTES = (
    Row("POST", "/api/unified/emergency-stop", Access.STOP, emergency_stop),
    Row("POST", "/api/unified/clear-stop", Access.ACTION, clear_stop),
    Row("POST", "/api/unified/close-position", Access.ACTION, close_position),
    Row("POST", "/api/unified/pause", Access.ACTION, pause),
    Row("POST", "/api/unified/resume", Access.ACTION, resume),
    Row("POST", "/api/system/services/{name}/restart", Access.ACTION, restart_service),
    Row("POST", "/api/system/services/{name}/release", Access.ACTION, release_service),
)
