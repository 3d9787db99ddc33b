"""Odd things where files of ours belong: one clear line and an exit code, never a crash loop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

import pytest

from services.supervisor.folders import state_folder
from tests.support.supervised import Actor, Supervised, settings_below, supervised
from tests.support.system import DEPLOY, ROOT, Finished, clean_environment, deploy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ONE = {"web": Actor()}
ANSWER_S = 2.0
"""An emergency stop with nothing running tells the truth within this time."""
ONE_SHOT_S = 25.0
"""The one-shot gives up after ten seconds; the rest is for a busy machine."""
NO_LIBRARIES = ("-S", "-E")


def ended(system: Supervised) -> tuple[int, str]:
    """Return exit code and standard error of a start that ends by itself."""
    _, err = system.process.communicate(timeout=20)
    return int(system.process.returncode), err


def bare(base: Path, *words: str) -> Finished:
    """Run one command by a Python without any installed library."""
    done = subprocess.run(
        [sys.executable, *NO_LIBRARIES, str(DEPLOY), *words],
        cwd=ROOT,
        env=clean_environment(settings_below(base)),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", ["supervisor.lock", "guardian.lock", "supervisor.sock"])
def test_start_when_a_folder_stands_in_the_way_then_73_names_it(tmp_path: Path, name: str) -> None:
    """A lock or socket that cannot be made ends the start at once, before any service."""
    (tmp_path / "state" / "run" / name).mkdir(parents=True)

    with supervised(tmp_path, ONE) as system:
        code, err = ended(system)

    assert code == os.EX_CANTCREAT, err
    assert name in err
    assert "Traceback" not in err
    assert not (tmp_path / "logs" / "web.out").exists()


def test_start_when_a_file_stands_where_the_sockets_belong_then_73_names_it() -> None:
    """Without a folder for the sockets nobody could be heard, so nothing is started."""
    # Not tmp_path, which is so deep that the sockets lie elsewhere.
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "state" / "run").mkdir(parents=True)
        (base / "state" / "run" / "notify").touch()

        with supervised(base, ONE) as system:
            code, err = ended(system)
            health = system.health()

        assert code == os.EX_CANTCREAT, err
        assert "notify" in err
        assert "Traceback" not in err
        assert (health["overall"], health["code"]) == ("FAILED", "FAILED")
        assert "notify" in health["reason"]
        assert not (base / "logs" / "web.out").exists()


def test_stop_when_the_supervisor_does_not_answer_then_its_guardian_ends_too(
    tmp_path: Path,
) -> None:
    """A silent supervisor is ended through its guardian, which else would bring it back."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        (system.state / "run" / "supervisor.sock").unlink()
        os.kill(system.supervisor_pid(), signal.SIGKILL)
        (system.state / "run" / "supervisor.sock").unlink(missing_ok=True)

        stopped = system.command("stop", timeout_s=40)

        assert stopped.code == 0, stopped.err
        assert system.process.wait(timeout=5) is not None


def test_status_when_health_is_a_link_or_a_pipe_then_4(tmp_path: Path) -> None:
    """A link is never followed, and a pipe never waited for."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        assert system.stop() == 0
        health = system.state / "health.json"
        health.rename(tmp_path / "elsewhere.json")
        health.symlink_to(tmp_path / "elsewhere.json")
        linked = system.command("status")
        health.unlink()
        os.mkfifo(health)
        piped = system.command("status", timeout_s=10)

    assert linked.code == 4, linked.out
    assert "link" in linked.err
    assert piped.code == 4, piped.out


def test_emergency_stop_when_no_library_is_installed_then_the_stop_is_in_place(
    tmp_path: Path,
) -> None:
    """Stopping needs nothing but Python: the file is there, and the answer says so with 75."""
    began_s = time.monotonic()
    done = bare(tmp_path, "emergency-stop", "--reason", "no libraries")

    assert time.monotonic() - began_s < ANSWER_S
    assert done.code == os.EX_TEMPFAIL, done.err
    assert (tmp_path / "state" / "emergency_stop").exists()
    assert "is in place" in done.err
    assert "no exchange" in done.err


def test_commands_when_no_broker_answers_then_75_without_waiting_for_nobody(
    tmp_path: Path,
) -> None:
    """Once the one-shot has ended, nobody is left who could answer: the truth is told then."""
    (tmp_path / "state").mkdir()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        keys = {"APCA_API_KEY_ID": "PKTEST", "APCA_API_SECRET_KEY": "test"}
        settings = {"TRADING_MODE": "paper", "ALPACA_TRADING_URL": address, **keys}
        began_s = time.monotonic()
        done = deploy(tmp_path, "emergency-stop", "--reason", "drill", settings=settings)

    assert time.monotonic() - began_s < ONE_SHOT_S
    assert done.code == os.EX_TEMPFAIL, done.err
    assert (tmp_path / "state" / "emergency_stop").exists()
    assert "is in place" in done.err


def test_pause_when_nothing_runs_then_75_and_the_command_is_withdrawn(tmp_path: Path) -> None:
    """What nobody can carry out does not lie in wait for the next start."""
    done = deploy(tmp_path, "pause")

    assert done.code == os.EX_TEMPFAIL, done.err
    assert "withdrawn" in done.err
    assert list((tmp_path / "state" / "commands").glob("*.json")) == []


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("STATE_DIR=/one/two   # where it lies", "/one/two"),
        ("export STATE_DIR='/one/a # b'", "/one/a # b"),
        ('STATE_DIR="/one/c" # here', "/one/c"),
        ("\ufeffSTATE_DIR=/one/d#e", "/one/d#e"),
    ],
)
def test_folders_when_the_line_has_a_comment_then_the_same_as_run_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, folder: str
) -> None:
    """`status` and `stop` look where `run` writes."""
    monkeypatch.delenv("STATE_DIR", raising=False)
    env_file = tmp_path / ".env"
    env_file.write_text(line + "\n", encoding="utf-8")

    found = state_folder(Namespace(state_dir=None, env_file=str(env_file)))

    assert found == Path(folder)


def test_folders_when_the_path_begins_with_the_home_sign_then_it_is_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` means the same to `run` and to `status`."""
    monkeypatch.setenv("HOME", str(tmp_path))

    found = state_folder(Namespace(state_dir="~/state", env_file=None))

    assert found == tmp_path / "state"


def test_folders_when_the_settings_file_is_a_pipe_then_nobody_waits(tmp_path: Path) -> None:
    """A pipe in place of .env holds no command up."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environment = clean_environment({"SHT_ENV_FILE": str(pipe)})

    process = subprocess.Popen(
        [sys.executable, str(DEPLOY), "tail", "nobody"], cwd=ROOT, env=environment
    )
    try:
        wait_until(lambda: process.poll() is not None, 10)
    finally:
        process.kill()
        process.wait(timeout=5)

    assert process.returncode == 1
