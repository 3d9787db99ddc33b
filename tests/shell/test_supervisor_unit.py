"""The systemd unit of docs/SERVER.md: verified where systemd is installed, and played by a parent
that keeps its promises: Type=notify, WatchdogSec, WatchdogSignal=SIGKILL, KillMode=process,
Restart=on-failure.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.supervisor.own_files import GUARDIAN, read_pid_file
from tests.support.supervised import (
    Actor,
    Supervised,
    end_everything,
    is_alive,
    own_pids_with,
    settings_below,
    write_table,
)
from tests.support.system import DEPLOY, ROOT, clean_environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

WATCHDOG_S = 3.0
PAGE = ROOT / "docs" / "SERVER.md"


def unit_text() -> str:
    """Return the unit as the page shows it."""
    found = re.search(r"```ini\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def unit_words(section: str) -> dict[str, str]:
    """Return one section of the unit."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names as they are written
    parser.read_string(unit_text())
    return dict(parser[section])


def guardian_of(system: Supervised) -> int:
    """Return the living guardian, 0 while there is none."""
    found = read_pid_file(system.state / "run", GUARDIAN)
    if found is None:
        return 0
    found.close()
    return found.pid


class Unit:
    """What systemd does for this unit, as far as the unit asks for it."""

    def __init__(self, base: Path, ear: socket.socket, address: str) -> None:
        self.words = unit_words("Service")
        self._ear = ear
        self._settings = settings_below(base) | {
            "NOTIFY_SOCKET": address,
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }
        table = write_table(base, {"web": Actor()})
        self._command = [sys.executable, str(DEPLOY), "run", "--services", str(table)]
        self.system = Supervised(base, self._start(), self._settings)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=clean_environment(self._settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, word: str, timeout_s: float) -> None:
        """Wait for a word as systemd waits for READY."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._ear.settimeout(max(0.01, deadline_s - time.monotonic()))
            if word in self._ear.recv(65_536).decode().splitlines():
                return

    def starve(self) -> None:
        """Wait until the watchdog is due; kill the main process only, and start it anew."""
        assert self.words["WatchdogSignal"] == "SIGKILL"
        assert self.words["KillMode"] == "process"
        self._ear.settimeout(WATCHDOG_S)
        try:
            while True:
                self._ear.recv(65_536)
        except TimeoutError:
            self.system.process.kill()
        code = self.system.process.wait(timeout=10)
        assert self.words["Restart"] == "on-failure"
        assert str(code) not in self.words["RestartPreventExitStatus"].split()
        self.system.process = self._start()


@pytest.mark.slow
def test_systemd_when_guardian_and_supervisor_hang_then_its_watchdog_starts_the_cure(
    tmp_path: Path,
) -> None:
    """Nobody below could see it: a new guardian guards one supervisor, and the service goes on."""
    address = str(tmp_path / "n")
    if len(address) > 100:
        pytest.fail("the folder of the test is too deep for a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address)
        unit = Unit(tmp_path, ear, address)
        system = unit.system
        try:
            unit.wait_for("READY=1", 20)
            system.wait_ok(20)
            guardian, web = system.process.pid, system.pid("web")
            os.kill(system.supervisor_pid(), signal.SIGSTOP)
            os.kill(guardian, signal.SIGSTOP)

            unit.starve()
            unit.wait_for("READY=1", 40)

            system.wait_for("web", timeout_s=20, status="OK", pid=web, restarts=0)
            assert not is_alive(guardian)
            # The kernel wakes whoever stands still when his group loses its last parent.
            assert len(own_pids_with(f"STATE_DIR={system.state}", "SHT_LATER=")) == 1
            wait_until(lambda: guardian_of(system) == system.process.pid, 20, "a new guardian")
            system.process.send_signal(signal.SIGTERM)
            assert system.process.wait(timeout=20) == 0
            assert own_pids_with(f"STATE_DIR={system.state}") == []
        finally:
            end_everything(system)


def test_unit_when_read_then_it_says_what_the_supervisor_relies_on() -> None:
    """Who beats is not the main process, and services must outlive a killed guardian."""
    words = unit_words("Service")

    assert (words["Type"], words["NotifyAccess"]) == ("notify", "all")
    assert words["KillMode"] == "process"
    assert words["RestartPreventExitStatus"].split() == ["1", "2", "69", "73", "76", "78"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_unit_when_systemd_verifies_it_then_it_has_no_complaint(tmp_path: Path) -> None:
    """By the program that reads it on a server."""
    unit = tmp_path / "trader.service"
    unit.write_text(unit_text().replace("%h/trader", str(ROOT)), "utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
