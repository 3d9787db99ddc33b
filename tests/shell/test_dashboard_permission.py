"""The dashboard as a real process: who may ask for what, on loopback."""

from __future__ import annotations

import pytest

from services.dashboard.app import ROUTES
from tests.support.dashboard import Dashboard
from tests.support.dashboard_peers import answering_bot, done

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "10.0.0.1", "", "[::2]:80"])
def test_request_when_host_is_foreign_answers_400(page: Dashboard, host: str) -> None:
    """DNS rebinding finds no page, not even a health answer."""
    assert page.ask("GET", "/api/system/health", headers={"Host": host}).status == 400


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_request_when_host_is_this_machine_is_served(page: Dashboard, host: str) -> None:
    """A tunnel may use any port."""
    assert page.ask("GET", "/livez", headers={"Host": host}).status == 200


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


ACTIONS = [row.path.replace("{name}", "heartbeat") for row in ROUTES if row.method == "POST"]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ACTIONS)
def test_post_when_origin_is_foreign_answers_403_even_with_the_token(
    page: Dashboard, path: str, headers: dict[str, str]
) -> None:
    """A page of somebody else in the operator's browser can do nothing, stop included."""
    reply = page.ask("POST", path, {"reason": "x"}, {**page.bearer, **headers})
    assert reply.status == 403
    assert not (page.state / "emergency_stop").exists()


@pytest.mark.parametrize(
    "path", [p for p in ACTIONS if p.startswith("/api/") and "emergency-stop" not in p]
)
def test_post_without_token_answers_401(page: Dashboard, path: str) -> None:
    """Every action but the plain stop needs the token."""
    reply = page.ask("POST", path, {"reason": "x", "approver": "a", "symbol": "AAPL"})
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [p for p in ACTIONS if p.startswith("/api/")])
def test_get_on_an_action_answers_405(page: Dashboard, path: str) -> None:
    """Nothing is changed by a GET."""
    assert page.ask("GET", path, headers=page.bearer).status == 405


def test_sign_in_gives_a_session_that_acts_only_with_an_origin(page: Dashboard) -> None:
    """The cookie is strict, hidden from scripts, and no good without the browser's word."""
    own = {"Origin": f"http://127.0.0.1:{page.port}"}
    reply = page.ask("POST", "/sign-in", f"token={page.token}".encode(), own)
    assert reply.status == 303
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    session = {"Cookie": cookie.partition(";")[0]}
    assert 'action="/api/unified/close-position"' in page.ask("GET", "/", headers=session).text
    assert page.ask("POST", "/api/unified/pause", {}, session).status == 403
    with answering_bot(page.state, done) as seen:
        reply = page.ask(
            "POST", "/api/unified/pause", b"", {**session, **own, "Accept": "text/html"}
        )
    assert reply.status == 200
    assert 'id="answer"' in reply.text
    assert seen[0].by.endswith("(session)")


@pytest.mark.parametrize("cookie", ["", "1.x", "9999999999.abc", "x" * 5_000, "\u00e9.\u00e9"])
def test_session_when_forged_is_none(page: Dashboard, cookie: str) -> None:
    """Only our own mark over a moment of this boot counts."""
    headers = {
        "Cookie": f"sht_session={cookie}".encode("latin-1", "replace").decode("latin-1"),
        "Origin": f"http://127.0.0.1:{page.port}",
    }
    assert page.ask("POST", "/api/unified/pause", {}, headers).status == 401
