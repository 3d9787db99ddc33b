"""The control socket: the stock supervisorctl, our own client, garbage, a very deep folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.supervisor.control import CLIENTS_MAX
from shared.commands.control_client import ControlClient, ControlRefused
from shared.config.paths import StatePaths
from tests.support.supervised import Actor, Supervised, supervised
from tests.support.system import log_lines
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PAIR = {"web": Actor(), "page": Actor(row='critical = false\nneeds = ["web"]')}
SUPERVISORCTL = [sys.executable, "-m", "supervisor.supervisorctl"]


def ctl(system: Supervised, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the stock client of the supervisor package against the running system."""
    url = f"unix://{StatePaths(system.state).supervisor_socket}"
    return subprocess.run(
        [*SUPERVISORCTL, "-s", url, *words],
        cwd=system.base,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_supervisorctl_when_used_then_the_stock_client_works(tmp_path: Path) -> None:
    """status, stop, start, restart, pid, tail, signal, version, avail and clear."""
    actors = {"web": Actor("print('hello from web', flush=True); serve()"), "page": PAIR["page"]}
    with supervised(tmp_path, actors) as system:
        system.wait_ok()
        system.wait_for("page", status="OK")

        status = ctl(system, "status")
        assert status.returncode == 0, status.stdout + status.stderr
        assert "RUNNING" in status.stdout
        assert ctl(system, "pid", "web").stdout.strip() == str(system.pid("web"))
        assert ctl(system, "pid").stdout.strip() == str(system.supervisor_pid())
        assert "hello from web" in ctl(system, "tail", "web").stdout
        assert "web: stopped" in ctl(system, "stop", "web").stdout
        assert ctl(system, "status", "web").returncode == 3
        assert system.service("web")["status"] == "FAILED"
        assert "web: started" in ctl(system, "start", "web").stdout
        former = system.pid("web")
        assert "web: started" in ctl(system, "restart", "web").stdout
        system.wait_for("web", status="OK", restarts=0)
        assert system.pid("web") != former
        assert "signalled" in ctl(system, "signal", "CONT", "web").stdout
        assert ctl(system, "version").stdout.strip() == "0.1.0"
        assert "in use" in ctl(system, "avail").stdout
        assert "web: cleared" in ctl(system, "clear", "web").stdout
        assert (system.logs / "web.out.1").exists()
        assert ctl(system, "start", "moon").returncode != 0
        socket_mode = StatePaths(system.state).supervisor_socket.stat().st_mode & 0o777
        assert socket_mode == 0o600


def test_supervisorctl_when_asked_for_the_rest_then_it_answers_in_words(tmp_path: Path) -> None:
    """Groups, open, update NAME, and what is not served: an answer each, and nobody is hurt."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        system.wait_for("page", status="OK")
        web, url = system.pid("web"), f"unix://{StatePaths(system.state).supervisor_socket}"

        assert "web" in ctl(system, "open", url).stdout
        assert "no such file" in ctl(system, "open", "unix:///nowhere.sock").stdout
        assert ctl(system, "update", "web").returncode == 0
        assert "no such group" in ctl(system, "update", "nobody").stdout
        reload = ctl(system, "reload")
        assert (reload.returncode, "`update` applies the table" in reload.stdout) == (1, True)
        # What the client's `fg` types into; the client itself then waits for the log without end.
        with pytest.raises(ControlRefused, match="reads no input"):
            ControlClient(StatePaths(system.state)).call(
                "supervisor.sendProcessStdin", "web", "hello"
            )
        assert system.pid("web") == web
        assert "web: stopped" in ctl(system, "stop", "web:*").stdout
        assert "no such group" in ctl(system, "stop", "nobody:*").stdout
        assert "web: started" in ctl(system, "start", "web:*").stdout
        assert "Shut down" in ctl(system, "shutdown").stdout
        assert system.process.wait(timeout=20) == 0


def test_supervisorctl_when_the_table_changes_then_update_applies_only_that(
    tmp_path: Path,
) -> None:
    """reread tells, update applies; who did not change keeps running."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        system.wait_for("page", status="OK")
        web, page = system.pid("web"), system.pid("page")
        table = tmp_path / "services.toml"
        text = table.read_text("utf-8").replace(
            "[service.page]", '[service.page]\nenvironment = { COLOUR = "red" }'
        )
        table.write_text(text, "utf-8")

        assert "page: changed" in ctl(system, "reread").stdout
        assert "page: updated" in ctl(system, "update").stdout

        wait_until(lambda: system.service("page").get("status") == "OK", 10)
        assert system.pid("page") != page
        assert system.pid("web") == web
        # The client stops a changed service before it starts it; nobody wished it to stay down.
        supervisor = system.supervisor_pid()
        os.kill(supervisor, signal.SIGKILL)
        os.kill(system.pid("page"), signal.SIGKILL)
        wait_until(lambda: system.supervisor_pid() != supervisor, 15, "a new supervisor")
        system.wait_for("page", status="OK", failures_in_window=1)


def test_control_when_garbage_comes_then_it_is_refused_and_the_system_lives(
    tmp_path: Path,
) -> None:
    """Unknown methods, wrong arguments and no HTTP at all cost a client its answer, no more."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        state = StatePaths(system.state)
        client = ControlClient(state)
        for method, arguments in (
            ("supervisor.nonsense", ()),
            ("supervisor.startProcess", ("moon",)),
            ("supervisor.startProcess", (1, 2, 3, 4)),
            ("supervisor.readProcessStdoutLog", ("web", "x", "y")),
        ):
            with pytest.raises(ControlRefused):
                client.call(method, *arguments)
        for garbage in (
            b"\0\1\2\r\n\r\n",
            b"POST /RPC2 HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        ):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(state.supervisor_socket))
                raw.sendall(garbage)
                assert b"400" in raw.recv(1000)

        assert client.is_alive()
        assert system.health()["overall"] == "OK"


def test_state_folder_when_very_deep_then_sockets_still_work(tmp_path: Path) -> None:
    """STATE_DIR of 200 characters: sockets lie in a short private folder, clients find them."""
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    with supervised(deep, PAIR) as system:
        system.wait_ok()

        assert ControlClient(StatePaths(system.state)).is_alive()
        assert system.command("restart", "page").code == 0
        told = system.command("status").out.splitlines()[-1]
        words = told.removeprefix("Stock client: supervisorctl ").split()
        stock = subprocess.run(
            [*SUPERVISORCTL, *words], capture_output=True, text=True, timeout=30, check=False
        )
        assert "RUNNING" in stock.stdout, told + stock.stdout + stock.stderr
        short = (system.state / "run" / "supervisor.sock").readlink().parent
        assert system.stop() == 0
        assert not short.exists()


def test_control_when_callers_never_hang_up_then_others_are_served_and_services_restarted(
    tmp_path: Path,
) -> None:
    """The longest idle one is let go; what restarts need is never used up by callers."""
    with supervised(tmp_path, PAIR) as system, ExitStack() as callers:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")
        address = str(StatePaths(system.state).supervisor_socket.resolve())
        for _ in range(5 * CLIENTS_MAX):
            caller = callers.enter_context(socket.socket(socket.AF_UNIX))
            caller.connect(address)

        assert ControlClient(StatePaths(system.state)).is_alive()
        own = Path(f"/proc/{supervisor}/fd")
        wait_until(lambda: len(list(own.iterdir())) < 2 * CLIENTS_MAX, 10, "descriptors back")
        os.kill(web, signal.SIGKILL)
        system.wait_for("web", status="OK", restarts=1)
        assert system.supervisor_pid() == supervisor


def test_call_when_others_stand_in_line_then_it_waits_its_turn(tmp_path: Path) -> None:
    """A full line is no dead supervisor: the caller gets in once somebody is served."""
    state = StatePaths(tmp_path)
    state.supervisor_socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as door, ExitStack() as line:
        door.bind(str(state.supervisor_socket))
        door.listen(0)
        line.enter_context(socket.socket(socket.AF_UNIX)).connect(str(state.supervisor_socket))
        said: list[bool] = []
        caller = threading.Thread(target=lambda: said.append(ControlClient(state, 3).is_alive()))
        caller.start()
        # Whoever is refused at once is done by now; whoever waits is still there.
        caller.join(0.3)
        assert caller.is_alive()
        line.enter_context(door.accept()[0])
        served = line.enter_context(door.accept()[0])
        assert b"getState" in served.recv(65536)
        served.shutdown(socket.SHUT_RDWR)
        caller.join(5)
        assert said == [False]


def test_socket_when_somebody_removed_it_then_it_is_there_again(tmp_path: Path) -> None:
    """Without it no command would arrive, and no guardian would see a hang; in a deep folder a
    link leads to it, which can be removed as well.
    """
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with supervised(deep, {"web": Actor()}) as system:
        system.wait_ok()
        place, client = StatePaths(system.state).supervisor_socket, ControlClient
        place.readlink().unlink()
        place.unlink()

        wait_until(lambda: client(StatePaths(system.state)).is_alive(), 10, "an answer")

        assert place.stat().st_mode & 0o777 == 0o600
        events = [line["event"] for line in log_lines(system.logs / "supervisor.jsonl")]
        assert events.count("control_listens_again") == 1
