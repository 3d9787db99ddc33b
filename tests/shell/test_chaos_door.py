"""The door: what `drill` and CHAOS_MODE may and may not, said by exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.catalogue import CATALOGUE, CONTROL
from chaos.cli import drill
from services.supervisor.locks import ProcessLock
from shared.clock import SystemClock
from tests.support.documents import health_bytes
from tests.support.system import deploy, read_json

pytestmark = pytest.mark.integration

KEYS = {"APCA_API_KEY_ID": "PKTESTTESTTEST", "APCA_API_SECRET_KEY": "s" * 40}


def test_drill_when_listed_then_every_row_is_shown(tmp_path: Path) -> None:
    """The list comes from the catalogue, the run without a fault first, and runs nothing."""
    done = deploy(tmp_path, "drill", "--list")

    assert done.code == 0
    named = [line.split()[0] for line in done.out.splitlines()[1:]]
    assert named == [CONTROL.name, *CATALOGUE]


@pytest.mark.parametrize("words", [("alpaca_dwn",), (), ("--random", "9", "bot_hang")])
def test_drill_when_none_or_an_unknown_one_is_named_then_it_is_refused(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Nothing is run, and nothing is written."""
    done = deploy(tmp_path, "drill", *words)

    assert done.code == 2
    assert "--list" in done.err
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    "words", [("--random", "nan"), ("--random", "-1"), ("control", "--repeat", "0")]
)
def test_drill_when_a_number_makes_no_sense_then_it_is_refused(words: tuple[str, ...]) -> None:
    """A run that would never end, or prove nothing, does not begin."""
    with pytest.raises(SystemExit) as ended:
        drill(words)

    assert ended.value.code == 2


def test_drill_when_another_run_goes_on_then_it_says_whose_and_touches_nothing(
    tmp_path: Path,
) -> None:
    """Two runs at once would judge each other's load, and sweep each other's systems."""
    reports = tmp_path / "logs" / "drills"
    reports.mkdir(parents=True)
    (reports / "current.json").write_text("theirs")
    lock = ProcessLock(reports / ".lock")
    lock.take("a run of drills")
    try:
        done = deploy(tmp_path, "drill", "control")
    finally:
        lock.release()

    assert done.code == 1
    assert f"Another run of drills goes on: a run of drills, pid {os.getpid()}" in done.err
    assert (reports / "current.json").read_text() == "theirs"


def test_drill_when_no_report_can_be_written_then_it_says_so_in_one_line(tmp_path: Path) -> None:
    """No traceback, and nothing is broken for a verdict that nobody could read."""
    (tmp_path / "logs").write_text("a file")

    done = deploy(tmp_path, "drill", "control")

    assert done.code == 1
    assert done.err.startswith("No reports can be written:")
    assert done.err.count("\n") == 1


def test_drill_when_the_copy_cannot_be_made_then_it_is_not_run_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    """A report all the same: what was not run is not passed."""
    (tmp_path / "state").mkdir()
    os.mkfifo(tmp_path / "state" / "odd")
    (tmp_path / "temporary").mkdir()

    done = deploy(tmp_path, "drill", "control", settings={"TMPDIR": str(tmp_path / "temporary")})

    assert done.code == 1
    (path,) = (tmp_path / "logs" / "drills").glob("2*/report.json")
    (found,) = read_json(path)["drills"]
    assert (found["verdict"], found["name"]) == ("NOT RUN", "control")
    assert "is a named pipe" in found["grounds"][0]
    assert not list((tmp_path / "temporary").glob("sht-drill-*"))
    assert not (tmp_path / "logs" / "drills" / "current.json").exists()


@pytest.mark.parametrize("mode", ["live_limited", "live"])
def test_run_when_chaos_is_asked_for_with_real_money_then_it_ends_with_78(
    tmp_path: Path, mode: str
) -> None:
    """Never with real money, confirmed or not."""
    settings = {**KEYS, "TRADING_MODE": mode, "CHAOS_MODE": "alpaca_down"}

    done = deploy(tmp_path, "run", "--confirm", settings=settings)

    assert done.code == os.EX_CONFIG
    assert f"CHAOS_MODE=alpaca_down: is refused in mode {mode}" in done.err


def test_run_when_a_fault_cannot_act_in_the_mode_then_it_ends_with_78(tmp_path: Path) -> None:
    """What only the embedded exchange can show is not promised on a real one."""
    settings = {**KEYS, "TRADING_MODE": "paper", "CHAOS_MODE": "alpaca_down,stale_data"}

    done = deploy(tmp_path, "run", settings=settings)

    assert done.code == os.EX_CONFIG
    assert "stale_data acts in the embedded exchange, not in mode paper" in done.err
    assert read_json(tmp_path / "state" / "health.json")["code"] == "FAILED_CONFIG"


def test_status_when_chaos_is_on_then_it_says_so(tmp_path: Path) -> None:
    """Nobody takes a drill for an accident."""
    clock = SystemClock()
    fresh = {"boot_id": clock.boot_id(), "boottime_s": clock.boottime_s()}
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "health.json"
    path.write_bytes(health_bytes(**fresh, chaos_mode="alpaca_down"))
    assert "CHAOS: alpaca_down breaks this system on purpose" in deploy(tmp_path, "status").out

    path.write_bytes(health_bytes(**fresh))
    assert "CHAOS" not in deploy(tmp_path, "status").out


def test_help_when_asked_for_then_it_names_drill(tmp_path: Path) -> None:
    """Who looks for the drills finds them."""
    assert "drill" in deploy(tmp_path, "--help").out
