"""The dashboard under attack by what is asked of it: tokens, methods, names and words."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from services.dashboard.access import Access
from services.dashboard.app import ROUTES
from tests.support.dashboard import ROOT, Dashboard, running_dashboard, until
from tests.support.dashboard_peers import answering_bot, done

pytestmark = pytest.mark.integration

OLD_TOKEN = "old-token-0123456789-0123456789"
STOP = "/api/unified/emergency-stop"
PAUSE = "/api/unified/pause"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One process that outlives every attack; a token that others could read was there before."""
    folder = tmp_path_factory.mktemp("page")
    token = folder / "state" / "run" / "dashboard.token"
    token.parent.mkdir(parents=True)
    token.write_text(OLD_TOKEN)
    token.chmod(0o644)
    with running_dashboard(folder) as running:
        running.write_status()
        running.write_health()
        yield running
        assert running.process.poll() is None


def test_owners_line_when_typed_as_documented_stops(page: Dashboard) -> None:
    """The curl line of docs/HTTP.md, word by word, on this page's port."""
    curl = shutil.which("curl")
    assert curl, "curl is not installed here: apt-get install curl"
    text = (ROOT / "docs" / "HTTP.md").read_text("utf-8")
    (line,) = [one[2:] for one in text.splitlines() if one.startswith("$ curl")]
    words = shlex.split(line.replace(":8000/", f":{page.port}/"))
    with answering_bot(page.state, done) as seen:
        typed = [curl, "--silent", *words[1:]]
        said = subprocess.run(typed, capture_output=True, timeout=20, check=True)
    assert json.loads(said.stdout)["outcome"] == "done"
    assert [command.reason for command in seen] == ["drill"]
    note = page.state / "emergency_stop"
    assert json.loads(note.read_text())["reason"] == "drill"
    note.unlink()


def test_token_when_it_was_replaced_opens_nothing(page: Dashboard) -> None:
    """A token that others could read was given up at the start, and is wrong from then on."""
    old = {"Authorization": f"Bearer {OLD_TOKEN}"}
    assert page.ask("POST", PAUSE, {}, old).status == 401
    assert page.ask("GET", "/api/unified/status", headers=old).status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_method_when_it_is_not_post_changes_nothing(page: Dashboard, method: str) -> None:
    """Nor does a header that would make it one, or fields in the address."""
    headers = {**page.bearer, "X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST"}
    for path in (f"{STOP}?reason=x", f"{PAUSE}?_method=POST", "/api/system/services/a/restart"):
        reply = page.ask(method, path, headers=headers)
        assert reply.status == 405
        assert reply.headers["allow"] == "POST"
    assert not (page.state / "emergency_stop").exists()


def test_guessing_when_it_claims_many_addresses_is_braked_all_the_same(page: Dashboard) -> None:
    """The address that counts is the socket's, whatever a header says."""
    answers = [
        page.ask(
            "POST",
            "/sign-in",
            f"token=guess{number}".encode(),
            {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": f"10.0.1.{number}"},
        ).status
        for number in range(7)
    ]
    assert answers[-2:] == [429, 429]
    assert page.ask("GET", "/api/unified/status").status == 200


@pytest.mark.parametrize("sign", ["\u202e", "\u200b", "\x1b", "\x00", "\ud800", "\u2028"])
def test_reason_when_it_holds_a_sign_that_deceives_the_eye_is_refused(
    page: Dashboard, sign: str
) -> None:
    """What turns or hides text, or speaks to a terminal, never reaches a log or a page."""
    reply = page.ask("POST", PAUSE, {"reason": f"a{sign}b"}, page.bearer)
    assert reply.status == 422
    assert [fault["field"] for fault in reply.json["fields"]] == ["reason"]


def test_reason_when_it_is_a_script_is_shown_as_text(page: Dashboard) -> None:
    """In the page, in the answer's page and in the API's JSON, which no browser takes for HTML."""
    script = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    with answering_bot(page.state, done):
        reply = page.ask("POST", STOP, {"reason": script}, {"Accept": "text/html"})
    assert reply.status == 200
    until(lambda: "alert(1)" in page.ask("GET", "/").text, "the stop's reason was not shown")
    for html in (reply.text, page.ask("GET", "/").text):
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    api = page.ask("POST", "/api/unified/close-position", {"symbol": script}, page.bearer)
    assert (api.status, api.headers["content-type"]) == (422, "application/json")
    assert api.headers["x-content-type-options"] == "nosniff"
    (page.state / "emergency_stop").unlink()


@pytest.mark.parametrize(
    "name", ["..%2f..%2frun%2fdashboard.token", "%2e%2e%2fapp.py", "page.css%00", "page.css/.."]
)
def test_static_file_when_its_name_is_a_trick_is_none(page: Dashboard, name: str) -> None:
    """A name from outside never becomes a path."""
    assert page.ask("GET", f"/static/{name}").status == 404


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/unified/status", "/a/../../etc/passwd"])
def test_answer_when_it_shows_money_or_nothing_is_kept_framed_or_guessed_by_nobody(
    page: Dashboard, path: str
) -> None:
    """Every answer carries the headers, the one where no route is, too."""
    reply = page.ask("GET", path, headers={"Accept": "text/html"})
    assert reply.status in (200, 404)
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "same-origin"


ACTIONS = [(row.path, row.body) for row in ROUTES if row.access in (Access.ACTION, Access.STOP)]
GIVEN = {"reason": "a drill", "approver": "ann", "symbol": "AAPL"}


def test_action_when_taken_leaves_one_line_with_who_when_why_and_outcome(page: Dashboard) -> None:
    """Every acting route, in turn; the log cannot be read by others."""
    audit = page.logs / "audit.jsonl"
    before = len(audit.read_text().splitlines()) if audit.exists() else 0
    with answering_bot(page.state, done):
        for path, fields in ACTIONS:
            body = {field.name: GIVEN[field.name] for field in fields if field.name in GIVEN}
            asked = path.replace("{name}", "heartbeat")
            assert page.ask("POST", asked, body, page.bearer).status in (200, 503)
    lines = [json.loads(line) for line in audit.read_text().splitlines()[before:]]
    commands = [path.rpartition("/")[2] for path, _ in ACTIONS]
    assert [line["command"] for line in lines] == commands
    for line in lines:
        assert line["who"].endswith("(token)")
        assert line["ts"].endswith("Z")
        assert line["why"] in ("a drill", "approved by ann")
        assert line["outcome"] in ("done", "failed")
    assert audit.stat().st_mode & 0o077 == 0
    (page.state / "emergency_stop").unlink()
