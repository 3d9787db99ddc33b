"""The dashboard as a real process: every reading route, the stream, the tails, the metrics."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.dashboard.app import ROUTES, SECURITY_HEADERS
from tests.support import dashboard as support
from tests.support.dashboard import Dashboard
from tests.support.dashboard_peers import fill_ledger

pytestmark = pytest.mark.integration


GET_PATHS = [
    row.path.replace("{service}", "dashboard").replace("{name}", "page.css")
    for row in ROUTES
    if row.method == "GET" and row.path != "/api/events"
]


@pytest.mark.parametrize("path", GET_PATHS)
def test_get_when_system_is_healthy_answers_200_with_security_headers(
    page: Dashboard, path: str
) -> None:
    """Every reading route works and carries every security header."""
    reply = page.ask("GET", path)
    assert reply.status == 200, reply.text
    for name in SECURITY_HEADERS:
        assert name.lower() in reply.headers


def test_process_when_ready_tells_port_health_and_progress(page: Dashboard) -> None:
    """READY comes once the page is served; beats carry the real port and rising progress."""
    assert any(word.get("READY") == "1" for word in page.words)
    beat = next(word for word in page.words if "X_PORT" in word)
    assert beat["X_HEALTH"] == "OK"
    assert int(beat["X_PROGRESS"]) >= 1


def test_token_file_when_made_is_private(page: Dashboard) -> None:
    """Nobody else on the machine can read it."""
    path = page.state / "run" / "dashboard.token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(page.token) >= 32


def test_page_when_healthy_says_ok_with_positions_and_mode(page: Dashboard) -> None:
    """The page is whole without script."""
    html = page.ask("GET", "/").text
    assert 'id="verdict-word">OK<' in html
    assert 'id="mode">SIM<' in html
    assert "stop confirmed at broker" in html
    assert "$100,432.18" in html


def test_health_when_stale_answers_503_and_failed(page: Dashboard) -> None:
    """A silent supervisor is 503 everywhere that a machine looks, and red on the page."""
    page.write_health(age_s=60)
    reply = page.ask("GET", "/api/system/health")
    assert reply.status == 503
    assert reply.json["overall"] == "FAILED"
    assert "supervisor silent" in reply.json["reason"]
    assert page.ask("GET", "/readyz").status == 503
    assert page.ask("GET", "/livez").status == 200
    assert 'id="verdict-word">FAILED<' in page.ask("GET", "/").text


@pytest.mark.parametrize(("overall", "status"), [("OK", 200), ("DEGRADED", 200), ("FAILED", 503)])
def test_health_answers_503_only_when_failed(page: Dashboard, overall: str, status: int) -> None:
    """DEGRADED still serves."""
    page.write_health(overall=overall, code=overall)
    assert page.ask("GET", "/api/system/health").status == status
    assert page.ask("GET", "/readyz").status == status


def test_health_when_file_is_garbage_or_a_link_answers_503(page: Dashboard) -> None:
    """An unreadable file is FAILED, and a link is not followed."""
    page.healthy_until_s = 0.0
    path = page.state / "health.json"
    path.write_text("{ not json")
    page.await_health(lambda seen: seen["standing"] == "unreadable")
    path.unlink()
    path.symlink_to("/etc/hostname")
    support.until(
        lambda: "Cannot read health.json" in page.ask("GET", "/").text, "the link was followed"
    )
    assert page.ask("GET", "/api/system/health").status == 503
    path.unlink()


def test_status_holds_money_as_text_and_the_stop_as_the_file_says(page: Dashboard) -> None:
    """The emergency stop is the file's existence, also when its content is unreadable."""
    (page.state / "emergency_stop").write_bytes(b"\xff")
    support.until(
        lambda: page.ask("GET", "/api/unified/status").json["emergency_stop_active"],
        "the stop was not seen",
    )
    assert page.ask("GET", "/api/unified/status").json["equity"] == "100432.18"


def test_rejections_and_equity_come_from_the_ledger(page: Dashboard) -> None:
    """What the bot's real ledger writer wrote is shown with its trace."""
    fill_ledger(page.state)
    support.until(
        lambda: page.ask("GET", "/api/unified/rejections").json["count"] == 1, "no rejection"
    )
    denial = page.ask("GET", "/api/unified/rejections").json["rejections"][0]
    assert (denial["code"], denial["limit_value"], denial["value"]) == ("COOLDOWN", "300", "12")
    assert denial["trace"][0]["passed"] is False
    assert page.ask("GET", "/api/unified/equity").json["count"] == 2


def test_metrics_are_readable_by_a_prometheus_parser(page: Dashboard) -> None:
    """The exposition parses, and holds verdict, services and money."""
    families = {
        family.name: family
        for family in text_string_to_metric_families(page.ask("GET", "/metrics").text)
    }
    states = {s.labels["state"]: s.value for s in families["sht_health_state"].samples}
    assert states == {"OK": 1.0, "DEGRADED": 0.0, "FAILED": 0.0}
    assert families["sht_equity"].samples[0].value == 100432.18
    assert len(families["sht_service_restarts"].samples) == 5


def test_logs_give_the_last_lines_by_level(page: Dashboard) -> None:
    """A tail with a bound and a lowest level; a broken line is shown as text."""
    lines = [{"level": "INFO", "msg": f"turn {n}"} for n in range(50)]
    lines.append({"level": "ERROR", "msg": "boom"})
    text = "\n".join(json.dumps(line) for line in lines) + "\nnot json\n"
    (page.logs / "trading-bot.jsonl").write_text(text)
    last = page.ask("GET", "/api/unified/logs/trading-bot?lines=3").json["lines"]
    assert [line["msg"] for line in last] == ["turn 49", "boom", "not json"]
    errors = page.ask("GET", "/api/unified/logs/trading-bot?level=error").json["lines"]
    assert [line["msg"] for line in errors] == ["boom", "not json"]


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "nothing-here", "a%00b", "UPPER", ".hidden"]
)
def test_logs_when_name_is_a_trick_answer_404(page: Dashboard, name: str) -> None:
    """A name from outside never becomes a path."""
    assert page.ask("GET", f"/api/unified/logs/{name}").status == 404


@pytest.mark.parametrize("lines", ["0", "1001", "-1", "x", "1e3", "000100000", ""])
def test_logs_when_count_is_out_of_range_answer_422(page: Dashboard, lines: str) -> None:
    """The bound is part of the contract."""
    assert page.ask("GET", f"/api/unified/logs/dashboard?lines={lines}").status == 422


def read_events(page: Dashboard, count: int) -> list[tuple[str, Any]]:
    """The first events of the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
    events: list[tuple[str, Any]] = []
    try:
        connection.request("GET", "/api/events")
        stream = connection.getresponse()
        assert stream.getheader("content-type", "").startswith("text/event-stream")
        name = ""
        while len(events) < count:
            line = stream.readline().decode().strip()
            if line.startswith("event:"):
                name = line.partition(":")[2].strip()
            elif line.startswith("data:"):
                events.append((name, json.loads(line.partition(":")[2])))
    finally:
        connection.close()
    return events


def test_events_bring_status_and_changed_sections(page: Dashboard) -> None:
    """A status with each refresh, and every section in the first page event."""
    events = read_events(page, 5)
    status = next(data for name, data in events if name == "status")
    assert (status["overall"], status["mode"]) == ("OK", "sim")
    sections = next(data for name, data in events if name == "page")
    assert "verdict-badge" in sections["verdict"]
    assert set(sections) >= {"services", "positions", "orders", "denials", "incidents"}
