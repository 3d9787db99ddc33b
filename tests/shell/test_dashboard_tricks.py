"""The dashboard under trickery in one request: targets, heads, bodies and names that pretend."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.support.dashboard_peers import answering_bot, done
from tests.support.dashboard_wire import GREETING, TOKEN, Wire, serving, spoken

pytestmark = pytest.mark.integration

HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"
BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()
SOON_S = 1.0


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One server that outlives every trick."""
    with serving(tmp_path_factory.mktemp("tricks")) as running:
        yield running
        assert spoken(running, GREETING).startswith(b"HTTP/1.1 200")
        assert not (running.state / "emergency_stop").exists()


def status_of(heard: bytes) -> int:
    """The status of the one answer."""
    assert heard.count(b"HTTP/1.1 ") == 1, heard[:300]
    return int(heard[9:12])


@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.example/livez",
        b"//evil.example/livez",
        b"/livez/",
        b"/sign-in/",
        b"/api/unified/emergency-stop/",
        b"*",
        b"/livez%2f",
        b"/%2e%2e/livez",
        b"/\xef\xbc\x8flivez",
    ],
)
def test_target_when_it_pretends_to_be_another_place_leads_nowhere(
    wire: Wire, target: bytes
) -> None:
    """No route, and above all no redirect to whatever name the Host header holds."""
    for host in (HOST, b"Host: evil.example\r\n"):
        heard = spoken(wire, b"GET " + target + b" HTTP/1.1\r\n" + host + CLOSE)
        assert status_of(heard) in (400, 404, 405)
        assert b"evil" not in heard
        assert b"location" not in heard.lower()


HEADS = {
    "websocket": b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "http2": b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABk\r\n",
    "range": b"Range: bytes=0-0,-1,5-2," + b",".join(b"0-%d" % n for n in range(500)) + b"\r\n",
    "conditions": b"If-None-Match: *\r\nIf-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
    "forwarding": b"X-Forwarded-Host: evil.example\r\nX-Original-URL: /api/unified/pause\r\n"
    b"X-Rewrite-URL: /api/unified/pause\r\nX-Forwarded-Prefix: //evil.example\r\n",
    "many": b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(600)),
    "cookies": b"Cookie: " + b"; ".join(b"sht_session=%d.a.b" % n for n in range(300)) + b"\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_head_when_it_asks_for_another_answer_gets_the_usual_one(wire: Wire, head: bytes) -> None:
    """Nothing of it is understood, nothing of it is repeated, and it takes no time."""
    began = time.monotonic()
    end = b"\r\n" if b"Connection" in head else CLOSE
    heard = spoken(wire, b"GET /static/page.css HTTP/1.1\r\n" + HOST + head + end)
    assert status_of(heard) == 200
    assert b"evil" not in heard
    assert b":root" in heard
    assert time.monotonic() - began < SOON_S


BOMBS = {
    "depth": b"[" * 16_000,
    "depth of objects": b'{"reason":' * 1_600,
    "digits": b'{"reason": ' + b"9" * 16_000 + b"}",
    "exponent": b'{"reason": 1e999999999}',
    "no number": b'{"reason": NaN}',
    "many fields": json.dumps({f"f{n}": 1 for n in range(1_200)}).encode(),
    "many form fields": b"&".join(b"f%d=1" % n for n in range(1_500)),
    "the same field": b'{"reason": "a", "reason": "b"}',
    "the same form field": b"reason=a&reason=b",
    "two documents": b'{"reason": "a"}{"reason": "b"}',
    "byte order mark": b'\xef\xbb\xbf{"reason": "a"}',
    "other width": '{"reason": "a"}'.encode("utf-16"),
    "overlong letters": b'{"reason": "\xc0\xaf"}',
    "zipped": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\x00" * 200,
    "in parts": b'--x\r\nContent-Disposition: form-data; name="reason"\r\n\r\na\r\n--x--\r\n',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_body_when_it_is_a_bomb_is_refused_at_once_and_nothing_is_done(
    wire: Wire, bomb: bytes
) -> None:
    """422 within a moment, whatever Content-Type and Content-Encoding say; the token is right."""
    kinds = b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
    head = b"POST /api/unified/pause HTTP/1.1\r\n" + HOST + BEARER + kinds
    began = time.monotonic()
    with answering_bot(wire.state, done) as seen:
        heard = spoken(wire, head + b"Content-Length: %d\r\n" % len(bomb) + CLOSE + bomb)
    assert status_of(heard) == 422, heard[:300]
    assert seen == []
    assert time.monotonic() - began < SOON_S


FORMS = (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x")
FOREIGN = (b"Origin: http://localhost:1\r\n", b"Origin: null\r\n", b"Sec-Fetch-Site: same-site\r\n")


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("origin", FOREIGN)
def test_stop_when_a_form_of_another_site_sends_it_is_refused(
    wire: Wire, kind: bytes, origin: bytes
) -> None:
    """The one action that needs no token needs no preflight either: the Origin alone holds it."""
    body = b'{"reason": "a form can write JSON"}'
    head = b"POST /api/unified/emergency-stop HTTP/1.1\r\n" + HOST + origin
    head += b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n" % len(body)
    assert status_of(spoken(wire, head + CLOSE + body)) == 403


NAMES = [
    b"heartbeat%0a",
    b"heartbeat%0d%0aX:%20y",
    b"heartbeat%00.jsonl",
    b"%EF%BC%8E%EF%BC%8E%EF%BC%8Fstate",
    b"%E2%80%AEtaebtraeh",
    b"he%C4%B1artbeat",
    b"%c0%ae%c0%ae%c0%afstate",
    b"..%252f..%252fstate",
    b"..%5c..%5cstate",
    b"heartbeat::$DATA",
    b"-rf",
    b"a" * 300,
]


@pytest.mark.parametrize("name", NAMES)
def test_name_of_a_log_or_service_when_its_letters_pretend_is_none(wire: Wire, name: bytes) -> None:
    """Line ends, full-width dots, turned text, doubled encodings: no file, no service, no echo."""
    log = spoken(wire, b"GET /api/unified/logs/" + name + b" HTTP/1.1\r\n" + HOST + CLOSE)
    assert status_of(log) == 404
    path = b"POST /api/system/services/" + name + b"/restart HTTP/1.1\r\n"
    heard = spoken(wire, path + HOST + BEARER + b"Content-Length: 2\r\n" + CLOSE + b"{}")
    assert status_of(heard) == 404
    assert b"X: y" not in log + heard


def test_level_when_its_letters_only_become_ours_in_capitals_is_refused(wire: Wire) -> None:
    """A dotless i is no I."""
    path = b"/api/unified/logs/heartbeat?level=%C4%B1nfo"
    assert status_of(spoken(wire, b"GET " + path + b" HTTP/1.1\r\n" + HOST + CLOSE)) == 422
