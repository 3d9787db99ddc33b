"""The supervisor's own life: second instance, clean end, its death, adoption, commands."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.support.supervised import Actor, is_alive, own_pids_with, supervised
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PAIR = {"web": Actor(), "page": Actor(row='critical = false\nneeds = ["web"]')}


def test_instance_when_a_second_one_starts_then_69_names_the_holder(tmp_path: Path) -> None:
    """The second leaves with 69 and never touches the first one's health."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        second = system.command("run", "--services", str(tmp_path / "services.toml"))

        assert second.code == os.EX_UNAVAILABLE
        assert str(system.process.pid) in second.err
        assert system.health()["overall"] == "OK"
        assert system.process.poll() is None


def test_instance_when_a_faulty_second_one_starts_then_health_is_left_alone(
    tmp_path: Path,
) -> None:
    """A refused start writes FAILED_CONFIG only into a folder that nobody holds."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()

        second = system.command("run", "--mode", "nonsense")

        assert second.code == os.EX_CONFIG
        assert system.health()["overall"] == "OK"


def test_start_when_settings_are_wrong_then_health_says_failed_config(tmp_path: Path) -> None:
    """All faults on stderr, 78, and health.json says the same."""
    with supervised(tmp_path, PAIR, POSITION_LIMIT_PCT="5", SIM_SEED="x") as system:
        _, err = system.process.communicate(timeout=20)

        assert system.process.returncode == os.EX_CONFIG
        assert "POSITION_LIMIT_PCT" in err
        assert "SIM_SEED" in err
        assert system.health()["code"] == "FAILED_CONFIG"
        assert "POSITION_LIMIT_PCT" in system.health()["reason"]


def test_table_when_wrong_then_every_fault_is_named_and_nothing_starts(tmp_path: Path) -> None:
    """A broken service table is a fault of the configuration."""
    actors = {"web": Actor(row="critical = 1\nbeatz = 3"), "page": Actor(row='needs = ["moon"]')}
    with supervised(tmp_path, actors) as system:
        _, err = system.process.communicate(timeout=20)

        assert system.process.returncode == os.EX_CONFIG
        for word in ("critical", "beatz", "moon"):
            assert word in err
        assert not (system.logs / "web.out").exists()


def test_end_when_asked_then_reverse_order_stopped_and_nothing_left(tmp_path: Path) -> None:
    """SIGTERM stops dependants first, ends with 0 and STOPPED, and leaves no process."""
    note = tmp_path / "order"
    script = (
        "\ndef leave(*_):"
        f"\n    open({str(note)!r}, 'a').write(os.environ['SHT_SERVICE'] + ' ')"
        "\n    sys.exit(0)"
        "\nsignal.signal(signal.SIGTERM, leave)"
        "\nserve()"
    )
    actors = {
        "web": Actor(script),
        "page": Actor(script, 'critical = false\nneeds = ["web"]'),
    }
    with supervised(tmp_path, actors) as system:
        system.wait_ok()
        system.wait_for("page", status="OK")

        assert system.stop() == 0

        assert note.read_text("utf-8").split() == ["page", "web"]
        assert system.health()["code"] == "STOPPED"
        assert own_pids_with(f"STATE_DIR={system.state}") == []


def test_end_when_sigterm_is_ignored_then_it_is_killed_in_time(tmp_path: Path) -> None:
    """A service that ignores SIGTERM is killed after its stop time."""
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN); serve()"
    row = "critical = true\nstop_s = 0.5"
    with supervised(tmp_path, {"web": Actor(script, row)}) as system:
        system.wait_ok()
        pid = system.pid("web")

        assert system.stop() == 0

        assert not is_alive(pid)


def test_run_when_its_seconds_are_over_then_it_ends_and_judges_itself(tmp_path: Path) -> None:
    """0 only when OK was reached and kept; the time to OK is told."""
    with supervised(tmp_path, PAIR, SECONDS_TO_RUN="1.5") as system:
        out, _ = system.process.communicate(timeout=20)

        assert system.process.returncode == 0
        assert "OK after" in out
    bad = {"web": Actor("sys.exit(78)")}
    (tmp_path / "bad").mkdir()
    with supervised(tmp_path / "bad", bad, SECONDS_TO_RUN="1") as system:
        out, _ = system.process.communicate(timeout=20)

        assert system.process.returncode == 1
        assert "OK was never reached" in out


def test_supervisor_when_killed_then_it_is_back_and_the_services_keep_their_pids(
    tmp_path: Path,
) -> None:
    """The guardian starts a new supervisor, which adopts: same pids, no doubles, seq grows."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        system.wait_for("page", status="OK")
        before = system.health()
        pids = {name: system.pid(name) for name in PAIR}

        os.kill(system.supervisor_pid(), signal.SIGKILL)

        wait_until(
            lambda: (
                system.health()["supervisor"]["generation"] == 2
                and system.health()["overall"] == "OK"
            ),
            10,
            "a new supervisor says OK",
        )
        after = system.health()
        assert {name: system.pid(name) for name in PAIR} == pids
        assert all(service["adopted"] for service in after["services"].values())
        assert all(service["restarts"] == 0 for service in after["services"].values())
        assert after["seq"] > before["seq"]
        assert after["incidents"][-1]["service"] == "supervisor"
        assert len(own_pids_with("SHT_SERVICE=web\0", str(tmp_path))) == 1

        os.kill(pids["web"], signal.SIGKILL)

        found = system.wait_for("web", status="OK", restarts=1)
        assert found["last_exit"]["signal"] in (signal.SIGKILL, None)


