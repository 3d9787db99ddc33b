"""heartbeat as a real process: silence, recovery, receivers, kills and damaged memory."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from services.heartbeat.alerts import SILENCE_MAX_S, PeopleAddress, PeopleChannel
from services.heartbeat.loop import turn_s
from services.heartbeat.outbox import Message
from services.heartbeat.subjects import Severity
from shared.clock import SystemClock
from shared.errors import EXIT_CODES, FailureClass
from tests.support.dashboard import ROOT, environment, until
from tests.support.heartbeat import (
    Heart,
    dribbling_receiver,
    listening_receiver,
    running_heartbeat,
    write_health,
)

pytestmark = pytest.mark.integration


def test_process_when_started_is_ready_beats_and_stops_cleanly(tmp_path: Path) -> None:
    """READY after the first judgement, a beat with progress, exit 0 at once on SIGTERM."""
    (tmp_path / "state").mkdir()
    write_health(tmp_path / "state")
    with running_heartbeat(tmp_path) as heart:
        beat = heart.words[-1]
        assert (beat["X_HEALTH"], beat["X_PROGRESS"]) == ("OK", "1")
        assert beat["X_REASON"] == "system judged OK"
        began = time.monotonic()
        heart.process.send_signal(signal.SIGTERM)
        assert heart.process.wait(timeout=5) == 0
        assert time.monotonic() - began < 2.0
        assert heart.alerts() == []


def test_alert_when_killed_in_between_is_not_repeated_and_still_closed(tmp_path: Path) -> None:
    """What was said is remembered over SIGKILL: no second alarm, and the end is told."""
    with running_heartbeat(tmp_path) as heart:
        until(lambda: len(heart.alerts()) == 1, "no alert")
        assert "supervisor is not running" in heart.alerts()[0]
        until(lambda: heart.memory["outbox"] == [], "not taken by the log")
        heart.process.send_signal(signal.SIGKILL)
        heart.process.wait(timeout=5)
    with running_heartbeat(tmp_path) as heart:

        def well() -> bool:
            write_health(heart.state)
            return len(heart.alerts()) > 1

        until(well, "no recovery", timeout_s=15)
        told = heart.alerts()
        assert heart.memory["troubles"] == []
    assert ["RECOVERED system after" in text for text in told] == [False, True]


def test_alert_when_receiver_is_set_reaches_it_with_title_and_severity(tmp_path: Path) -> None:
    """Through apprise to a real HTTP receiver."""
    with listening_receiver() as receiver:
        url = f"json://127.0.0.1:{receiver.port}/hook"
        with running_heartbeat(tmp_path, ALERT_URLS=url):
            until(lambda: len(receiver.bodies) == 1, "nothing came", timeout_s=20)
    assert receiver.bodies[0]["title"] == "[?] FAILED (missing health.json) system"
    assert receiver.bodies[0]["type"] == "failure"


def test_alert_when_receiver_is_down_waits_on_disk_and_the_loop_goes_on(tmp_path: Path) -> None:
    """A refused message stays in the outbox over a kill; no address stands in the log."""
    with listening_receiver(status=500) as receiver:
        login = "secretuser:secretpass99"
        url = f"json://{login}@127.0.0.1:{receiver.port}/hook"
        with running_heartbeat(tmp_path, ALERT_URLS=url) as heart:
            log = heart.logs / "heartbeat.jsonl"
            until(lambda: "alert_not_delivered" in log.read_text(), "no failure", timeout_s=20)
            until(lambda: _attempts(heart) >= 1, "the failed try is not on disk")
            assert heart.memory["outbox"][0]["channels"] == ["people-1"]
            text = log.read_text()
            heart.process.send_signal(signal.SIGKILL)
            heart.process.wait(timeout=5)
        assert "secretpass99" not in text
        receiver.status = 200
        with running_heartbeat(tmp_path, ALERT_URLS=url):
            until(lambda: len(receiver.bodies) == 1, "not sent after the restart", timeout_s=30)


def test_ping_when_address_is_set_tells_start_and_the_verdict(tmp_path: Path) -> None:
    """`/start` at the beginning, then the address itself while well, `/fail` while not."""
    (tmp_path / "state").mkdir()
    write_health(tmp_path / "state")
    with listening_receiver() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/ping/abc"
        with running_heartbeat(tmp_path, HEARTBEAT_PING_URL=url):
            until(lambda: len(receiver.paths) >= 2, "no ping", timeout_s=15)
        assert receiver.paths[:2] == ["/ping/abc/start", "/ping/abc"]
    (tmp_path / "state" / "health.json").unlink()
    with listening_receiver() as receiver:
        url = f"http://127.0.0.1:{receiver.port}/ping/abc"
        with running_heartbeat(tmp_path, HEARTBEAT_PING_URL=url):
            until(lambda: "/ping/abc/fail" in receiver.paths, "no ping", timeout_s=15)


@pytest.mark.parametrize("content", [b"{ broken", b"[]", b'{"version": 0}', b"\xff" * 100])
def test_memory_when_damaged_is_set_aside_and_begun_anew(tmp_path: Path, content: bytes) -> None:
    """A damaged memory never keeps the watcher from watching, and is kept for looking at."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "heartbeat.json").write_bytes(content)
    with running_heartbeat(tmp_path) as heart:
        assert "memory_lost" in (heart.logs / "heartbeat.jsonl").read_text()
        aside = list(state.glob("heartbeat.json.corrupt.*"))
        assert [path.read_bytes() for path in aside] == [content]
        until((state / "heartbeat.json").exists, "not begun anew")


