"""The page's own forms at a real process: a session acts by its word, a token without; log and
runbook for people.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.dashboard import Dashboard
from tests.support.dashboard_peers import answering_bot, done

pytestmark = pytest.mark.integration


def session(page: Dashboard) -> dict[str, str]:
    """The headers of the page's own forms after signing in."""
    own = {"Origin": f"http://127.0.0.1:{page.port}"}
    reply = page.ask("POST", "/sign-in", {"token": page.token}, own)
    return {**own, "Cookie": reply.headers["set-cookie"].partition(";")[0]}


GUARDED: dict[str, tuple[dict[str, Any], str]] = {
    "resume": ({}, "RESUME"),
    "clear-stop": ({"approver": "alice"}, "CLEAR"),
    "close-position": ({"symbol": "AAPL", "reason": "r"}, "CLOSE"),
    "emergency-stop": ({"reason": "r", "flatten": True}, "FLATTEN"),
}


@pytest.mark.parametrize("command", GUARDED)
def test_session_when_the_word_is_missing_or_wrong_does_nothing(
    page: Dashboard, command: str
) -> None:
    """A click alone, and the word of another gesture, are refused; the right word acts."""
    body, word = GUARDED[command]
    path, headers = f"/api/unified/{command}", session(page)
    with answering_bot(page.state, done) as seen:
        for wrong in ({}, {"word": word.lower()}, {"word": "YES"}):
            reply = page.ask("POST", path, {**body, **wrong}, headers)
            assert reply.status == 422, reply.text
            assert [fault["field"] for fault in reply.json["fields"]] == ["word"]
        assert seen == []
        assert not (page.state / "emergency_stop").exists()
        assert page.ask("POST", path, {**body, "word": word}, headers).status == 200
    assert len(seen) == 1


@pytest.mark.parametrize("command", GUARDED)
def test_script_with_the_token_needs_no_word(page: Dashboard, command: str) -> None:
    """The bodies of the contract work as they are written."""
    body, _ = GUARDED[command]
    with answering_bot(page.state, done):
        reply = page.ask("POST", f"/api/unified/{command}", body, page.bearer)
    assert reply.status == 200


def test_session_stops_and_pauses_without_a_word(page: Dashboard) -> None:
    """What takes risk away is never held up."""
    headers = session(page)
    with answering_bot(page.state, done):
        for command, body in (("emergency-stop", {"reason": "r"}), ("pause", {})):
            assert page.ask("POST", f"/api/unified/{command}", body, headers).status == 200


def test_page_when_asked_for_a_symbol_has_it_in_the_form(page: Dashboard) -> None:
    """A row's Close leads to the form without script; what is no symbol stays harmless text."""
    text = page.ask("GET", "/?symbol=%22%3E%3Cscript%3E", headers=session(page)).text
    assert 'value="&#34;&gt;&lt;script&gt;"' in text


def test_log_when_filtered_shows_level_words_and_service(page: Dashboard) -> None:
    """The same filter for a person as for a program."""
    lines = [
        {"ts": "2026-11-20T18:00:00Z", "level": "INFO", "event": "quiet_line", "msg": "a"},
        {"ts": "2026-11-20T18:00:01Z", "level": "ERROR", "event": "loud_line", "msg": "b zebra"},
    ]
    path = page.logs / "heartbeat.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = page.ask("GET", "/log?service=heartbeat&level=ERROR").text
    assert "loud_line" in text
    assert "quiet_line" not in text
    assert "loud_line" not in page.ask("GET", "/log?service=heartbeat&find=lion").text


@pytest.mark.parametrize("query", ["service=../x", "level=LOUD", f"find={'x' * 200}"])
def test_log_when_the_question_is_wrong_answers_422(page: Dashboard, query: str) -> None:
    """A path trick in a log's name, too."""
    assert page.ask("GET", f"/log?{query}").status == 422


def test_runbook_has_the_section_that_the_verdict_names(page: Dashboard) -> None:
    """The link of the page leads to a place."""
    assert 'id="failed_config"' in page.ask("GET", "/runbook").text
