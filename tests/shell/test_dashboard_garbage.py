"""The dashboard as a real process among damaged files: it stays up and claims nothing."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.dashboard.log_tail import MESSAGE_CHARACTERS_MAX, TAIL_BYTES_MAX, tail
from services.dashboard.routes_api import LISTENERS_MAX
from tests.support import dashboard as support
from tests.support.dashboard import Dashboard, put, running_dashboard
from tests.support.dashboard_peers import answering_bot, done, fill_ledger

pytestmark = pytest.mark.integration

READING = ("/", "/readyz", "/metrics", "/api/system/health", "/api/unified/status")
BEYOND = "0001-01-01T00:00:00+23:00"


@pytest.fixture(scope="module")
def shared_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One process that survives every test of this module."""
    with running_dashboard(tmp_path_factory.mktemp("page")) as running:
        yield running
        assert running.process.poll() is None


@pytest.fixture
def page(shared_page: Dashboard) -> Dashboard:
    """The shared process with fresh, healthy documents."""
    shared_page.healthy_until_s = 0.0
    shared_page.refresh()
    return shared_page


@pytest.mark.parametrize("path", READING)
@pytest.mark.parametrize(
    "changed",
    [
        {"boottime_s": 10**400},
        {"written_at": BEYOND},
        {"services": {"trading-bot": {"status": "OK", "since": BEYOND}}},
        {"services": {"\ud800": {"status": "OK"}}, "reason": "\ud800", "mode": "\udfff"},
        {"supervisor": json.loads("[" * 900 + "]" * 900)},
    ],
    ids=["time", "stamp", "since", "half characters", "depth"],
)
def test_get_when_health_is_garbage_in_its_fields_still_answers(
    page: Dashboard, changed: dict[str, object], path: str
) -> None:
    """One bad field never ends the page."""
    document = json.loads((page.state / "health.json").read_text())
    put(page.state / "health.json", {**document, "seq": -1, "marker": "bad", **changed})
    support.until(
        lambda: page.ask("GET", "/api/system/health").json.get("seq", -1) == -1, "not seen"
    )
    assert page.ask("GET", path).status in (200, 503)
    assert page.process.poll() is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"schema_version": 2}, "it is of version 2; this page knows 1"),
        ({"positions": "none"}, "bot_status.json holds no list of positions"),
    ],
)
def test_positions_when_bot_status_cannot_be_used_answer_503_and_why(
    page: Dashboard, changed: dict[str, object], words: str
) -> None:
    """A failed read is never an empty answer."""
    assert page.ask("GET", "/api/unified/positions").json["count"] == 2
    document = json.loads((page.state / "bot_status.json").read_text())
    put(page.state / "bot_status.json", {**document, **changed})
    support.until(lambda: page.ask("GET", "/api/unified/positions").status == 503, "still answered")
    assert words in page.ask("GET", "/api/unified/positions").json["message"]
    assert page.ask("GET", "/api/unified/status").json["open_positions"] is None


def test_ledger_when_damaged_keeps_rows_read_before_and_says_so(page: Dashboard) -> None:
    """Rows read earlier stay, with the reason why no newer ones come; unread ones are unknown."""
    (page.state / "ledger.db").write_bytes(b"no database " * 1_000)
    support.until(lambda: page.ask("GET", "/api/unified/rejections").status == 503, "damage unseen")
    assert "Cannot read ledger.db" in page.ask("GET", "/").text
    (page.state / "ledger.db").unlink()
    fill_ledger(page.state)
    support.until(lambda: page.ask("GET", "/api/unified/rejections").status == 200, "not mended")
    for path in page.state.glob("ledger.db*"):
        path.write_bytes(b"no database " * 1_000)
    support.until(lambda: "Cannot read ledger.db" in page.ask("GET", "/").text, "damage unseen")
    assert page.ask("GET", "/api/unified/rejections").json["count"] > 0
    for path in page.state.glob("ledger.db*"):
        path.unlink()


