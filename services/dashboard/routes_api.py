"""The reading half of the API, the event stream, the probes and the metrics."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from services.dashboard import answers, bodies, gaps, views_api
from services.dashboard.access import Access, Refusal
from services.dashboard.answer_fields import Shape
from services.dashboard.bodies import Field, Rule
from services.dashboard.documents import Document, Reading, is_bot_status_fresh
from services.dashboard.log_tail import LEVELS, LINES_MAX, tail
from services.dashboard.metrics import CONTENT_TYPE, exposition
from services.dashboard.serving import Ask, Handler, Kept, RefusedRequest, Row, Told, told
from services.dashboard.snapshot import Snapshot
from services.dashboard.tolerant import EMPTY, rows_of
from shared.models.health import Status
from shared.telemetry.logs import log_event

LISTENERS_MAX = 256
STREAM_PING_S = 15
STREAM_SEND_S = 5.0
"""A client that takes nothing for so long is dropped."""
LOG_LINES = 200
FEW_ROWS = 50
"""So many are made into an answer sooner than another thread is asked."""
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


def _demand_known(ask: Ask, why_not: str) -> None:
    """Refuse with 503 what nobody knows: a failed read is never an empty answer."""
    if why_not:
        name = ask.row.path.rpartition("/")[2]
        raise RefusedRequest(Refusal(503, "unknown", f"{name}: {why_not}"))


async def _made(ask: Ask, count: int, make: Callable[[], dict[str, Any]]) -> Response:
    """Many rows are made into an answer beside the event loop."""
    if count <= FEW_ROWS:
        return ask.answer(make())
    promised = ask.row.answers[200]
    return ask.answer_of(await ask.apart(lambda: promised.body(make())))


async def positions(ask: Ask) -> Response:
    """The open positions with stop and target, and beside them the shares that are not ours."""
    reading = ask.newest().reading
    _demand_known(ask, gaps.bot_gap(reading, "positions"))
    count = len(rows_of(reading.bot_status or EMPTY, "positions"))
    return await _made(ask, count, lambda: views_api.positions_document(reading))


async def orders(ask: Ask) -> Response:
    """The orders that the bot knows."""
    reading = ask.newest().reading
    _demand_known(ask, gaps.bot_gap(reading, "orders"))
    rows = rows_of(reading.bot_status or EMPTY, "orders")
    return await _made(ask, len(rows), lambda: views_api.rows_document("orders", rows, reading))


async def rejections(ask: Ask) -> Response:
    """What the guard refused, newest first, with every check's limit and value."""
    reading = ask.newest().reading
    return await _of_the_ledger(ask, "rejections", reading.denials, reading)


async def incidents(ask: Ask) -> Response:
    """Flips of services, newest first."""
    snapshot = ask.newest()
    _demand_known(ask, gaps.incident_gap(snapshot.judgement))
    rows = views_api.incident_documents(snapshot.judgement)
    return await _made(
        ask, len(rows), lambda: views_api.rows_document("incidents", rows, snapshot.reading)
    )


async def equity(ask: Ask) -> Response:
    """The equity points, oldest first."""
    reading = ask.newest().reading
    return await _of_the_ledger(ask, "equity", reading.equity, reading)


async def _of_the_ledger(
    ask: Ask, name: str, rows: tuple[Document, ...], reading: Reading
) -> Response:
    """Rows of the ledger. They stay the same tuple until the ledger has changed, and so long an
    answer once made is good.
    """
    _demand_known(ask, gaps.ledger_gap(reading, rows))
    fresh = is_bot_status_fresh(reading)
    kept = ask.site.kept.get(name)
    if kept is not None and kept.rows is rows and kept.is_fresh is fresh:
        return ask.answer_of(kept.body)
    made = await _made(ask, len(rows), lambda: views_api.rows_document(name, rows, reading))
    ask.site.kept[name] = Kept(rows, fresh, bytes(made.body))
    return made


async def logs(ask: Ask) -> Response:
    """The last lines of a service's log, of that level and above."""
    wanted = ask.query()
    service = ask.request.path_params["service"]

    def body() -> bytes | None:
        found = tail(ask.site.log_dir, service, wanted["lines"], wanted["level"])
        if found is None:
            return None
        return ask.row.answers[200].body(views_api.finite({"service": service, "lines": found}))

    made = await ask.apart(body)
    if made is None:
        raise RefusedRequest(Refusal(404, "no_such_log", "there is no log of that name"))
    return ask.answer_of(made)


def _level(value: object) -> str:
    text = str(value)
    level = text.upper()
    # letters beyond ASCII may become ours in capitals
    if level and (level not in LEVELS or not text.isascii()):
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return level


async def events(ask: Ask) -> Response:
    """The stream: `status` with each refresh, `page` with the sections that changed."""
    if ask.site.hub.listeners >= LISTENERS_MAX:
        raise RefusedRequest(Refusal(503, "too_many_streams", "too many open event streams"))
    return _CountedStream(ask)


class _CountedStream(EventSourceResponse):
    """Has its place from the moment it is admitted, so that a crowd cannot slip in together."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(_stream(ask), ping=STREAM_PING_S, send_timeout=STREAM_SEND_S)
        self._hub = ask.site.hub
        self._hub.listeners += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until somebody has enough, then give the place back."""
        try:
            await super().__call__(scope, receive, send)
        except* SendTimeoutError:
            log_event(logger, "stream_dropped", f"a stream took nothing for {STREAM_SEND_S:g} s")
        finally:
            self._hub.listeners -= 1


async def _stream(ask: Ask) -> AsyncIterator[dict[str, str]]:
    """Events until the hub closes, or until the session that was let in is over."""
    sent: Mapping[str, str] = EMPTY
    number = -1
    while (snapshot := await ask.site.hub.after(number)) is not None and ask.still_stands():
        number = snapshot.number
        yield {"event": "status", "id": str(number), "data": _status_event(snapshot)}
        if news := snapshot.news_since(sent):
            yield {"event": "page", "data": news}
        sent = snapshot.fragments or sent


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
