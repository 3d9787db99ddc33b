"""A crash becomes a cure: restarts, parks, watchdog, helpers, on real processes."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.supervised import Actor, is_alive, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration


def test_service_when_killed_then_it_is_back_and_the_incident_tells_it(tmp_path: Path) -> None:
    """SIGKILL is answered by a restart at once, counted, recorded, and OK again."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        former = system.pid("web")

        os.kill(former, signal.SIGKILL)

        found = system.wait_for("web", status="OK", restarts=1)
        assert found["pid"] != former
        assert found["failures_in_window"] == 1
        assert found["last_exit"]["signal"] == signal.SIGKILL
        assert found["last_exit"]["class"] == "UNCLASSIFIED"
        incident = system.health()["incidents"][-1]
        assert (incident["from"], incident["to"]) == ("OK", "DEGRADED")
        assert incident["recovered_after_s"] is not None
        steps = [line["event"] for line in system.incidents("web")]
        assert steps == ["DETECT", "CLASSIFY", "RESPOND", "RECOVER"]


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(78, "FAILED_CONFIG"), (76, "FAILED_API_SCHEMA"), (77, "FAILED_RISK")],
)
def test_service_when_it_exits_hopeless_then_it_is_parked_without_a_restart(
    tmp_path: Path, code: int, verdict: str
) -> None:
    """CONFIG, SCHEMA and RISK park at once; the others stay up and the verdict names it."""
    actors = {"web": Actor(f"sys.exit({code})"), "page": Actor(row="critical = false")}
    with supervised(tmp_path, actors) as system:
        found = system.wait_for("web", phase="parked")
        system.wait_for("page", status="OK")

        assert found["restarts"] == 0
        assert system.health()["code"] == verdict
        assert system.health()["overall"] == "FAILED"
        tally = json.loads((system.state / "restart_tally.json").read_text("utf-8"))
        assert tally["services"]["web"]["parked"]["exit_class"] in verdict.replace("API_", "")


def test_service_when_it_loops_then_it_is_parked_after_n_deaths(tmp_path: Path) -> None:
    """Three deaths with N=3 give two restarts and a park."""
    row = "critical = true\nmax_failures = 3\nbackoff_base_s = 0.05"
    with supervised(tmp_path, {"web": Actor("sys.exit(1)", row)}) as system:
        found = system.wait_for("web", phase="parked")

        assert found["restarts"] == 2
        assert found["failures_in_window"] == 3
        assert "3 times" in found["reason"]


def test_service_when_it_loops_slowly_then_the_window_still_counts(tmp_path: Path) -> None:
    """A service that says READY and dies a moment later cannot hide from the window."""
    row = "critical = true\nmax_failures = 3\nbackoff_base_s = 0.05\nstable_s = 0.2"
    with supervised(tmp_path, {"web": Actor("serve(seconds=0.5)", row)}) as system:
        found = system.wait_for("web", phase="parked", timeout_s=15)

        assert found["restarts"] == 2


def test_service_when_released_then_it_runs_again_with_a_new_budget(tmp_path: Path) -> None:
    """`release` lets a parked service run; a human decided, so its deaths are forgotten."""
    flag = tmp_path / "mended"
    script = f"\nif not os.path.exists({str(flag)!r}): sys.exit(78)\nserve()"
    with supervised(tmp_path, {"web": Actor(script)}) as system:
        system.wait_for("web", phase="parked")
        flag.touch()

        assert system.command("release", "web").code == 0

        found = system.wait_for("web", status="OK")
        assert found["failures_in_window"] == 0
        assert system.command("release", "web").code == 1


