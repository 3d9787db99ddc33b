"""The acting half of the API. Every action ends in the audit log, refused ones too."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import HTMLResponse, Response

from services.dashboard import access, bodies, pages
from services.dashboard.access import Access, Refusal
from services.dashboard.answers import Closed, Outcome, ServiceOutcome
from services.dashboard.bodies import BodyFault, Field, FieldFault
from services.dashboard.commands import ServiceAction
from services.dashboard.log_tail import SERVICE_NAME
from services.dashboard.refusals import wants_page
from services.dashboard.serving import Ask, RefusedRequest, Row, brake, told
from services.dashboard.views_api import finite
from shared.models.commands import Answer, ClearWhat, CommandOutcome

OWN_NAME = "dashboard"
WORD_CHARACTERS_MAX = 20
_STATUS = {
    CommandOutcome.DONE: 200,
    CommandOutcome.REFUSED: 409,
    CommandOutcome.EXPIRED: 504,
    CommandOutcome.FAILED: 503,
}
STOP_IN_PLACE_STATUS = 202
"""The stop stands, but nobody has verified at the broker that working entries are gone."""
_TITLES = {200: ("Done", "ok"), 202: ("Under way", "warn")}


def _who(ask: Ask) -> str:
    """The door and the way in, for the audit log."""
    way = "token" if ask.facts.has_bearer else "session" if ask.facts.has_session else "no token"
    return f"http {ask.peer} ({way})"


async def _confirmed(ask: Ask, word: str) -> dict[str, Any]:
    """Return the fields of the body. A form of the page must bring the word that it asks for: a
    click is made by mistake, a word is not. A script says what it wants by its token.
    """
    fields = await ask.fields()
    _demand_word(ask, fields, word)
    return fields


def _demand_word(ask: Ask, fields: dict[str, Any], word: str) -> None:
    is_page = ask.facts.has_session and not ask.facts.has_bearer
    if is_page and fields["word"] != word:
        raise BodyFault(FieldFault("word", f"must be {word}, to confirm"))


async def emergency_stop(ask: Ask) -> Response:
    """Stop all new risk: 200 verified at the broker, 202 the stop stands but is unverified."""
    fields = await ask.fields()
    flatten, include_external = fields["flatten"], fields["include_external"]
    if include_external and not flatten:
        raise BodyFault(FieldFault("include_external", "closes positions: say flatten with it"))
    if flatten:
        refused = brake(ask.request, ask.site, ask.facts) or access.refusal(
            Access.ACTION, ask.facts, ask.site.bound
        )
        if refused is not None:
            raise RefusedRequest(refused)
        _demand_word(ask, fields, "FLATTEN")
    answer = await ask.site.commands.emergency_stop(
        fields["reason"], _who(ask), flatten, include_external
    )
    status = _STATUS[answer.outcome]
    if status != 200 and ask.site.is_stopped():
        status = STOP_IN_PLACE_STATUS
    return _answered(ask, status, answer.detail, _command_document(answer))


async def clear_stop(ask: Ask) -> Response:
    """Let trading go on after a stop, by a named approver."""
    fields = await _confirmed(ask, "CLEAR")
    by = _who(ask)
    answer = await ask.site.commands.run(
        lambda core: core.clear_stop(fields["approver"], fields["what"], by)
    )
    return _command_answer(ask, answer)


async def close_position(ask: Ask) -> Response:
    """Close one whole position; the answer holds the numbers of the close."""
    fields = await _confirmed(ask, "CLOSE")
    by = _who(ask)
    answer = await ask.site.commands.run(
        lambda core: core.close_position(fields["symbol"], fields["reason"], by)
    )
    return _command_answer(ask, answer)


async def pause(ask: Ask) -> Response:
    """Take no new risk until resumed."""
    fields = await ask.fields()
    by = _who(ask)
    answer = await ask.site.commands.run(lambda core: core.pause(by, fields["reason"]))
    return _command_answer(ask, answer)


async def resume(ask: Ask) -> Response:
    """End a pause."""
    fields = await _confirmed(ask, "RESUME")
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
    fields = await ask.fields()
    name = ask.request.path_params["name"]
    if not SERVICE_NAME.fullmatch(name):
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
        return ask.answer(document, status)
    title, tone = _TITLES.get(status, ("Not done", "bad"))
    shown = [
        (name.replace("_", " "), str(value))
        for name, value in document.items()
        if name not in ("detail", "id") and value is not None
    ]
    page = pages.render("answer.html", title=title, tone=tone, detail=detail, rows=shown)
    return HTMLResponse(page, status)


_REASON = Field("reason", bodies.reason)
_MAY_SAY_WHY = (Field("reason", bodies.reason, required=False, default=""),)
_FLATTEN = Field("flatten", bodies.flag, required=False, default=False)
_INCLUDE_EXTERNAL = Field("include_external", bodies.flag, required=False, default=False)
_APPROVER = Field("approver", bodies.person)
_WHAT = Field("what", bodies.one_of(*ClearWhat), required=False, default=ClearWhat.STOP.value)
_SYMBOL = Field("symbol", bodies.symbol)
_WORD = Field(
    "word",
    bodies.line(WORD_CHARACTERS_MAX, "What a form of the page asks for, to confirm."),
    required=False,
    default="",
)

_COMMAND = dict.fromkeys(_STATUS.values(), told(Outcome))
_STOP = {**_COMMAND, STOP_IN_PLACE_STATUS: told(Outcome)}
_CLOSE = dict.fromkeys(_STATUS.values(), told(Closed))
_SERVICE = dict.fromkeys((200, 202, 409, 503), told(ServiceOutcome))

_BASE, _SERVICES = "/api/unified", "/api/system/services/{name}"
ROUTES = (
    Row(
        "POST",
        f"{_BASE}/emergency-stop",
        Access.STOP,
        emergency_stop,
        _STOP,
        (_REASON, _FLATTEN, _INCLUDE_EXTERNAL, _WORD),
    ),
    Row(
        "POST",
        f"{_BASE}/clear-stop",
        Access.ACTION,
        clear_stop,
        _COMMAND,
        (_APPROVER, _WHAT, _WORD),
    ),
    Row(
        "POST",
        f"{_BASE}/close-position",
        Access.ACTION,
        close_position,
        _CLOSE,
        (_SYMBOL, _REASON, _WORD),
    ),
    Row("POST", f"{_BASE}/pause", Access.ACTION, pause, _COMMAND, _MAY_SAY_WHY),
    Row("POST", f"{_BASE}/resume", Access.ACTION, resume, _COMMAND, (*_MAY_SAY_WHY, _WORD)),
    Row(
        "POST",
        f"{_SERVICES}/restart",
        Access.ACTION,
        restart_service,
        _SERVICE,
        _MAY_SAY_WHY,
        refuses=(404,),
    ),
    Row(
        "POST",
        f"{_SERVICES}/release",
        Access.ACTION,
        release_service,
        _SERVICE,
        _MAY_SAY_WHY,
        refuses=(404,),
    ),
)
