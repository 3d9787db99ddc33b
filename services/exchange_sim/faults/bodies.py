"""The bodies that gateways and proxies send in place of the exchange's own. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from services.exchange_sim.faults.fault import Fault

_REASONS = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_JSON, _HTML = "application/json", "text/html"


@dataclass(frozen=True, slots=True)
class Canned:
    """One whole reply."""

    status: int
    body: bytes
    media_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()


def _document(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _page(status: int, title: str) -> bytes:
    head = f"<head><title>{status} {title}</title></head>"
    return f"<html>\r\n{head}\r\n<body>\r\n<h1>{title}</h1>\r\n</body>\r\n</html>\r\n".encode()


def _server_error(fault: Fault) -> Canned:
    status = int(fault.parameters["status"])
    form, reason = fault.parameters["form"], _REASONS[status]
    if form == "html":
        return Canned(status, _page(status, reason), _HTML)
    if form == "empty":
        return Canned(status, b"")
    code = status * 100_000 + 10_000
    return Canned(status, _document({"code": code, "message": reason.lower()}))


def _odd_reply(fault: Fault) -> Canned:
    form = fault.parameters["form"]
    if form == "html":
        return Canned(200, _page(200, "Maintenance"), _HTML)
    bodies = {"null": b"null", "empty": b"", "list": b'["maintenance"]', "object": b"{}"}
    return Canned(200, bodies[str(form)])


def _rate_limited(fault: Fault) -> Canned:
    wait_s = fault.parameters.get("retry_after_s")
    headers = () if wait_s is None else (("retry-after", f"{float(wait_s):.0f}"),)
    body = _document({"code": 42910000, "message": "rate limit exceeded"})
    return Canned(429, body, headers=headers)


def _refused_keys(fault: Fault) -> Canned:
    status = int(fault.parameters["status"])
    word = "unauthorized." if status == 401 else "forbidden."
    return Canned(status, _document({"message": word}))


GATEWAY_TIMEOUT = Canned(504, _page(504, _REASONS[504]), _HTML)
CONNECTION_LIMIT_CODE = 406
_MOVED = Canned(301, b"", _HTML, (("location", "/maintenance"),))
_WRITERS = {
    "server_error": _server_error,
    "odd_reply": _odd_reply,
    "rate_limited": _rate_limited,
    "refused_keys": _refused_keys,
}


def canned(fault: Fault) -> Canned | None:
    """Return the reply that the fault gives in the exchange's place, None when it gives none."""
    if fault.kind == "moved":
        return _MOVED
    writer = _WRITERS.get(fault.kind)
    return None if writer is None else writer(fault)


def handshake_reply(fault: Fault) -> Canned:
    """Return the HTTP answer to the opening of a stream."""
    status = int(fault.parameters["status"])
    return Canned(status, _page(status, _REASONS.get(status, "Refused")), _HTML)