@pytest.mark.parametrize("hang", ["time.sleep(3600)", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_service_when_it_hangs_then_the_watchdog_kills_and_restarts_it(
    tmp_path: Path, hang: str
) -> None:
    """Silence after READY ends by the watchdog, with the stacks in the log."""
    once = tmp_path / "hung"
    script = (
        f"\nimport faulthandler; faulthandler.enable()"
        f"\nif not os.path.exists({str(once)!r}):"
        f"\n    open({str(once)!r}, 'w').close()"
        f"\n    serve(seconds=0.3)"
        f"\n    {hang}"
        f"\nserve()"
    )
    row = "critical = true\nbeat_s = 0.1\nwatchdog_s = 0.8"
    with supervised(tmp_path, {"web": Actor(script, row)}) as system:
        system.wait_for("web", restarts=1, status="OK")

        assert "no beat for" in json.dumps(system.incidents("web"))
        assert "Current thread" in (system.logs / "web.out").read_text("utf-8")


def test_service_when_it_hangs_before_ready_then_it_is_restarted(tmp_path: Path) -> None:
    """A start that never becomes READY is FAILED after its time, then killed."""
    once = tmp_path / "hung"
    script = (
        f"\nif not os.path.exists({str(once)!r}):"
        f"\n    open({str(once)!r}, 'w').close()"
        f"\n    time.sleep(3600)"
        f"\nserve()"
    )
    row = "critical = true\nready_s = 0.5\nbeat_s = 0.1\nwatchdog_s = 0.4"
    with supervised(tmp_path, {"web": Actor(script, row)}) as system:
        found = system.wait_for("web", restarts=1, status="OK")

        assert found["last_exit"]["signal"] in (signal.SIGABRT, signal.SIGKILL)


def test_service_when_late_then_degraded_then_failed_before_the_watchdog(tmp_path: Path) -> None:
    """1.5 intervals of silence are DEGRADED, three are FAILED."""
    script = "serve(seconds=0.5); time.sleep(3600)"
    row = "critical = true\nbeat_s = 0.4\nwatchdog_s = 30"
    with supervised(tmp_path, {"web": Actor(script, row)}) as system:
        system.wait_ok()
        system.wait_for("web", status="DEGRADED", reason="beat is late")
        system.wait_for("web", status="FAILED")

        assert system.health()["code"] == "FAILED"
        late, failed = system.health()["incidents"]
        # Told in rounded seconds.
        assert 0.6 <= late["detected_after_s"] < failed["detected_after_s"]


def test_helpers_when_their_service_dies_then_they_die_too(tmp_path: Path) -> None:
    """A helper in a session of its own is found by its cookie."""
    note = tmp_path / "helper"
    script = (
        "\nimport subprocess"
        "\nhelper = subprocess.Popen(['sleep', '1000'], start_new_session=True)"
        f"\nopen({str(note)!r}, 'w').write(str(helper.pid))"
        "\nserve()"
    )
    with supervised(tmp_path, {"web": Actor(script)}) as system:
        system.wait_ok()
        helper = int(note.read_text("utf-8"))

        os.kill(system.pid("web"), signal.SIGKILL)

        wait_until(lambda: not is_alive(helper), 5, "the helper ends")
        system.wait_for("web", status="OK", restarts=1)


def test_program_when_missing_then_its_service_is_parked_as_config(tmp_path: Path) -> None:
    """A command that does not exist is a fault of the configuration, not of the moment."""
    table = "critical = false"
    with supervised(tmp_path, {"web": Actor(row=table)}) as system:
        system.wait_for("web", status="OK")
        file = tmp_path / "services.toml"
        text = file.read_text("utf-8") + '\n[service.ghost]\ncommand = ["no-such-program"]\n'
        file.write_text(text, "utf-8")
        kept = system.pid("web")

        system.process.send_signal(signal.SIGHUP)

        found = system.wait_for("ghost", phase="parked")
        assert "no-such-program" in found["reason"]
        assert found["last_exit"]["class"] == "CONFIG"
        assert system.pid("web") == kept


def test_needs_when_parked_then_the_dependant_is_blocked_and_burns_no_budget(
    tmp_path: Path,
) -> None:
    """A service whose need is parked waits, FAILED, without a single start."""
    actors = {
        "base": Actor("sys.exit(78)"),
        "top": Actor(row='critical = true\nneeds = ["base"]'),
    }
    with supervised(tmp_path, actors) as system:
        system.wait_for("base", phase="parked")
        found = system.wait_for("top", status="FAILED")

        assert "blocked" in found["reason"]
        assert found["pid"] is None
        assert found["failures_in_window"] == 0


def test_needs_when_slow_then_the_dependant_starts_after_ready(tmp_path: Path) -> None:
    """`needs` waits for READY, not for the process."""
    actors = {
        "top": Actor(row='critical = true\nneeds = ["base"]'),
        "base": Actor("time.sleep(0.6); serve()"),
    }
    with supervised(tmp_path, actors) as system:
        waiting = system.wait_for("top", phase="starting", pid=None)
        assert "waits until base" in waiting["reason"]

        system.wait_ok()

        assert system.service("top")["started_at"] > system.service("base")["started_at"]


def test_services_when_everybody_was_held_then_nobody_is_taken_for_hung(tmp_path: Path) -> None:
    """A paused machine or a stopped supervisor hears nothing; that silence is its own."""
    patient = Actor(row="critical = true\nbeat_s = 0.2\nwatchdog_s = 1.0")
    with supervised(tmp_path, {"web": patient, "page": patient}) as system:
        system.wait_ok()
        web, page, supervisor = system.pid("web"), system.pid("page"), system.supervisor_pid()
        everybody = (system.process.pid, supervisor, web, page)
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(3.0)
        os.kill(supervisor, signal.SIGCONT)
        threading.Event().wait(0.4)
        for pid in (web, system.process.pid):
            os.kill(pid, signal.SIGCONT)

        # One that hangs after all is found out in the usual time.
        system.wait_for("page", restarts=1)
        system.wait_ok()
        assert system.pid("web") == web
        assert system.service("web")["restarts"] == 0
        assert system.supervisor_pid() == supervisor
