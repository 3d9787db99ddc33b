"""The dashboard as a real process: how it starts, where it listens, how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.errors import EXIT_CODES, FailureClass
from tests.support import dashboard as support
from tests.support.dashboard import ROOT, running_dashboard
from tests.support.dashboard_peers import answering_bot, done

pytestmark = pytest.mark.integration


def test_wrong_tokens_when_repeated_are_braked_and_the_right_one_still_works(
    tmp_path: Path,
) -> None:
    """Five guesses, then 429; who knows the token is not locked out."""
    with running_dashboard(tmp_path) as page:
        wrong = {"Authorization": "Bearer guess"}
        replies = [page.ask("POST", "/api/unified/pause", {}, wrong) for _ in range(7)]
        assert [reply.status for reply in replies] == [401] * 5 + [429] * 2
        assert page.ask("POST", "/sign-in", b"token=guess").status == 429
        with answering_bot(page.state, done):
            assert page.ask("POST", "/api/unified/pause", {}, page.bearer).status == 200


def test_stop_with_open_streams_and_idle_connections_is_prompt_and_clean(tmp_path: Path) -> None:
    """SIGTERM ends the process in a moment with exit 0, streams open or not."""
    with running_dashboard(tmp_path) as page:
        streams = []
        for path in ("/api/events", "/api/events", "/livez"):
            stream = socket.create_connection(("127.0.0.1", page.port), timeout=10)
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert stream.recv(10).startswith(b"HTTP/1.1 2")
            streams.append(stream)
        began = time.monotonic()
        assert page.stop() == 0
        assert time.monotonic() - began < 3.0
        for stream in streams:
            stream.close()


def test_stop_while_a_command_waits_is_prompt(tmp_path: Path) -> None:
    """A command without an answer does not keep the process; it lies in the spool."""
    with running_dashboard(tmp_path) as page:
        body = b'{"reason": "x"}'
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as client:
            head = f"Host: localhost\r\nContent-Length: {len(body)}\r\n"
            client.sendall(
                f"POST /api/unified/emergency-stop HTTP/1.1\r\n{head}\r\n".encode() + body
            )
            support.until(
                lambda: any((page.state / "commands").glob("*.json")), "nothing in the spool"
            )
            began = time.monotonic()
            assert page.stop() == 0
            assert time.monotonic() - began < 4.0
        assert (page.state / "emergency_stop").exists()


def test_port_when_taken_in_sim_moves_to_the_next_free_one(tmp_path: Path) -> None:
    """A second system on one machine just works; the beat tells the real port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with running_dashboard(tmp_path, DASHBOARD_PORT=str(taken)) as page:
            assert taken < page.port <= taken + 50
            assert page.ask("GET", "/livez").status == 200


def test_port_when_taken_outside_sim_ends_the_process_as_transient(tmp_path: Path) -> None:
    """In the other modes the page stays where it was promised: a restart may find it free."""
    (tmp_path / "state").mkdir()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        env = support.environment(
            tmp_path / "state",
            tmp_path / "logs",
            TRADING_MODE="paper",
            APCA_API_KEY_ID="PKTESTKEYID000000001",
            APCA_API_SECRET_KEY="secretsecretsecretsecret0001",
            DASHBOARD_PORT=str(holder.getsockname()[1]),
        )
        ended = subprocess.run(
            [sys.executable, "-m", "services.dashboard"], cwd=ROOT, env=env, timeout=20, check=False
        )
    assert ended.returncode == EXIT_CODES[FailureClass.TRANSIENT]
    words = json.loads((tmp_path / "logs" / "last_words" / "dashboard.json").read_text())
    assert words["class"] == "TRANSIENT"


def test_beyond_loopback_money_needs_the_token_and_health_does_not(tmp_path: Path) -> None:
    """On another host a reader without the token sees states, never money."""
    token = "a-token-of-ones-own-0123456789"
    with running_dashboard(tmp_path, DASHBOARD_HOST="0.0.0.0", DASHBOARD_TOKEN=token) as page:
        page.write_status()
        page.write_health()
        bearer = {"Authorization": f"Bearer {token}"}
        for path in ("/", "/api/unified/status", "/api/unified/orders", "/api/events"):
            assert page.ask("GET", path).status == 401
        assert 'name="token"' in page.ask("GET", "/", headers={"Accept": "text/html"}).text
        assert page.ask("GET", "/api/unified/status", headers=bearer).status == 200
        services = page.ask("GET", "/api/system/health").json["services"]
        assert "metrics" not in services["trading-bot"]
        assert "sht_equity" not in page.ask("GET", "/metrics").text
        assert "sht_equity" in page.ask("GET", "/metrics", headers=bearer).text
        assert page.ask("GET", "/livez", headers={"Host": "evil.example"}).status == 400
        assert not (page.state / "run" / "dashboard.token").exists()


@pytest.mark.parametrize("spoil", ["loose", "short", "folder", "link"])
def test_token_file_when_it_cannot_be_trusted_is_replaced_or_refused(
    tmp_path: Path, spoil: str
) -> None:
    """A token that others could read is none; what is no plain file is a configuration fault."""
    path = tmp_path / "state" / "run" / "dashboard.token"
    path.parent.mkdir(parents=True)
    old = "old-token-0123456789-0123456789"
    if spoil == "folder":
        path.mkdir()
    elif spoil == "link":
        (tmp_path / "elsewhere").write_text(old)
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text(old if spoil == "loose" else "short")
        path.chmod(0o644 if spoil == "loose" else 0o600)
    if spoil in ("folder", "link"):
        env = support.environment(tmp_path / "state", tmp_path / "logs", DASHBOARD_PORT="0")
        command = [sys.executable, "-m", "services.dashboard"]
        ended = subprocess.run(command, cwd=ROOT, env=env, timeout=20, check=False)
        assert ended.returncode == EXIT_CODES[FailureClass.CONFIG]
        return
    with running_dashboard(tmp_path) as page:
        assert page.token != old
        assert len(page.token) >= 32
        assert path.stat().st_mode & 0o777 == 0o600


def test_process_when_killed_comes_back_with_the_same_token_and_sessions(tmp_path: Path) -> None:
    """A restart signs nobody out."""
    with running_dashboard(tmp_path) as page:
        token = page.token
        reply = page.ask("POST", "/sign-in", f"token={token}".encode())
        cookie = reply.headers["set-cookie"].partition(";")[0]
        page.process.send_signal(signal.SIGKILL)
        page.process.wait(timeout=5)
    with running_dashboard(tmp_path) as page:
        assert page.token == token
        assert "Signed in" in page.ask("GET", "/", headers={"Cookie": cookie}).text
