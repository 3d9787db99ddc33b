"""What a request of the bot is for, in the words of the table. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from tests.crash.venue import Request

ENTRY, PROTECTION, EXIT = "POST entry", "POST protection", "POST exit"
REPLACE, CANCEL, CLOSE = "PATCH order", "DELETE order", "DELETE position"
LOOKUP, ORDERS, POSITIONS = "GET lookup", "GET orders", "GET positions"
ACTIVITIES, ACCOUNT, CLOCK, OTHER = "GET activities", "GET account", "GET clock", "other"
WRITES = (ENTRY, PROTECTION, EXIT, REPLACE, CANCEL, CLOSE)
READS = (LOOKUP, ORDERS, POSITIONS, ACTIVITIES, ACCOUNT, CLOCK)
_READ_BY_PATH = {
    "/v2/account": ACCOUNT,
    "/v2/clock": CLOCK,
    "/v2/account/activities": ACTIVITIES,
    "/v2/orders:by_client_order_id": LOOKUP,
}
_PROTECTIVE_TYPES = ("stop", "stop_limit", "trailing_stop")


def kind_of(request: Request) -> str:
    """Return one of WRITES, of READS, or OTHER."""
    path = urlsplit(request.target).path
    if request.method == "POST" and path == "/v2/orders":
        return _of_order(body_of(request))
    if request.method == "PATCH" and path.startswith("/v2/orders/"):
        return REPLACE
    if request.method == "DELETE":
        return CANCEL if path.startswith("/v2/orders") else CLOSE
    if request.method != "GET":
        return OTHER
    for prefix, kind in (("/v2/orders", ORDERS), ("/v2/positions", POSITIONS)):
        if path == prefix or path.startswith(f"{prefix}/"):
            return kind
    return _READ_BY_PATH.get(path, OTHER)


def _of_order(document: Mapping[str, object]) -> str:
    if document.get("side") == "buy":
        return ENTRY
    is_group = document.get("order_class") not in (None, "", "simple")
    return PROTECTION if is_group or document.get("type") in _PROTECTIVE_TYPES else EXIT


def body_of(request: Request) -> Mapping[str, object]:
    """Return the JSON object in the body, empty when there is none."""
    try:
        document = json.loads(request.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
