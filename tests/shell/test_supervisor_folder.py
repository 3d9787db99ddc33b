"""A state folder that is taken away under a running system, and starts that are refused."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.supervised import Actor, is_alive, own_pids_with, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

ONE = {"web": Actor()}


def take_away(folder: Path) -> None:
    """Remove a folder in which a living system writes: what appears meanwhile goes, too."""

    def is_gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone, 5, f"the end of {folder}")


def test_folder_when_removed_then_all_ends_with_73_and_says_so(tmp_path: Path) -> None:
    """Without its locks and books the system guards nothing: it ends in order, by itself."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()

        take_away(system.state)

        _, err = system.process.communicate(timeout=20)
        assert system.process.returncode == os.EX_CANTCREAT
        assert str(system.state) in err + (system.logs / "supervisor.jsonl").read_text("utf-8")
        assert "was removed" in (system.logs / "supervisor.jsonl").read_text("utf-8")
        assert own_pids_with(f"STATE_DIR={system.state}") == []


@pytest.mark.parametrize("lost", ["run/supervisor.lock", "run"])
def test_lock_when_removed_then_all_ends_with_73(tmp_path: Path, lost: str) -> None:
    """Whoever takes the lock away makes room for a second tree, so the first one goes."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        path = system.state / lost
        if path.is_dir():
            take_away(path)
        else:
            path.unlink()

        system.process.communicate(timeout=20)

        assert system.process.returncode == os.EX_CANTCREAT
        assert own_pids_with(f"STATE_DIR={system.state}") == []


def test_start_when_the_folder_was_removed_under_another_then_it_waits_for_its_end(
    tmp_path: Path,
) -> None:
    """A second start finds the first tree without any file; there are never two of anything."""
    with supervised(tmp_path, ONE) as first:
        first.wait_ok()
        supervisor, web = first.supervisor_pid(), first.pid("web")
        # Held, so that it cannot notice before the second one comes.
        os.kill(supervisor, signal.SIGSTOP)
        take_away(first.state)
        with supervised(tmp_path, ONE) as second:
            wait_until((second.state / "run" / "supervisor.exit").exists, 10, "69")
            assert own_pids_with(f"STATE_DIR={second.state}", "SHT_SERVICE=web") == [web]
            os.kill(supervisor, signal.SIGCONT)

            first.process.communicate(timeout=20)

            assert first.process.returncode == os.EX_CANTCREAT
            assert not is_alive(web)
            assert second.health().get("supervisor", {}).get("pid") != supervisor
            second.wait_ok(20)
            # A child just spawned bears its own environment only once it has executed its program.
            words = (f"STATE_DIR={second.state}", "SHT_SERVICE=web")
            wait_until(lambda: own_pids_with(*words) == [second.pid("web")], 5, "one web alone")
            second.process.send_signal(signal.SIGTERM)
            _, err = second.process.communicate(timeout=20)
            assert f"pid {supervisor}" in err


def is_asked_to_end(pid: int) -> bool:
    """Whether SIGTERM waits for a process that is held."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    (waiting,) = (line.split()[1] for line in lines if line.startswith("ShdPnd:"))
    return bool(int(waiting, 16) & 1 << (signal.SIGTERM - 1))


def test_stop_when_the_folder_was_removed_then_it_ends_everything(tmp_path: Path) -> None:
    """Neither pid files nor records are needed to find what runs."""
    with supervised(tmp_path, ONE) as system, ThreadPoolExecutor(1) as person:
        system.wait_ok()
        guardian, supervisor = system.process.pid, system.supervisor_pid()
        # Held until it is asked: it would notice by itself, and the command find nobody.
        os.kill(supervisor, signal.SIGSTOP)
        take_away(system.state)
        command = person.submit(system.command, "stop")
        wait_until(lambda: is_asked_to_end(supervisor), 20, "the request")
        os.kill(supervisor, signal.SIGCONT)

        stopped = command.result(timeout=30)

        assert (stopped.code, stopped.out.strip()) == (0, "stopped")
        system.process.communicate(timeout=20)
        assert not is_alive(guardian)
        assert own_pids_with(f"STATE_DIR={system.state}") == []


def test_stop_when_only_services_live_without_a_folder_then_it_ends_them(tmp_path: Path) -> None:
    """A killed tree without a state folder leaves services that only their cookie names."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")
        os.kill(system.process.pid, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: not is_alive(supervisor), 5, "the supervisor's end")
        take_away(system.state)
        assert is_alive(web)

        stopped = system.command("stop")

        assert (stopped.code, stopped.out.strip()) == (0, "stopped")
        assert not is_alive(web)


def test_start_when_refused_while_services_live_then_they_are_named(tmp_path: Path) -> None:
    """A refused start leaves what runs alone, and says who nobody watches and what to do."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")
        os.kill(system.process.pid, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: not is_alive(supervisor), 5, "the supervisor's end")
        (tmp_path / "services.toml").write_text("nonsense", "utf-8")

        refused = system.command("run", "--services", str(tmp_path / "services.toml"))

        assert refused.code == os.EX_CONFIG
        assert f"web (pid {web})" in refused.err
        assert f"web (pid {web})" in system.health()["reason"]
        assert is_alive(web)
        assert system.command("stop").code == 0
        assert not is_alive(web)


def test_second_instance_when_started_then_it_says_who_holds_the_folder(tmp_path: Path) -> None:
    """69, the holder's pid, and not a byte of the first one's health is touched."""
    with supervised(tmp_path, ONE) as system:
        system.wait_ok()

        second = system.command("run", "--services", str(tmp_path / "services.toml"))

        assert second.code == 69
        assert f"pid {system.process.pid}" in second.err
        assert system.health()["overall"] == "OK"
        assert system.health()["supervisor"]["generation"] == 1
