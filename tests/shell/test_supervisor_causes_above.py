"""Cause → verdict where the cause is above the services: the supervisor, its disk, its clock.

The other rows of the table are listed in test_supervisor_causes.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from services.supervisor.launch import LAUNCH_VARIABLE, Launch
from shared.clock import parse_utc
from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from tests.support.supervised import (
    Actor,
    Supervised,
    end_everything,
    is_alive,
    own_pids_with,
    settings_below,
    supervised,
    write_table,
)
from tests.support.system import ROOT, clean_environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

TALKS = """
import threading
def talk_on():
    while True:
        print('x' * 200, flush=True)
        time.sleep(0.01)
threading.Thread(target=talk_on, daemon=True).start()
serve()
"""


def generation(system: Supervised) -> int:
    """Return which supervisor wrote last: the first, the second, ..."""
    return int((system.health().get("supervisor") or {}).get("generation", 0))


def test_service_when_it_talks_while_the_supervisor_dies_then_it_talks_on(tmp_path: Path) -> None:
    """Output goes to a file of its own: no pipe breaks with the supervisor."""
    with supervised(tmp_path, {"web": Actor(TALKS)}) as system:
        system.wait_ok()
        pid = system.pid("web")

        os.kill(system.supervisor_pid(), signal.SIGKILL)

        wait_until(lambda: generation(system) == 2 and system.health()["overall"] == "OK", 15)
        said = (system.logs / "web.out").stat().st_size
        wait_until(lambda: (system.logs / "web.out").stat().st_size > said, 5, "more output")
        assert system.pid("web") == pid
        assert system.service("web")["restarts"] == 0


HELPED = """
import subprocess
subprocess.Popen(['sleep', '1000'], start_new_session=True)
serve()
"""


def helper_of(system: Supervised) -> int:
    """Wait for the one helper of the service and return its pid."""

    def helpers() -> list[int]:
        found = own_pids_with("SHT_SERVICE=web\0", f"STATE_DIR={system.state}\0")
        return [pid for pid in found if pid != system.pid("web")]

    wait_until(lambda: len(helpers()) == 1, 5, "the helper")
    return helpers()[0]


def test_helpers_when_only_the_supervisor_dies_then_they_go_on_too(tmp_path: Path) -> None:
    """A helper of an adopted service is no double of it."""
    with supervised(tmp_path, {"web": Actor(HELPED)}) as system:
        system.wait_ok()
        helper = helper_of(system)

        os.kill(system.supervisor_pid(), signal.SIGKILL)

        wait_until(lambda: generation(system) == 2 and system.health()["overall"] == "OK", 15)
        assert is_alive(helper)
        assert system.service("web")["restarts"] == 0
        log = (system.logs / "supervisor.jsonl").read_text("utf-8")
        assert "one too many" not in log


@pytest.mark.parametrize("row", ["critical = true", "critical = true\nnotify = false"])
def test_helpers_when_their_service_dies_unseen_then_none_is_left_or_taken_for_it(
    tmp_path: Path, row: str
) -> None:
    """A helper that leads its own session and carries the cookie is still no service."""
    script = (
        "\nimport subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\nserve()"
    )
    with supervised(tmp_path, {"web": Actor(script)}) as system:
        system.wait_ok()
        web = system.pid("web")
        (helper,) = set(own_pids_with("SHT_SERVICE=web\0", f"STATE_DIR={system.state}\0")) - {web}
        os.kill(system.process.pid, signal.SIGSTOP)
        try:
            os.kill(system.supervisor_pid(), signal.SIGKILL)
            os.kill(web, signal.SIGKILL)
        finally:
            os.kill(system.process.pid, signal.SIGCONT)

        wait_until(lambda: generation(system) == 2, 10)
        found = system.wait_for("web", status="OK", restarts=1)

        assert found["pid"] not in (web, helper)
        assert found["failures_in_window"] == 1
        wait_until(lambda: not is_alive(helper), 5, "the helper ends")


def test_death_when_the_supervisor_dies_before_it_told_of_it_then_the_next_one_tells(
    tmp_path: Path,
) -> None:
    """A restart comes before the telling: what health.json does not know yet is found out."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        os.kill(system.pid("web"), signal.SIGKILL)
        web = system.wait_for("web", status="OK", restarts=1)["pid"]
        os.kill(system.process.pid, signal.SIGSTOP)
        try:
            supervisor = system.supervisor_pid()
            os.kill(supervisor, signal.SIGKILL)
            wait_until(lambda: not is_alive(supervisor), 5)
            document = system.health()
            document["services"]["web"]["restarts"], document["incidents"] = 0, []
            (system.state / "health.json").write_text(json.dumps(document), "utf-8")
        finally:
            os.kill(system.process.pid, signal.SIGCONT)

        found = system.wait_for("web", timeout_s=15, adopted=True, status="OK")

        assert (found["pid"], found["restarts"]) == (web, 1)
        (told,) = [one for one in system.health()["incidents"] if one["service"] == "web"]
        assert "just before the supervisor" in told["reason"]
        assert told["recovered_after_s"] is not None


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """Mount a disk of one megabyte; for root only."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True, timeout=10)
    if done.returncode != 0:
        pytest.skip(f"ROOT NEEDED: no small disk can be mounted ({done.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=10)


def fill(place: Path) -> Path:
    """Write until the disk is full; return the file that fills it."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


