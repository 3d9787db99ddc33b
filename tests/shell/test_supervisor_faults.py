"""A supervisor that cannot start, and signals in the first moments: nobody is left alone."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.commands.control_client import ControlClient
from shared.config.paths import StatePaths
from tests.support.supervised import Actor, Supervised, own_pids_with, supervised
from tests.support.system import deploy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ONE = {"web": Actor()}


def block_endpoints(system: Supervised) -> Path:
    """Put a folder where the next supervisor must write a file; return it."""
    endpoints = system.state / "run" / "endpoints.json"
    endpoints.unlink()
    endpoints.mkdir()
    return endpoints


def test_guardian_when_a_later_supervisor_cannot_start_then_it_is_tried_until_it_can(
    tmp_path: Path,
) -> None:
    """Services are not left alone for a disk that refuses; health tells, and all heals."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        web = system.pid("web")
        in_the_way = block_endpoints(system)

        os.kill(system.supervisor_pid(), signal.SIGKILL)

        wait_until(lambda: "endpoints.json" in system.health()["reason"], 10, "reason")
        assert system.health()["overall"] == "FAILED"
        assert system.health()["code"] == "FAILED"
        assert system.health()["services"] == {}
        assert system.process.poll() is None
        in_the_way.rmdir()
        system.wait_for("web", timeout_s=20, status="OK", adopted=True, pid=web)
        system.wait_ok()
        reasons = [incident["reason"] for incident in system.health()["incidents"]]
        assert "the supervisor died and is back; 1 services adopted" in reasons
        assert system.stop() == 0


def forbid_writes(pid: int) -> None:
    """Let every write to a file fail from now on, in this process and its future children."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def test_supervisor_when_the_disk_refuses_every_write_then_it_heals_all_the_same(
    tmp_path: Path,
) -> None:
    """A full disk makes health silent, but nobody is left alone, and the end is clean."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        former, web = system.supervisor_pid(), system.pid("web")
        forbid_writes(system.process.pid)
        os.kill(former, signal.SIGKILL)
        client = ControlClient(StatePaths(system.state))
        wait_until(client.is_alive, 10, "a new supervisor")

        os.kill(web, signal.SIGKILL)

        def pids() -> list[int]:
            return [process["pid"] for process in client.processes() if process["pid"]]

        wait_until(lambda: pids() not in ([], [web]), 10, "a new service")
        assert system.stop() == 0
        assert own_pids_with(f"STATE_DIR={system.state}") == []