def test_stop_of_this_machine_with_a_wrong_token_is_taken(page: Dashboard) -> None:
    """Stopping is always safe: an outdated token must not stand in its way."""
    wrong = {"Authorization": "Bearer outdated"}
    with answering_bot(page.state, done):
        for _ in range(7):
            reply = page.ask("POST", "/api/unified/emergency-stop", {"reason": "x"}, wrong)
            assert reply.status == 200
    body = {"reason": "x", "flatten": True}
    replies = [page.ask("POST", "/api/unified/emergency-stop", body, wrong) for _ in range(6)]
    assert [reply.status for reply in replies] == [401] * 5 + [429]
    (page.state / "emergency_stop").unlink()


@pytest.mark.parametrize("path", READING)
def test_get_when_origin_is_foreign_answers_403(page: Dashboard, path: str) -> None:
    """No page of another site reads anything here, whatever its browser would hide from it."""
    assert page.ask("GET", path, headers={"Origin": "http://evil.example"}).status == 403
    assert page.ask("GET", path, headers={"Origin": "null"}).status == 403


def test_log_when_its_level_is_unknown_answers_422_naming_it(page: Dashboard) -> None:
    """A misspelt level is no wish for every line."""
    reply = page.ask("GET", "/api/unified/logs/dashboard?level=bogus")
    assert reply.status == 422
    assert "level" in reply.json["message"]
    assert page.ask("GET", "/api/unified/logs/dashboard?level=info").status == 200


def test_log_when_lines_are_no_text_is_readable(page: Dashboard) -> None:
    """Half characters, foreign bytes and numbers that JSON does not know cost their place only."""
    lines = [b'{"msg": "\\ud800 a"}', b"\xff\xfe b", b'{"msg": NaN}', b"[1]"]
    (page.logs / "odd.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    reply = page.ask("GET", "/api/unified/logs/odd")
    assert [line["msg"] for line in reply.json["lines"]] == ["? a", "\ufffd\ufffd b", None, "[1]"]


def test_log_tail_when_a_line_never_ends_shows_its_end(tmp_path: Path) -> None:
    """Something stands there, so the answer is not empty; and it stays short."""
    (tmp_path / "endless.jsonl").write_bytes(b"x" * (2 * TAIL_BYTES_MAX) + b"end\n")
    lines = tail(tmp_path, "endless", 10)
    assert lines is not None
    assert len(lines) == 1
    assert lines[0]["msg"].endswith("xend")
    assert len(lines[0]["msg"]) <= MESSAGE_CHARACTERS_MAX + 2


def test_log_tail_when_a_message_holds_a_line_separator_keeps_the_line(tmp_path: Path) -> None:
    """Only a newline ends a line of ours."""
    line = json.dumps({"msg": "one\u2028two\x85three"}, ensure_ascii=False)
    (tmp_path / "parted.jsonl").write_text(line + "\n")
    assert tail(tmp_path, "parted", 10) == [{"msg": "one\u2028two\x85three"}]


def test_streams_when_a_crowd_comes_at_once_are_bounded(page: Dashboard) -> None:
    """Beyond the bound the answer is 503, the others go on, and places come back."""
    ask = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    page.freeze()
    crowd = [socket.create_connection(("127.0.0.1", page.port), timeout=10) for _ in range(280)]
    for peer in crowd:
        peer.sendall(ask)
    page.thaw()
    answers = [peer.recv(12) for peer in crowd]
    assert answers.count(b"HTTP/1.1 503") == len(crowd) - LISTENERS_MAX
    assert answers.count(b"HTTP/1.1 200") == LISTENERS_MAX
    for peer in crowd:
        peer.close()

    def has_place() -> bool:
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as peer:
            peer.sendall(ask)
            return peer.recv(12) == b"HTTP/1.1 200"

    support.until(has_place, "no place came back")


def test_state_folder_when_removed_while_running_is_no_empty_ledger(tmp_path: Path) -> None:
    """The page stays up, and what it read before stays with the reason why nothing newer comes."""
    with running_dashboard(tmp_path) as page:
        page.refresh()
        fill_ledger(page.state)
        support.until(
            lambda: page.ask("GET", "/api/unified/equity").json.get("count") == 2, "not read"
        )
        shutil.rmtree(page.state)
        support.until(
            lambda: "the state folder is gone" in page.ask("GET", "/").text, "loss unseen"
        )
        assert page.ask("GET", "/api/unified/equity").json["count"] == 2
        assert page.ask("GET", "/api/unified/positions").status == 503
        assert page.ask("GET", "/api/system/health").status == 503
        assert page.ask("GET", "/livez").status == 200
