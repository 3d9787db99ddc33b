"""The dashboard as a real process: what it does when it is told to act."""

from __future__ import annotations

import json
import xmlrpc.client
from typing import Any

import pytest

from shared.models.commands import Command, CommandName, CommandOutcome
from tests.support import dashboard as support
from tests.support.dashboard import Dashboard
from tests.support.dashboard_peers import answering_bot, answering_supervisor, done

pytestmark = pytest.mark.integration


def audit_lines(page: Dashboard) -> list[dict[str, Any]]:
    """The audit log so far."""
    path = page.logs / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_emergency_stop_from_loopback_needs_no_token(page: Dashboard) -> None:
    """The stop file is there with who and why; the answer says verified."""
    with answering_bot(page.state, done) as seen:
        reply = page.ask("POST", "/api/unified/emergency-stop", {"reason": "news"})
    assert (reply.status, reply.json["outcome"]) == (200, "done")
    note = json.loads((page.state / "emergency_stop").read_text())
    assert (note["reason"], note["flatten"]) == ("news", False)
    assert "no token" in note["by"]
    assert seen[0].command is CommandName.EMERGENCY_STOP
    last = audit_lines(page)[-1]
    assert (last["command"], last["why"], last["outcome"]) == ("emergency-stop", "news", "done")


