"""The short way of a request sends what the long way would, and is left when something is asked."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from shared.resilience.direct_session import DirectSession

pytestmark = pytest.mark.unit

URL = "http://broker.test/v2/orders"
HEADERS = {"APCA-API-KEY-ID": "key", "User-Agent": "sht"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("GET", {"params": {"status": "all", "nested": True, "after": "2026-01-05T14:30:00+00:00"}}),
    ("GET", {"params": None, "headers": {"user-agent": "other"}}),
    ("POST", {"json": {"symbol": "BRK.B", "qty": "1", "note": "é"}}),
    ("PATCH", {"json": {"stop_price": "1.5"}, "timeout": (1.0, 2.0)}),
    ("DELETE", {"params": None}),
    ("get", {"params": {"symbols": "A,B"}}),
    # Equal as numbers, and not the same on the wire; lists, nothing, and a text of its own.
    ("GET", {"params": {"nested": 1}}),
    ("GET", {"params": {"nested": True}}),
    ("GET", {"params": {"nested": 1.0}}),
    ("GET", {"params": {"symbols": ["A", "B"], "until": None}}),
    ("GET", {"params": "status=all&nested=true"}),
]


class Taken(BaseAdapter):
    """Keeps what is sent, and answers with these headers."""

    def __init__(self, **headers: str) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []
        self._headers = headers

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append((request, options))
        reply = requests.Response()
        reply.status_code, reply.url, reply.request = 200, request.url or "", request
        reply.headers = CaseInsensitiveDict(self._headers)
        reply._content = b"{}"
        return reply

    def close(self) -> None:
        """Nothing is open."""


def sent_by(session: requests.Session, method: str, options: dict[str, Any]) -> tuple[Any, ...]:
    """Return verb, address, headers, body and bounds of what leaves."""
    adapter = Taken()
    session.trust_env = False
    session.headers.update(HEADERS)
    session.mount("http://", adapter)
    reply = session.request(method, URL, allow_redirects=False, **options)
    assert reply.status_code == 200
    ((request, bounds),) = adapter.sent
    told = {name: bounds[name] for name in ("timeout", "verify", "cert")}
    return request.method, request.url, dict(request.headers), request.body, told


@pytest.mark.parametrize(("method", "options"), CALLS)
def test_request_when_sent_directly_then_as_requests_itself_sends_it(
    method: str, options: dict[str, Any]
) -> None:
    """To the byte: verb, address, headers, body; and the same bounds and verification."""
    assert sent_by(DirectSession(), method, options) == sent_by(requests.Session(), method, options)


def test_request_when_a_cookie_is_known_then_it_is_sent() -> None:
    """What somebody of ours puts on the session goes along, over the long way."""
    session, plain = DirectSession(), requests.Session()
    for one in (session, plain):
        one.cookies.set("gate", "7")
    assert sent_by(session, "GET", {}) == sent_by(plain, "GET", {})
    assert sent_by(session, "GET", {})[2]["Cookie"] == "gate=7"


def test_request_when_a_hook_waits_for_the_reply_then_it_is_called() -> None:
    """What somebody hung on the session is obeyed, over the long way."""
    heard: list[int] = []
    session = DirectSession()
    session.hooks["response"].append(lambda reply, **_: heard.append(reply.status_code))
    sent_by(session, "GET", {})
    assert heard == [200]


@pytest.mark.parametrize("header", ["bad\nvalue", "bad\rvalue"])
def test_request_when_a_header_cannot_be_sent_then_refused(header: str) -> None:
    """The checks of requests stay."""
    with pytest.raises(requests.exceptions.InvalidHeader):
        sent_by(DirectSession(), "GET", {"headers": {"X-Word": header}})
