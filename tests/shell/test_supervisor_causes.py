"""Cause → verdict, on real processes with a table of their own: tiny programs that go wrong.

Where each row of the table stands (files beside this one, test_supervisor_*.py):

fails at once                        restart: loops → parked after N
fails after 1.3 s                    here; as often as it says READY before it
fails after 20 s                     here, slow tier; restart: with a shorter stable life
hangs before READY, after READY      restart: two tests, SIGSTOP among them
hangs while stopping                 here
ignores SIGTERM                      life: killed after its stop time
daemonises (double fork, setsid)     here
floods the socket                    here as a whole; notify: turn by turn
garbage, foreign uid, 1 MB datagrams here as a whole; notify: dropped and counted (foreign: as root)
exits 76, 77, 78 before READY        restart: parked at once
exits 0, 75, 76, 77, 78 after READY, here
  0 and 75 before READY
eats memory                          here
binary missing                       restart; not executable, a folder, no program: here
helpers left by a killed service     here; restart: one in a session of its own
helpers left while nobody supervises causes_above
talks on stdout while we die         causes_above
disk full                            causes_above, on a real full disk as root; faults: any user,
                                     by a limit on the size of files
wall clock jumps a day               causes_above, by an injected clock
STATE_DIR of 200 characters          control
hang of the supervisor               causes_guardian; its death: life
death of the guardian                causes_guardian; under supervisord, and everybody in turn, two
                                     at once, the whole tree: tests/kill
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.supervised import Actor, Supervised, is_alive, own_pids_with, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

QUICK = "backoff_base_s = 0.05\nbackoff_cap_s = 0.1"
LOOPS = f"critical = true\nmax_failures = 3\n{QUICK}"
DAEMON = """
def daemonise():
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
"""


def copies_of(system: Supervised, name: str) -> list[int]:
    """Return every process that carries the name of a service of this state folder."""
    return own_pids_with(f"SHT_SERVICE={name}\0", f"STATE_DIR={system.state}\0")


@pytest.mark.parametrize("script", ["time.sleep(1.3); sys.exit(1)", "serve(seconds=1.3)"])
def test_service_when_it_dies_after_1300_ms_then_it_is_parked_like_any_other(
    tmp_path: Path, script: str
) -> None:
    """The slow loop that others restart for ever: N counts deaths, not how long a life was."""
    with supervised(tmp_path, {"web": Actor(script, LOOPS)}) as system:
        found = system.wait_for("web", phase="parked", timeout_s=20)

        assert (found["restarts"], found["failures_in_window"]) == (2, 3)
        assert found["last_exit"]["uptime_s"] >= 1.3


@pytest.mark.slow
def test_service_when_it_dies_after_20_s_then_it_is_parked_all_the_same(tmp_path: Path) -> None:
    """A stable life resets the backoff, never the window."""
    row = f"critical = true\nmax_failures = 2\nstable_s = 5.0\n{QUICK}"
    with supervised(tmp_path, {"web": Actor("serve(seconds=20)", row)}) as system:
        found = system.wait_for("web", phase="parked", timeout_s=60)

        assert (found["restarts"], found["failures_in_window"]) == (1, 2)
        assert found["last_exit"]["uptime_s"] >= 20


@pytest.mark.parametrize("ready", ["", "serve(seconds=0.3)\n"], ids=["before", "after"])
@pytest.mark.parametrize(("code", "verdict"), [(0, "UNCLASSIFIED"), (75, "TRANSIENT")])
def test_service_when_it_exits_curable_then_it_is_restarted_until_n(
    tmp_path: Path, ready: str, code: int, verdict: str
) -> None:
    """75 and an unasked 0 are answered by restarts, READY or not, and count."""
    with supervised(tmp_path, {"web": Actor(f"{ready}sys.exit({code})", LOOPS)}) as system:
        found = system.wait_for("web", phase="parked", timeout_s=15)

        assert found["restarts"] == 2
        assert (found["last_exit"]["code"], found["last_exit"]["class"]) == (code, verdict)
        assert system.health()["code"] == "FAILED"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(76, "FAILED_API_SCHEMA"), (77, "FAILED_RISK"), (78, "FAILED_CONFIG")],
)
def test_service_when_it_exits_hopeless_after_ready_then_it_is_parked_without_a_restart(
    tmp_path: Path, code: int, verdict: str
) -> None:
    """What no restart can cure is parked at once, however well the process began."""
    with supervised(tmp_path, {"web": Actor(f"serve(seconds=0.3)\nsys.exit({code})")}) as system:
        found = system.wait_for("web", phase="parked")

        assert found["restarts"] == 0
        assert system.health()["code"] == verdict


@pytest.mark.parametrize("hang", ["time.sleep(3600)", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_service_when_it_hangs_while_stopping_then_it_is_killed_and_runs_again(
    tmp_path: Path, hang: str
) -> None:
    """An end that never comes is made after the stop time, and it is no death that counts."""
    script = f"\nsignal.signal(signal.SIGTERM, lambda *_: {hang})\nserve()"
    row = "critical = true\nstop_s = 0.5"
    with supervised(tmp_path, {"web": Actor(script, row)}) as system:
        system.wait_ok()
        former = system.pid("web")

        assert system.command("restart", "web").code == 0

        found = system.wait_for("web", status="OK")
        assert found["pid"] != former
        assert not is_alive(former)
        assert found["failures_in_window"] == 0


def test_service_when_it_daemonises_then_it_counts_as_dead_and_no_daemon_is_left(
    tmp_path: Path,
) -> None:
    """Who leaves its supervisor by a double fork is neither believed nor left behind."""
    actor = Actor(f"{DAEMON}\ndaemonise()\ntime.sleep(3600)", LOOPS)
    with supervised(tmp_path, {"web": actor}) as system:
        found = system.wait_for("web", phase="parked", timeout_s=15)

        assert (found["last_exit"]["code"], found["restarts"]) == (0, 2)
        wait_until(lambda: copies_of(system, "web") == [], 5, "daemons")


HELPERS = f"""{DAEMON}
import subprocess
subprocess.Popen(['sleep', '1000'])
subprocess.Popen(['sleep', '1001'], start_new_session=True)
if os.fork() == 0:
    daemonise()
    os.execvp('sleep', ['sleep', '1002'])
