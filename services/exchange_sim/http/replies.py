"""JSON replies and the reading of requests: any content type, lenient words, strict values."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from services.exchange_sim.admission import plain
from services.exchange_sim.records import Refusal
from services.exchange_sim.stamps import rest_of
from services.exchange_sim.ticket import bad_form
from shared.clock import parse_utc

_BAD_REQUEST = 400
_MALFORMED = 40010000
_TOO_LARGE = 413
BODY_BYTES_MAX = 1_000_000
_NUMBER_CHARACTERS_MAX = 9
_MICROSECOND = timedelta(microseconds=1)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""A later moment means for ever; it is cut so that a day can be added to it."""


def short_stamp(moment: datetime) -> str:
    """Write a moment in UTC with as many fraction digits as it needs, and Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _default(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return short_stamp(value)
    raise TypeError(f"{type(value).__name__} has no place in a reply")


def encode(document: object) -> bytes:
    """Return the document as JSON; Decimal becomes a string, a moment an RFC 3339 stamp."""
    return json.dumps(document, default=_default, separators=(",", ":")).encode()


def reply(document: object, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(encode(document), status, media_type="application/json")


def refusal_reply(refusal: Refusal) -> Response:
    """Return what the broker answers when it says no."""
    return reply(refusal.document(), refusal.status)


async def _raw_body(request: Request) -> bytes:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > BODY_BYTES_MAX:
            raise Refusal(_TOO_LARGE, _MALFORMED, "request body is too large")
    return bytes(raw)


async def read_body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body; an empty body is an empty object."""
    raw = await _raw_body(request)
    if not raw.strip():
        return {}
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(_BAD_REQUEST, _MALFORMED, "request body format is invalid") from None
    if not isinstance(document, dict):
        raise Refusal(_BAD_REQUEST, _MALFORMED, "request body must be an object")
    return document


def moment_of(text: str, name: str) -> datetime:
    """Read a stamp or a day; a `+` that arrived as a blank is taken back."""
    try:
        if len(text) == len("2026-11-20"):
            day = date.fromisoformat(text)
            return min(datetime(day.year, day.month, day.day, tzinfo=UTC), _LATEST)
        return min(parse_utc(text.replace(" ", "+")), _LATEST)
    except (ValueError, OverflowError):
        raise bad_form(f"invalid format for parameter {name}: {text}") from None


def moment_or_none(request: Request, name: str) -> datetime | None:
    """Read an optional stamp of the query, cut to the microsecond: exact as an exclusive lower
    bound of moments that have no more digits.
    """
    text = request.query_params.get(name)
    return moment_of(text, name) if text else None


def end_or_none(request: Request, name: str) -> datetime | None:
    """Read an optional stamp as an exclusive upper bound: rounded up to the microsecond."""
    moment = moment_or_none(request, name)
    if moment is None or rest_of(request.query_params[name]) == 0:
        return moment
    return moment + _MICROSECOND


def whole_number(request: Request, name: str, default: int, most: int) -> int:
    """Read an optional whole number of the query within 1..most."""
    text = request.query_params.get(name)
    if not text:
        return default
    is_number = text.isdecimal() and len(text) <= _NUMBER_CHARACTERS_MAX
    if not is_number or not 1 <= int(text) <= most:
        raise bad_form(f"{name} must be between 1 and {most}")
    return int(text)


def word_list(request: Request, name: str) -> list[str]:
    """Read a comma list of the query, upper case, without doubles, in its order."""
    text = request.query_params.get(name, "")
    return list(dict.fromkeys(word.strip().upper() for word in text.split(",") if word.strip()))
