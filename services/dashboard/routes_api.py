"""The reading half of the API, the event stream, the probes and the metrics."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from anyio.to_thread import run_sync
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from services.dashboard import answers, bodies, gaps, views_api
from services.dashboard.access import Access, Refusal
from services.dashboard.answer_fields import Shape
from services.dashboard.bodies import Field, Rule
from services.dashboard.log_tail import LEVELS, LINES_MAX, tail
from services.dashboard.metrics import CONTENT_TYPE, exposition
from services.dashboard.serving import Ask, Handler, RefusedRequest, Row, Told, told
from services.dashboard.snapshot import Hub, Snapshot
from services.dashboard.tolerant import EMPTY, rows_of
from shared.models.health import Status
from shared.telemetry.logs import log_event

LISTENERS_MAX = 256
STREAM_PING_S = 15
STREAM_SEND_S = 5.0
"""A client that takes nothing for so long is dropped."""
LOG_LINES = 200
_WORDS = {Status.OK: "pass", Status.DEGRADED: "warn", Status.FAILED: "fail"}
_HEALTH_TYPE = "application/health+json"
EVENT_STREAM = "text/event-stream"

logger = logging.getLogger("dashboard")


def _may_see_money(ask: Ask) -> bool:
    facts = ask.facts
    return ask.site.bound.is_loopback or facts.has_bearer or facts.has_session


async def health(ask: Ask) -> Response:
    """health.json after the age rule: 200 for OK and DEGRADED, 503 for FAILED or stale."""
    snapshot = ask.newest()
    judgement = snapshot.judgement
    document = views_api.health_document(
        judgement, snapshot.reading, with_metrics=_may_see_money(ask)
    )
    return ask.answer(document, 503 if judgement.overall is Status.FAILED else 200)


async def livez(_ask: Ask) -> Response:
    """Whether this process turns; never asks anything of anybody else."""
    return PlainTextResponse("ok\n")


async def readyz(ask: Ask) -> Response:
    """Whether the system may be relied upon: 200 unless its verdict is FAILED or stale."""
    judgement = ask.newest().judgement
    document = {"status": _WORDS[judgement.overall], "output": judgement.reason}
    failed = judgement.overall is Status.FAILED
    return ask.answer(views_api.finite(document), 503 if failed else 200)


async def metrics(ask: Ask) -> Response:
    """Prometheus text; figures of money only for who may see them."""
    snapshot = ask.newest()
    text = exposition(snapshot.reading, snapshot.judgement, _may_see_money(ask))
    return Response(text, media_type=CONTENT_TYPE)


async def status(ask: Ask) -> Response:
    """Mode, money, trading state and limits in one document."""
    snapshot = ask.newest()
    return ask.answer(
        views_api.status_document(snapshot.reading, snapshot.judgement, ask.site.configured_mode)
    )


def _list_answer(ask: Ask, rows: tuple[Any, ...], snapshot: Snapshot, unknown: str) -> Response:
    """The rows, or 503 when nobody knows them: a failed read is never an empty answer."""
    name = ask.row.path.rpartition("/")[2]
    if unknown:
        raise RefusedRequest(Refusal(503, "unknown", f"{name}: {unknown}"))
    return ask.answer(views_api.rows_document(name, rows, snapshot.reading))


async def _bot_list(ask: Ask, name: str) -> Response:
    snapshot = ask.newest()
    rows = rows_of(snapshot.reading.bot_status or EMPTY, name)
    return _list_answer(ask, rows, snapshot, gaps.bot_gap(snapshot.reading, name))


async def positions(ask: Ask) -> Response:
    """The open positions with stop and target."""
    return await _bot_list(ask, "positions")


async def orders(ask: Ask) -> Response:
    """The orders that the bot knows."""
    return await _bot_list(ask, "orders")


async def rejections(ask: Ask) -> Response:
    """What the guard refused, newest first, with every check's limit and value."""
    snapshot = ask.newest()
    rows = snapshot.reading.denials
    return _list_answer(ask, rows, snapshot, gaps.ledger_gap(snapshot.reading, rows))


async def incidents(ask: Ask) -> Response:
    """Flips of services, newest first."""
    snapshot = ask.newest()
    rows = views_api.incident_documents(snapshot.judgement)
    return _list_answer(ask, rows, snapshot, gaps.incident_gap(snapshot.judgement))


