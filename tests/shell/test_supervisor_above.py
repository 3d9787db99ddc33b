"""Who stands above on a server: systemd, as one that listens like it, and supervisord for real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from services.supervisor.own_files import GUARDIAN, read_pid_file
from tests.support.supervised import (
    Actor,
    Supervised,
    end_everything,
    own_pids_with,
    settings_below,
    supervised,
    write_table,
)
from tests.support.system import ROOT, clean_environment
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SUPERVISORD = Path(sys.executable).with_name("supervisord")
HEAR_S = 20.0


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """Bind a socket as systemd does, below the kernel's limit of a path."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear,
    ):
        address = f"{folder}/systemd.sock"
        ear.bind(address)
        ear.settimeout(HEAR_S)
        yield ear, address


def heard_until(ear: socket.socket, wanted: str) -> str:
    """Return all that was said up to the datagram that holds the wanted words."""
    said = ""
    while wanted not in said:
        said += ear.recv(65_536).decode() + "\n"
    return said


def test_systemd_when_above_then_it_hears_ready_status_watchdog_and_stopping(
    tmp_path: Path,
) -> None:
    """The supervisor's own loop says it, and no service is given systemd's socket."""
    script = f"open({str(tmp_path / 'given')!r}, 'w').write(os.environ['NOTIFY_SOCKET']); serve()"
    with listening() as (ear, address):
        above = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"}
        with supervised(tmp_path, {"web": Actor(script)}, **above) as system:
            assert "READY=1" in heard_until(ear, "STATUS=OK: All critical services are OK.")
            assert "WATCHDOG=1" in heard_until(ear, "WATCHDOG=1")
            given = (tmp_path / "given").read_text("utf-8")
            assert given not in ("", address)

            assert system.stop() == 0

            assert "EXTEND_TIMEOUT_USEC=" in heard_until(ear, "STOPPING=1")


def test_systemd_when_the_supervisor_hangs_then_the_watchdog_hears_nothing(tmp_path: Path) -> None:
    """A beat that a timer or a thread could send would prove nothing."""
    with listening() as (ear, address):
        above = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"}
        with supervised(tmp_path, {"web": Actor()}, **above) as system:
            heard_until(ear, "STATUS=OK: All critical services are OK.")
            supervisor = system.supervisor_pid()

            os.kill(supervisor, signal.SIGSTOP)
            ear.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    ear.recv(65_536)  # what was said before it stood still
            ear.settimeout(2.5)
            with pytest.raises(TimeoutError):
                ear.recv(65_536)

            os.kill(supervisor, signal.SIGCONT)
            ear.settimeout(HEAR_S)
            heard_until(ear, "WATCHDOG=1")


def test_systemd_when_a_new_guardian_takes_over_then_ready_is_said_to_it_too(
    tmp_path: Path,
) -> None:
    """systemd waits for READY of each start; a supervisor that was ready before says it again."""
    with listening() as (ear, address):
        above = {"NOTIFY_SOCKET": address}
        with supervised(tmp_path, {"web": Actor()}, **above) as system:
            heard_until(ear, "STATUS=OK: All critical services are OK.")
            system.process.kill()
            system.process.wait(timeout=10)
            with supervised(tmp_path, {"web": Actor()}, **above) as again:
                wait_until(lambda: guardian_of(again) == again.process.pid, 10, "a new guardian")
                ear.setblocking(False)
                with suppress(BlockingIOError):
                    while True:
                        ear.recv(65_536)  # what was said before
                ear.settimeout(HEAR_S)

                assert "READY=1" in heard_until(ear, "STATUS=OK")


@contextmanager
def below_supervisord(base: Path, actors: dict[str, Actor]) -> Iterator[Supervised]:
    """Run scripted services below the shipped supervisor.conf; always end all of it."""
    settings = settings_below(base)
    table = write_table(base, actors)
    shipped = (ROOT / "supervisor.conf").read_text("utf-8")
    command = "deploy_supervisor.py run"
    assert command in shipped
    configuration = base / "supervisor.conf"
    configuration.write_text(shipped.replace(command, f"{command} --services {table}"), "utf-8")
    for name in (".venv", "deploy_supervisor.py"):
        (base / name).symlink_to(ROOT / name)
    (base / "logs").mkdir()
    process = subprocess.Popen(
        [str(SUPERVISORD), "-n", "-c", str(configuration)],
        cwd=base,
        env=clean_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    system = Supervised(base, process, settings)
    try:
        yield system
    finally:
        end_everything(system)


def guardian_of(system: Supervised) -> int:
    """Return the living guardian, 0 while there is none."""
    found = read_pid_file(system.state / "run", GUARDIAN)
    if found is None:
        return 0
    found.close()
    return found.pid


def test_supervisord_when_the_guardian_is_killed_then_a_new_one_adopts(tmp_path: Path) -> None:
    """Supervisor and services keep their pids; nothing is there twice."""
    with below_supervisord(tmp_path, {"web": Actor()}) as system:
        system.wait_ok(30)
        guardian, supervisor, web = guardian_of(system), system.supervisor_pid(), system.pid("web")

        os.kill(guardian, signal.SIGKILL)

        wait_until(lambda: guardian_of(system) not in (0, guardian), 20, "a new guardian")
        assert (system.supervisor_pid(), system.pid("web")) == (supervisor, web)
        assert own_pids_with(f"STATE_DIR={system.state}", "SHT_SERVICE=web") == [web]
        assert system.stop() == 0
        assert own_pids_with(f"STATE_DIR={system.state}") == []
        assert system.health()["code"] == "STOPPED"


def test_supervisord_when_a_person_must_mend_it_then_it_is_not_repeated(tmp_path: Path) -> None:
    """78 is an agreed end: one start, no second."""
    with below_supervisord(tmp_path, {"web": Actor(row="nonsense = 1")}) as system:
        log = tmp_path / "logs" / "supervisord.log"
        wait_until(lambda: log.exists() and "exited: trader" in log.read_text(), 30, "its end")

        assert "exit status 78; expected" in log.read_text("utf-8")
        assert system.stop() == 0
        assert log.read_text("utf-8").count("spawned: 'trader'") == 1