def test_guardian_when_asked_to_end_without_a_supervisor_then_it_ends_the_services(
    tmp_path: Path,
) -> None:
    """Ctrl-C ends everything, also while no supervisor can be started."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        block_endpoints(system)
        os.kill(system.supervisor_pid(), signal.SIGKILL)
        wait_until(lambda: "endpoints.json" in system.health()["reason"], 10, "reason")

        assert system.stop() == os.EX_CANTCREAT

        assert own_pids_with(f"STATE_DIR={system.state}") == []


def test_guardian_when_the_supervisor_dies_while_it_stops_then_nothing_is_left(
    tmp_path: Path,
) -> None:
    """A request to end is carried out without a supervisor too, and health does not say OK."""
    stubborn = "signal.signal(signal.SIGTERM, lambda *_: None); serve()"
    with supervised(tmp_path, {"web": Actor(stubborn, "critical = true\nstop_s = 30.0")}) as system:
        system.wait_ok()
        system.process.send_signal(signal.SIGTERM)
        system.wait_for("web", phase="stopping")
        supervisor, web = system.supervisor_pid(), system.pid("web")

        os.kill(supervisor, signal.SIGKILL)
        os.kill(web, signal.SIGKILL)

        _, err = system.process.communicate(timeout=20)
        assert system.process.returncode == 1, err
        assert system.health()["overall"] == "FAILED"
        assert "asked to stop" in system.health()["reason"]
        assert own_pids_with(f"STATE_DIR={system.state}") == []


def in_ignition(system: Supervised) -> bool:
    """Whether the settings are being read."""
    return "pydantic" in Path(f"/proc/{system.process.pid}/maps").read_text()


def has_guardian(system: Supervised) -> bool:
    """Whether the ignition has become the guardian."""
    command = Path(f"/proc/{system.process.pid}/cmdline").read_bytes()
    return b"services.supervisor.guardian" in command


def has_supervisor(system: Supervised) -> bool:
    """Whether the guardian has started a supervisor."""
    return (system.state / "run" / "supervisor.pid").exists()


def has_health(system: Supervised) -> bool:
    """Whether the supervisor has begun to speak."""
    return bool(system.health())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [in_ignition, has_guardian, has_supervisor, has_health])
def test_start_when_asked_to_end_at_any_moment_then_it_ends_cleanly(
    tmp_path: Path, moment: Callable[[Supervised], bool], number: signal.Signals
) -> None:
    """No moment of a start loses the request or answers it with a traceback."""
    with supervised(tmp_path, ONE) as system:
        wait_until(lambda: moment(system), 10, moment.__name__)

        system.process.send_signal(number)

        out, err = system.process.communicate(timeout=20)
        assert system.process.returncode == 0, err
        assert "Stop" in out
        assert "Traceback" not in err
        assert own_pids_with(f"STATE_DIR={system.state}") == []


def test_start_when_sighup_comes_early_then_it_goes_on(tmp_path: Path) -> None:
    """The wish to re-read the table waits for whoever can carry it out."""
    with supervised(tmp_path, ONE) as system:
        wait_until(lambda: has_guardian(system), 10)
        for _ in range(3):
            system.process.send_signal(signal.SIGHUP)

        system.wait_ok()

        assert system.service("web")["restarts"] == 0
        assert system.health()["supervisor"]["generation"] == 1


def a_pipe(path: Path) -> Path:
    """A pipe into which nobody writes."""
    os.mkfifo(path)
    return path


def a_huge_file(path: Path) -> Path:
    """A file of many gigabytes that takes no room."""
    path.touch()
    os.truncate(path, 1 << 36)
    return path


def a_folder(path: Path) -> Path:
    """A folder."""
    path.mkdir()
    return path


def an_endless_device(_: Path) -> Path:
    """A device without an end."""
    return Path("/dev/zero")


def a_deep_file(path: Path) -> Path:
    """Brackets upon brackets."""
    path.write_text("service = " + "[" * 100_000, "utf-8")
    return path


def text_with_a_null(path: Path) -> Path:
    """A command that no kernel accepts."""
    path.write_text('[service.web]\ncommand = ["a\\u0000b"]\n', "utf-8")
    return path


@pytest.mark.parametrize(
    "make", [a_pipe, a_huge_file, a_folder, an_endless_device, a_deep_file, text_with_a_null]
)
def test_table_when_it_is_an_odd_thing_then_78_at_once(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    """Nobody waits for a pipe or reads a file without end; the line names the file."""
    table = make(tmp_path / "odd.toml")

    done = deploy(tmp_path, "check", "--services", str(table), timeout_s=15)

    assert done.code == os.EX_CONFIG, done.err
    assert str(table) in done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 1000


def test_start_when_the_tally_is_a_link_then_78_and_health_says_so(tmp_path: Path) -> None:
    """A link in state/ is never followed; health.json names it, too."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / "state" / "restart_tally.json").symlink_to(tmp_path / "elsewhere")

    with supervised(tmp_path, ONE) as system:
        _, err = system.process.communicate(timeout=20)

        assert system.process.returncode == os.EX_CONFIG, err
        assert "restart_tally.json" in err
        assert system.health()["code"] == "FAILED_CONFIG"
        assert "restart_tally.json" in system.health()["reason"]
        assert system.health()["mode"] == "sim"


def test_start_when_endpoints_is_a_folder_then_73_and_health_says_so(tmp_path: Path) -> None:
    """A file of ours that cannot be written is a folder that cannot be used."""
    (tmp_path / "state" / "run" / "endpoints.json").mkdir(parents=True)

    with supervised(tmp_path, ONE) as system:
        _, err = system.process.communicate(timeout=20)

        assert system.process.returncode == os.EX_CANTCREAT, err
        assert "endpoints.json" in err
        assert system.health()["code"] == "FAILED"
        assert "endpoints.json" in system.health()["reason"]


def test_start_when_the_one_before_was_refused_then_no_death_is_invented(tmp_path: Path) -> None:
    """A refused start is no supervisor that died."""
    refused = deploy(tmp_path, settings={"TRADING_MODE": "sim", "SIM_SEED": "x"})
    assert refused.code == os.EX_CONFIG

    with supervised(tmp_path, ONE) as system:
        system.wait_ok()

        assert system.health()["incidents"] == []
        assert system.health()["supervisor"]["generation"] == 1