def test_supervisor_when_its_disk_is_full_then_it_heals_and_then_speaks_again(
    tmp_path: Path,
) -> None:
    """State and logs on a disk without a free byte: deaths are answered all the same."""
    disk = tmp_path / "disk"
    with small_disk(disk):
        folders = {"STATE_DIR": str(disk / "state"), "LOG_DIR": str(disk / "logs")}
        with supervised(tmp_path, {"web": Actor()}, **folders) as system:
            system.wait_ok()
            client, filler = ControlClient(StatePaths(system.state)), fill(disk)
            former, web = system.supervisor_pid(), system.pid("web")

            os.kill(web, signal.SIGKILL)
            wait_until(lambda: _running(client) not in (0, web), 10, "a new service")
            os.kill(former, signal.SIGKILL)
            wait_until(client.is_alive, 20, "a new supervisor")
            web = _running(client)
            filler.unlink()

            wait_until(lambda: generation(system) == 2, 30, "a word of the new supervisor")
            system.wait_for("web", timeout_s=20, status="OK", pid=web, adopted=True)
            assert system.stop() == 0


def _running(client: ControlClient) -> int:
    """Return the pid of the only service, 0 while there is none."""
    if not client.is_alive():
        return 0
    return int(client.processes()[0]["pid"])


JUMPING = """
import datetime, pathlib, sys
import services.supervisor.__main__ as process
from shared.clock import SystemClock
class JumpingClock(SystemClock):
    def utc_now(self):
        days = int(sys.argv[2]) if pathlib.Path(sys.argv[1]).exists() else 0
        return super().utc_now() + datetime.timedelta(days=days)
sys.exit(process.main(JumpingClock()))
"""


@contextmanager
def supervisor_with_a_jumping_clock(base: Path, actor: Actor, days: int) -> Iterator[Supervised]:
    """Run the supervisor's own process, whose wall clock jumps once `base`/jumped is there."""
    settings = settings_below(base)
    launch = Launch(
        state_dir=settings["STATE_DIR"],
        log_dir=settings["LOG_DIR"],
        mode="sim",
        services_file=str(write_table(base, {"web": actor})),
        max_failures=5,
        window_s=600.0,
    )
    launch.state.run.mkdir(parents=True)
    launch.logs.root.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", JUMPING, str(base / "jumped"), str(days)],
        cwd=ROOT,
        env=clean_environment({**settings, LAUNCH_VARIABLE: launch.to_text()}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    system = Supervised(base, process, settings)
    try:
        yield system
    finally:
        end_everything(system)


@pytest.mark.parametrize("days", [1, -1])
def test_supervisor_when_the_wall_clock_jumps_a_day_then_nothing_happens(
    tmp_path: Path, days: int
) -> None:
    """Life, death and time to recover go by elapsed time; the wall clock is for people.

    The jump is made by a clock given to the supervisor, since no user may set the machine's.
    """
    once, jumped = tmp_path / "once", tmp_path / "jumped"
    script = (
        f"\nwhile os.path.exists({str(once)!r}) and not os.path.exists({str(jumped)!r}):"
        "\n    time.sleep(0.05)"
        f"\nopen({str(once)!r}, 'w').close()"
        "\nserve()"
    )
    with supervisor_with_a_jumping_clock(tmp_path, Actor(script), days) as system:
        system.wait_ok()
        os.kill(system.pid("web"), signal.SIGKILL)
        system.wait_for("web", phase="starting", restarts=1)
        before = parse_utc(system.health()["written_at"])

        jumped.touch()

        found = system.wait_for("web", status="OK")
        assert abs(parse_utc(system.health()["written_at"]) - before) > timedelta(hours=23)
        assert (found["restarts"], found["failures_in_window"]) == (1, 1)
        told = [one for one in system.health()["incidents"] if one["service"] == "web"]
        assert [0 < one["recovered_after_s"] < 60 for one in told] == [True]
        assert system.command("status").code == 0
        assert system.stop() == 0