async def equity(ask: Ask) -> Response:
    """The equity points, oldest first."""
    snapshot = ask.newest()
    rows = snapshot.reading.equity
    return _list_answer(ask, rows, snapshot, gaps.ledger_gap(snapshot.reading, rows))


async def logs(ask: Ask) -> Response:
    """The last lines of a service's log, of that level and above."""
    wanted = ask.query()
    service = ask.request.path_params["service"]
    found = await run_sync(tail, ask.site.log_dir, service, wanted["lines"], wanted["level"])
    if found is None:
        raise RefusedRequest(Refusal(404, "no_such_log", "there is no log of that name"))
    return ask.answer(views_api.finite({"service": service, "lines": found}))


def _level(value: object) -> str:
    level = str(value).upper()
    if level and level not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return level


async def events(ask: Ask) -> Response:
    """The stream: `status` with each refresh, `page` with the sections that changed."""
    if ask.site.hub.listeners >= LISTENERS_MAX:
        raise RefusedRequest(Refusal(503, "too_many_streams", "too many open event streams"))
    return _CountedStream(ask.site.hub)


class _CountedStream(EventSourceResponse):
    """Has its place from the moment it is admitted, so that a crowd cannot slip in together."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(_stream(hub), ping=STREAM_PING_S, send_timeout=STREAM_SEND_S)
        self._hub = hub
        hub.listeners += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until somebody has enough, then give the place back."""
        try:
            await super().__call__(scope, receive, send)
        except* SendTimeoutError:
            log_event(logger, "stream_dropped", f"a stream took nothing for {STREAM_SEND_S:g} s")
        finally:
            self._hub.listeners -= 1


async def _stream(hub: Hub) -> AsyncIterator[dict[str, str]]:
    sent: Mapping[str, str] = {}
    number = -1
    while (snapshot := await hub.after(number)) is not None:
        number = snapshot.number
        yield {"event": "status", "id": str(number), "data": _status_event(snapshot)}
        fresh = snapshot.fragments
        changed = {name: text for name, text in fresh.items() if sent.get(name) != text}
        sent = fresh or sent
        if changed:
            yield {"event": "page", "data": json.dumps(changed)}


def _status_event(snapshot: Snapshot) -> str:
    verdict = snapshot.view.verdict
    return json.dumps(
        {
            "number": snapshot.number,
            "overall": verdict.word,
            "code": verdict.code,
            "reason": verdict.reason,
            "mode": verdict.mode,
            "trading_state": verdict.trading_state,
            "chaos_mode": snapshot.view.chaos_mode,
            "read_at": snapshot.view.read_at,
        }
    )


_LINES = Field("lines", bodies.count(1, LINES_MAX), required=False, default=LOG_LINES)
_LEVEL = Field(
    "level", Rule(_level, {"type": "string", "enum": ["", *LEVELS]}), required=False, default=""
)
_TEXT = Told("text/plain")
_VERDICT = {200: told(answers.Health), 503: told(answers.Health)}
_READY = dict.fromkeys((200, 503), Told(_HEALTH_TYPE, answers.Ready))


def _reads(path: str, handler: Handler, shape: type[Shape]) -> Row:
    """A row that shows money in one document; unknown before the first reading, or for ever."""
    return Row("GET", path, Access.MONEY, handler, {200: told(shape)}, refuses=(503,))


ROUTES = (
    Row("GET", "/livez", Access.PUBLIC, livez, {200: _TEXT}),
    Row("GET", "/readyz", Access.PUBLIC, readyz, _READY, refuses=(503,)),
    Row("GET", "/metrics", Access.PUBLIC, metrics, {200: _TEXT}, refuses=(503,)),
    Row("GET", "/api/system/health", Access.PUBLIC, health, _VERDICT, refuses=(503,)),
    Row("GET", "/api/events", Access.MONEY, events, {200: Told(EVENT_STREAM)}, refuses=(503,)),
    _reads("/api/unified/status", status, answers.SystemStatus),
    _reads("/api/unified/positions", positions, answers.Positions),
    _reads("/api/unified/orders", orders, answers.Orders),
    _reads("/api/unified/rejections", rejections, answers.Rejections),
    _reads("/api/unified/incidents", incidents, answers.Incidents),
    _reads("/api/unified/equity", equity, answers.Equity),
    Row(
        "GET",
        "/api/unified/logs/{service}",
        Access.MONEY,
        logs,
        {200: told(answers.LogLines)},
        query=(_LINES, _LEVEL),
        refuses=(404,),
    ),
)