def test_settings_when_wrong_end_the_process_as_config(tmp_path: Path) -> None:
    """A fault in the settings is 78 with the name of the setting."""
    env = environment(tmp_path / "state", tmp_path / "logs", MAX_OPEN_POSITIONS="many")
    ended = subprocess.run(
        [sys.executable, "-m", "services.heartbeat"],
        cwd=ROOT,
        env=env,
        timeout=20,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == EXIT_CODES[FailureClass.CONFIG]
    assert "MAX_OPEN_POSITIONS" in ended.stderr


@pytest.mark.parametrize(
    ("promised", "turn"), [(None, 0.5), ("2", 0.5), ("0.4", 0.2), ("0", 0.05), ("soon", 0.5)]
)
def test_turn_is_half_of_the_promised_beat_at_most(promised: str | None, turn: float) -> None:
    """A beat is never late because of our own pause."""
    assert turn_s(promised) == turn


def test_memory_when_of_a_newer_version_ends_the_process_as_schema(tmp_path: Path) -> None:
    """76, and the newer program's file lies there untouched."""
    state = tmp_path / "state"
    state.mkdir()
    content = b'{"version": 7, "more": true}'
    (state / "heartbeat.json").write_bytes(content)
    ended = subprocess.run(
        [sys.executable, "-m", "services.heartbeat"],
        cwd=ROOT,
        env=environment(state, tmp_path / "logs"),
        timeout=20,
        check=False,
    )
    assert ended.returncode == EXIT_CODES[FailureClass.SCHEMA]
    assert [path.name for path in state.iterdir()] == ["heartbeat.json"]
    assert (state / "heartbeat.json").read_bytes() == content


def test_alert_when_one_of_two_receivers_is_down_reaches_the_other_once(tmp_path: Path) -> None:
    """What one has taken is not sent to it again because another has not."""
    with listening_receiver() as good, listening_receiver(status=500) as bad:
        urls = ",".join(f"json://127.0.0.1:{one.port}/hook" for one in (bad, good))
        with running_heartbeat(tmp_path, ALERT_URLS=urls) as heart:
            until(lambda: _attempts(heart) >= 2, "not tried again", timeout_s=30)
            assert heart.memory["outbox"][0]["channels"] == ["people-1"]
    assert len(good.bodies) == 1


def _attempts(heart: Heart) -> int:
    waiting = heart.memory["outbox"] if (heart.state / "heartbeat.json").exists() else []
    return max((int(n) for message in waiting for n in message["refusals"].values()), default=0)


def test_address_when_not_understood_is_said_before_any_alert(tmp_path: Path) -> None:
    """A misspelt address is found on a quiet day, not in the first bad night."""
    (tmp_path / "state").mkdir()
    with listening_receiver() as receiver:
        urls = f"json://127.0.0.1:{receiver.port}/hook,jsonn://secrethost99/hook"
        with running_heartbeat(tmp_path, ALERT_URLS=urls) as heart:

            def is_said() -> bool:
                write_health(heart.state)
                log = (heart.logs / "heartbeat.jsonl").read_text()
                return "address 2 of ALERT_URLS is not understood" in log

            until(is_said, "not said", timeout_s=20)
            assert "secrethost99" not in (heart.logs / "heartbeat.jsonl").read_text()


def test_receiver_when_it_dribbles_without_end_is_said_and_the_loop_goes_on(
    tmp_path: Path,
) -> None:
    """The judging never waits for a receiver, and nobody is called well who may hear nothing."""
    with dribbling_receiver() as port:
        heard = threading.Event()
        address = PeopleAddress("people-1", "address 1", f"json://127.0.0.1:{port}/")
        channel = PeopleChannel(address, heard, SystemClock())
        channel.start()
        message = Message("alert-1", "title", "body", Severity.PAGE, ("people-1",))
        channel.offer(message, now_s=100.0)
        assert channel.trouble(100.0 + SILENCE_MAX_S) == ""
        assert channel.trouble(101.0 + SILENCE_MAX_S) == "address 1 has not answered for 61 s"
        assert channel.results(101.0 + SILENCE_MAX_S) == ()


def test_ping_when_receiver_dribbles_without_end_is_given_up(tmp_path: Path) -> None:
    """A ping that is never quite answered is a ping that failed."""
    (tmp_path / "state").mkdir()
    write_health(tmp_path / "state")
    with dribbling_receiver() as port:
        url = f"http://127.0.0.1:{port}/ping/secretword77"
        with running_heartbeat(tmp_path, HEARTBEAT_PING_URL=url) as heart:
            until(lambda: "the ping failed" in heart.newest_word("X_REASON"), "never said", 30)
            assert heart.words[-1]["X_HEALTH"] == "DEGRADED"
            assert "secretword77" not in (heart.logs / "heartbeat.jsonl").read_text()