serve()
"""


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_helpers_when_their_service_ends_then_none_is_left(tmp_path: Path, end: str) -> None:
    """Same group, a session of their own, a daemon: all are found by their cookie."""
    with supervised(tmp_path, {"web": Actor(HELPERS)}) as system:
        system.wait_ok()
        wait_until(lambda: len(copies_of(system, "web")) == 4, 5, "three helpers")
        former = set(copies_of(system, "web"))

        if end == "killed":
            os.kill(system.pid("web"), signal.SIGKILL)
            system.wait_for("web", status="OK", restarts=1)
        else:
            assert system.stop() == 0

        wait_until(lambda: not any(is_alive(pid) for pid in former), 5, "helpers")


NOISE = {
    "flood": "b'WATCHDOG=1'",
    "garbage": "os.urandom(500)",
    "a megabyte": "b'READY=1\\n' + b'x' * 1_000_000",
    "forged": "b'MAINPID=1\\nSTOPPING=1\\nX_HEALTH=OK\\nX_PROGRESS=' + b'9' * 400",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_service_when_it_floods_its_socket_then_its_neighbour_is_none_the_worse(
    tmp_path: Path, noise: str
) -> None:
    """Whatever is shouted into one socket, the others are heard and the supervisor lives."""
    shout = f"""
talk.setblocking(False)
talk.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
end = time.monotonic() + 3
say('READY=1')
while time.monotonic() < end:
    try:
        talk.sendto({noise}, os.environ['NOTIFY_SOCKET'])
    except OSError:
        pass
talk.setblocking(True)
serve()
"""
    actors = {"web": Actor(), "noisy": Actor(shout, "critical = false\nwatchdog_s = 20.0")}
    with supervised(tmp_path, actors) as system:
        system.wait_for("noisy", phase="running")
        system.wait_ok()
        supervisor = system.supervisor_pid()

        wait_until(lambda: 0 < (system.service("noisy")["progress"] or 0) < 10**6, 15, "words")

        assert system.service("web")["status"] == "OK"
        assert system.service("web")["restarts"] == 0
        assert "web" not in [told["service"] for told in system.health()["incidents"]]
        assert system.supervisor_pid() == supervisor


def test_service_when_it_eats_memory_then_it_is_renewed_and_that_counts(tmp_path: Path) -> None:
    """Above its ceiling it is asked to end, and comes back small: a planned restart is a death."""
    once = tmp_path / "eaten"
    script = (
        f"\nif not os.path.exists({str(once)!r}):"
        f"\n    open({str(once)!r}, 'w').close()"
        "\n    fat = bytearray(b'x' * 80_000_000)"
        "\nserve()"
    )
    row = "critical = true\nmemory_max_mb = 50"
    with supervised(tmp_path, {"web": Actor(script, row)}) as system:
        found = system.wait_for("web", restarts=1, status="OK")

        assert found["failures_in_window"] == 1
        assert "memory above its ceiling" in json.dumps(system.incidents("web"))
        assert found["last_exit"]["signal"] == signal.SIGTERM


def no_permission(path: Path) -> None:
    """A program that nobody may execute."""
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o644)


def no_program(path: Path) -> None:
    """An executable file that is no program."""
    path.write_bytes(b"\x7fNOT\0" * 10)
    path.chmod(0o755)


def no_interpreter(path: Path) -> None:
    """A script whose interpreter does not exist."""
    path.write_text("#!/no/such/interpreter\n", "utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize("make", [no_permission, no_program, no_interpreter, Path.mkdir])
def test_program_when_it_cannot_be_executed_then_its_service_is_parked_as_config(
    tmp_path: Path, make: object
) -> None:
    """What is no program today is none after ten restarts either; the reason names it."""
    program = tmp_path / "program"
    assert callable(make)
    make(program)
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        table = tmp_path / "services.toml"
        ghost = f"\n[service.ghost]\ncommand = [{json.dumps(str(program))}]\nnotify = false\n"
        table.write_text(table.read_text("utf-8") + ghost, "utf-8")

        system.process.send_signal(signal.SIGHUP)

        found = system.wait_for("ghost", phase="parked")
        assert str(program) in found["reason"]
        assert (found["restarts"], found["last_exit"]["class"]) == (0, "CONFIG")
        assert system.service("web")["restarts"] == 0