def test_supervisor_when_killed_then_parked_stays_parked_and_deaths_are_kept(
    tmp_path: Path,
) -> None:
    """A crash of ours gives nobody a new budget."""
    actors = {
        "web": Actor("sys.exit(78)"),
        "page": Actor("serve(seconds=0.4)", "critical = false\nmax_failures = 50"),
    }
    with supervised(tmp_path, actors) as system:
        system.wait_for("web", phase="parked")
        wait_until(lambda: system.service("page")["failures_in_window"] >= 1, 10)
        counted = system.service("page")["failures_in_window"]

        os.kill(system.supervisor_pid(), signal.SIGKILL)

        wait_until(lambda: system.health()["supervisor"]["generation"] == 2, 10)
        assert system.service("web")["phase"] == "parked"
        assert system.service("web")["pid"] is None
        wait_until(lambda: system.service("page")["failures_in_window"] >= counted, 5)
        assert system.health()["code"] == "FAILED_CONFIG"


def test_service_when_it_dies_while_no_supervisor_lives_then_it_is_counted(
    tmp_path: Path,
) -> None:
    """A death that nobody saw counts like any other."""
    with supervised(tmp_path, {"web": Actor()}) as system:
        system.wait_ok()
        pid = system.pid("web")
        os.kill(system.process.pid, signal.SIGSTOP)
        try:
            os.kill(system.supervisor_pid(), signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
        finally:
            os.kill(system.process.pid, signal.SIGCONT)

        found = system.wait_for("web", status="OK", failures_in_window=1)

        assert found["pid"] != pid


def test_guardian_when_it_died_then_a_new_one_takes_the_supervisor_over(tmp_path: Path) -> None:
    """A second start on a folder with a living supervisor but no guardian becomes its guardian."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        supervisor, web = system.supervisor_pid(), system.pid("web")
        system.process.kill()
        system.process.wait(timeout=10)

        with supervised(tmp_path, PAIR) as again:
            wait_until(
                lambda: (
                    (tmp_path / "state/run/guardian.pid")
                    .read_text()
                    .startswith(f"{again.process.pid} ")
                ),
                10,
            )
            assert again.supervisor_pid() == supervisor
            assert again.pid("web") == web

            assert again.stop() == 0
            assert own_pids_with(f"STATE_DIR={again.state}") == []


def test_status_when_asked_then_code_and_text_tell_the_verdict(tmp_path: Path) -> None:
    """3 without a system, 0 while OK, 3 when parked or just stopped."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        status = system.command("status", "--json")

        assert status.code == 0
        assert json.loads(status.out)["standing"] == "fresh"
        assert "web" in system.command("status").out
        system.stop()
        assert system.command("status").code == 3
        (system.state / "health.json").unlink()
        assert system.command("status").code == 3
        (system.state / "health.json").write_text("{", "utf-8")
        assert system.command("status").code == 4


def test_stop_when_asked_by_command_then_everything_ends(tmp_path: Path) -> None:
    """`stop` waits until guardian and supervisor are gone; a second one finds nothing."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()

        assert system.command("stop").code == 0

        assert system.process.wait(timeout=5) == 0
        assert "nothing runs" in system.command("stop").out


def test_stop_when_no_supervisor_lives_then_services_are_ended_by_their_records(
    tmp_path: Path,
) -> None:
    """Guardian and supervisor dead: `stop` still ends what they left, and forgets the dead."""
    with supervised(tmp_path, PAIR) as system:
        system.wait_ok()
        system.wait_for("page", status="OK")
        pids = [system.pid(name) for name in PAIR]
        supervisor = system.supervisor_pid()
        system.process.kill()
        os.kill(supervisor, signal.SIGKILL)
        system.process.wait(timeout=10)
        os.kill(pids[1], signal.SIGKILL)
        wait_until(lambda: not is_alive(supervisor) and not is_alive(pids[1]), 5)

        assert system.command("stop").code == 0

        wait_until(lambda: not any(is_alive(pid) for pid in pids), 5)
        assert not any((system.state / "run" / f"{name}.pid").exists() for name in PAIR)
