"""Cause → verdict where the guardian is the one who dies, or the one who must see it.

The other rows of the table are listed in test_supervisor_causes.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from services.supervisor.processes import Exit, collect_exit, ended_within, open_process
from services.supervisor.processes import start_ticks as ticks_of
from tests.support.supervised import (
    Actor,
    Supervised,
    is_alive,
    own_pids_with,
    settings_below,
    supervised,
)
from tests.support.system import ROOT, clean_environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SUPERVISORD = Path(sys.executable).with_name("supervisord")


def generation(system: Supervised) -> int:
    """Return which supervisor wrote last: the first, the second, ..."""
    return int((system.health().get("supervisor") or {}).get("generation", 0))


def test_supervisor_when_it_hangs_then_its_guardian_ends_it_and_nothing_else(
    tmp_path: Path,
) -> None:
    """Silence of the control socket is a hang: a new supervisor adopts the same services."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")

        os.kill(supervisor, signal.SIGSTOP)

        wait_until(lambda: generation(system) == 2 and system.health()["overall"] == "OK", 40)
        assert not is_alive(supervisor)
        assert system.pid("web") == web
        assert system.service("web")["restarts"] == 0
        assert system.health()["incidents"][-1]["service"] == "supervisor"
        assert [line["event"] for line in system.incidents("supervisor")] == ["DETECT", "RECOVER"]
        assert system.stop() == 0


def test_guardian_when_it_dies_then_an_incident_tells_it_until_another_is_there(
    tmp_path: Path,
) -> None:
    """The supervisor sees the death at once, goes on, and closes the incident with the next."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        system.process.kill()
        wait_until(lambda: system.health()["incidents"], 5, "an incident")

        (open_one,) = system.health()["incidents"]
        assert (open_one["service"], open_one["recovered_after_s"]) == ("guardian", None)
        assert system.health()["overall"] == "OK"
        with supervised(tmp_path, {"web": Actor()}) as again:
            wait_until(lambda: again.health()["incidents"][0]["recovered_after_s"], 15)
            steps = [line["event"] for line in again.incidents("guardian")]
            assert steps == ["DETECT", "RECOVER"]
            assert again.stop() == 0


def test_guardian_when_it_cannot_find_the_supervisor_then_the_lock_tells_and_it_is_taken_over(
    tmp_path: Path,
) -> None:
    """A guardian may die before anybody noted the supervisor that it had started. The next one's
    own supervisor then meets the lock and leaves with 69, but the guardian stays.
    """
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")
        noted = system.state / "run" / "supervisor.pid"
        system.process.kill()
        system.process.wait(timeout=10)
        noted.unlink()
        noted.mkdir()
        with supervised(tmp_path, {"web": Actor()}) as again:
            wait_until(lambda: _last_exit(again).endswith(" 69"), 15, "a second supervisor")
            assert again.process.poll() is None
            noted.rmdir()
            wait_until(noted.is_file, 5, "a note of the supervisor")

            os.kill(supervisor, signal.SIGKILL)

            wait_until(lambda: again.health()["supervisor"]["pid"] != supervisor, 20)
            again.wait_ok()
            assert again.pid("web") == web
            assert again.stop() == 0
            assert own_pids_with(f"STATE_DIR={again.state}\0") == []


def test_exit_of_yesterday_when_a_pid_comes_again_then_a_death_is_still_a_death(
    tmp_path: Path,
) -> None:
    """In a container each run has the same pids: the clean end of one must not explain another."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")
        of_yesterday = f"{supervisor} {(ticks_of(supervisor) or 0) - 1} 0\n"
        (system.state / "run" / "supervisor.exit").write_text(of_yesterday, "ascii")

        os.kill(supervisor, signal.SIGKILL)

        wait_until(lambda: generation(system) == 2, 15, "a new supervisor")
        system.wait_for("web", status="OK", pid=web)
        assert system.process.poll() is None


def test_guardian_when_it_stands_still_then_it_is_woken_and_guards_again(tmp_path: Path) -> None:
    """Held by SIGSTOP it could neither bring a supervisor back nor hand down a request to end."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        os.kill(system.process.pid, signal.SIGSTOP)

        wait_until(lambda: system.health()["incidents"], 20, "an incident")
        wait_until(lambda: system.health()["incidents"][0]["recovered_after_s"], 10, "its end")
        assert [line["event"] for line in system.incidents("guardian")] == ["DETECT", "RECOVER"]
        supervisor = system.supervisor_pid()
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: system.supervisor_pid() != supervisor, 15, "a new supervisor")
        assert system.stop() == 0


def _last_exit(system: Supervised) -> str:
    """Return pid and code of the supervisor that ended last on purpose."""
    with suppress(FileNotFoundError):
        return (system.state / "run" / "supervisor.exit").read_text("ascii").strip()
    return ""


def test_supervisord_when_the_system_ends_on_purpose_then_it_is_not_repeated(
    tmp_path: Path,
) -> None:
    """The shipped configuration agrees on exit codes: 78 needs a human, however soon it comes."""
    for name in (".venv", "deploy_supervisor.py", "supervisor.conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "logs").mkdir()
    settings = settings_below(tmp_path, SIM_SEED="x")
    outer = subprocess.Popen(
        [str(SUPERVISORD), "-n", "-c", str(tmp_path / "supervisor.conf")],
        cwd=tmp_path,
        env=clean_environment(settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = tmp_path / "logs" / "supervisord.log"
    try:
        wait_until(lambda: log.exists() and "exit status 78" in log.read_text(), 20, "an end")
        size = log.stat().st_size
        with pytest.raises(AssertionError):
            wait_until(lambda: log.stat().st_size > size, 3)
        assert "exit status 78; expected" in log.read_text()
        assert log.read_text().count("spawned") == 1
    finally:
        outer.terminate()
        outer.wait(timeout=20)


def test_exit_when_the_parent_of_an_adopted_process_does_not_reap_then_it_is_known() -> None:
    """Under an init that leaves its dead lying about, the status of a stranger is read there."""
    child = "import os, time; time.sleep(0.3); os._exit(75)"
    parent = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen([sys.executable, '-S', '-c', {child!r}]).pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", parent], stdout=subprocess.PIPE, text=True
    ) as negligent:
        assert negligent.stdout is not None
        pid = int(negligent.stdout.readline())
        stranger = open_process(pid, ticks_of(pid) or 0)
        assert stranger is not None
        try:
            assert ended_within(stranger, 10)
            assert collect_exit(stranger) == Exit(75, None)
        finally:
            stranger.close()
            negligent.kill()