def test_emergency_stop_as_curl_sends_it_is_understood(page: Dashboard) -> None:
    """`curl -d '{...}'` calls JSON a form; a stop must not fail on that."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with answering_bot(page.state, done):
        reply = page.ask("POST", "/api/unified/emergency-stop", b'{"reason": "x"}', form)
    assert reply.status == 200


def test_emergency_stop_when_broker_is_away_answers_202_and_stands(page: Dashboard) -> None:
    """Stopped, but not verified: neither a success nor an error."""

    def away(command: Command) -> tuple[CommandOutcome, str, dict[str, Any]]:
        return CommandOutcome.FAILED, "The broker could not be reached.", {}

    with answering_bot(page.state, away):
        reply = page.ask("POST", "/api/unified/emergency-stop", {"reason": "x"})
    assert reply.status == 202
    assert "stop is in place" in reply.json["detail"]
    assert (page.state / "emergency_stop").exists()


@pytest.mark.parametrize("include_external", [False, True])
def test_emergency_stop_with_flatten_needs_the_token(
    page: Dashboard, *, include_external: bool
) -> None:
    """Selling everything is not always safe."""
    body = {"reason": "x", "flatten": True, "include_external": include_external}
    assert page.ask("POST", "/api/unified/emergency-stop", body).status == 401
    assert not (page.state / "emergency_stop").exists()
    with answering_bot(page.state, done) as seen:
        reply = page.ask("POST", "/api/unified/emergency-stop", body, page.bearer)
    assert reply.status == 200
    assert seen[0].switch("flatten")
    assert seen[0].switch("include_external") is include_external


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_emergency_stop_when_forwarded_is_not_from_this_machine(page: Dashboard, name: str) -> None:
    """What a proxy brings comes from somewhere else, whatever it claims."""
    reply = page.ask("POST", "/api/unified/emergency-stop", {"reason": "x"}, {name: "127.0.0.1"})
    assert reply.status == 401


BAD_BODIES = [
    ("emergency-stop", b"", "reason"),
    ("emergency-stop", b'{"reason": ""}', "reason"),
    ("emergency-stop", b'{"reason": 5}', "reason"),
    ("emergency-stop", b'{"reason": "a\\nb"}', "reason"),
    ("emergency-stop", b'{"reason": "\\ud800"}', "reason"),
    ("emergency-stop", b'{"reason": "x", "flatten": "yes"}', "flatten"),
    ("emergency-stop", b'{"reason": "x", "include_external": true}', "include_external"),
    ("emergency-stop", b'{"reason": "x", "\\ud800": 1}', "?"),
    ("emergency-stop", b'{"reason": "x", "reason": "y"}', "body"),
    ("emergency-stop", b'["reason"]', "body"),
    ("emergency-stop", b'{"reason": ', "body"),
    ("emergency-stop", b'{"a":' * 3_000, "body"),
    ("emergency-stop", b"\xff\xfe", "body"),
    ("emergency-stop", b"reason=a&reason=b", "body"),
    ("emergency-stop", b"&&&", "body"),
    ("clear-stop", b"{}", "approver"),
    ("clear-stop", b'{"approver": "a", "what": "all"}', "what"),
    ("close-position", b'{"reason": "x"}', "symbol"),
    ("close-position", b'{"symbol": "../etc", "reason": "x"}', "symbol"),
    ("close-position", b'{"symbol": "AAPL/X", "reason": "x"}', "symbol"),
    ("close-position", '{"symbol": "ß", "reason": "x"}'.encode(), "symbol"),
    ("close-position", b'{"symbol": "AAPL"}', "reason"),
    ("pause", b'{"until": 3}', "until"),
]


@pytest.mark.parametrize(("command", "body", "field"), BAD_BODIES)
def test_post_when_body_is_bad_answers_422_naming_the_field(
    page: Dashboard, command: str, body: bytes, field: str
) -> None:
    """Every fault has its field, and nothing is done."""
    reply = page.ask("POST", f"/api/unified/{command}", body, page.bearer)
    assert reply.status == 422, reply.text
    assert field in [fault["field"] for fault in reply.json["fields"]]
    assert not (page.state / "emergency_stop").exists()


def test_post_when_body_is_too_large_answers_413(page: Dashboard) -> None:
    """A body is read up to its bound and not further."""
    body = json.dumps({"reason": "x" * 100_000}).encode()
    assert page.ask("POST", "/api/unified/pause", body, page.bearer).status == 413


def test_close_position_answers_the_numbers_of_the_close(page: Dashboard) -> None:
    """The keys of CONTRACTS.md section 7 stand on top."""
    close = {
        "symbol": "AAPL",
        "qty": "12",
        "entry_price": "187.50",
        "close_price": "189.00",
        "realized_pnl": "18.00",
        "reason": "enough",
        "closed_at": "2026-11-20T18:00:00.000Z",
        "order_id": "abc",
    }

    def closing(command: Command) -> tuple[CommandOutcome, str, dict[str, Any]]:
        return CommandOutcome.DONE, "closed", close

    with answering_bot(page.state, closing) as seen:
        reply = page.ask(
            "POST",
            "/api/unified/close-position",
            {"symbol": "aapl", "reason": "enough"},
            page.bearer,
        )
    assert reply.status == 200
    assert close.items() <= reply.json.items()
    assert seen[0].text("symbol") == "AAPL"


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(CommandOutcome.DONE, 200), (CommandOutcome.REFUSED, 409), (CommandOutcome.FAILED, 503)],
)
def test_command_answers_by_its_outcome(
    page: Dashboard, outcome: CommandOutcome, status: int
) -> None:
    """Done, refused and failed are three different answers."""
    with answering_bot(page.state, lambda _: (outcome, "said", {})) as seen:
        for path, body in (
            ("pause", {}),
            ("resume", {"reason": "calm again"}),
            ("clear-stop", {"approver": "alice"}),
        ):
            reply = page.ask("POST", f"/api/unified/{path}", body, page.bearer)
            assert (reply.status, reply.json["detail"]) == (status, "said")
    assert [command.command.value for command in seen] == ["pause", "resume", "clear-stop"]


def test_service_actions_go_to_the_supervisor_and_into_the_audit_log(page: Dashboard) -> None:
    """Restart and release are asked of the control socket; unknown names are 404."""
    asked: list[tuple[str, str]] = []

    def restart(name: str) -> bool:
        asked.append(("restart", name))
        return True

    def release(name: str) -> bool:
        if name == "nobody":
            raise xmlrpc.client.Fault(10, "BAD_NAME: nobody")
        raise xmlrpc.client.Fault(60, "ALREADY_STARTED: it is not parked")

    base = "/api/system/services"
    methods = {"supervisor.restartProcess": restart, "supervisor.release": release}
    with answering_supervisor(page.state, methods):
        assert page.ask("POST", f"{base}/heartbeat/restart", {}, page.bearer).status == 200
        assert page.ask("POST", f"{base}/heartbeat/release", {}, page.bearer).status == 409
        assert page.ask("POST", f"{base}/nobody/release", {}, page.bearer).status == 404
        assert page.ask("POST", f"{base}/..%2f/restart", {}, page.bearer).status == 404
        own = page.ask("POST", f"{base}/dashboard/restart", {}, page.bearer)
        assert (own.status, own.json["outcome"]) == (202, "asked")
        support.until(lambda: ("restart", "dashboard") in asked, "own restart was not asked for")
    assert page.ask("POST", f"{base}/heartbeat/restart", {}, page.bearer).status == 503
    outcomes = [(line["command"], line["outcome"]) for line in audit_lines(page)]
    assert ("restart", "done") in outcomes
    assert ("release", "refused") in outcomes
    assert ("restart", "asked") in outcomes
    assert outcomes[-1] == ("restart", "failed")
