"""What a killed runner of drills leaves behind is swept by the next one, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chaos.throwaway import NOTE, ThrowAway, sweep
from services.supervisor.processes import start_ticks
from shared.errors import TransientFault
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]


def note(reports: Path, base: Path, pid: int, ticks: int | None) -> None:
    """Write what a runner writes when it has started its system."""
    told = {"base": str(base), "pid": pid, "start_ticks": ticks}
    (reports / NOTE).write_text(json.dumps(told), "utf-8")


def test_sweep_when_a_runner_was_killed_then_its_system_ends_and_its_copy_goes(
    tmp_path: Path,
) -> None:
    """Undo always, also after a kill of the runner."""
    base = tmp_path / "sht-drill-left"
    base.mkdir()
    process = subprocess.Popen(SLEEP)
    note(tmp_path, base, process.pid, start_ticks(process.pid))

    assert sweep(tmp_path) == str(base)

    assert process.wait(20) != 0
    assert not base.exists()
    assert sweep(tmp_path) is None


def test_sweep_when_the_pid_is_another_process_now_then_that_one_lives_on(tmp_path: Path) -> None:
    """A recycled pid is not ours, and a folder that is no copy is not removed."""
    base = tmp_path / "precious"
    base.mkdir()
    process = subprocess.Popen(SLEEP)
    note(tmp_path, base, process.pid, 1)
    try:
        assert sweep(tmp_path) == str(base)
        assert process.poll() is None
        assert base.exists()
    finally:
        process.kill()
        process.wait(20)


def test_sweep_when_the_runner_died_before_it_could_note_a_pid_then_its_system_ends_too(
    tmp_path: Path,
) -> None:
    """The copy is noted before anything is put into it; who runs there is known by its folder."""
    system = ThrowAway(tmp_path, "off")
    assert json.loads((tmp_path / NOTE).read_text())["base"] == str(system.base)
    configuration = system.base / "supervisor.conf"
    configuration.write_text(
        "[supervisord]\nlogfile=%(here)s/log\npidfile=%(here)s/pid\n"
        "[program:one]\ncommand=true\nautostart=false\n"
    )
    outer = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
        env={**os.environ, **system.settings},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until((system.base / "pid").exists, 20)

        assert sweep(tmp_path) == str(system.base)

        assert outer.wait(20) != 0
        assert not system.base.exists()
    finally:
        outer.kill()
        outer.wait(20)


def test_copy_when_it_cannot_be_noted_then_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no later run could sweep is not begun."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(TransientFault):
        ThrowAway(tmp_path / "missing", "off")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"base": 1}'])
def test_sweep_when_the_note_is_odd_then_nothing_is_swept(tmp_path: Path, text: str) -> None:
    """A torn note names nobody."""
    (tmp_path / NOTE).write_text(text, "utf-8")

    assert sweep(tmp_path) is None


def test_copy_when_made_then_it_leaves_out_other_processes_places_and_the_stop(
    tmp_path: Path,
) -> None:
    """State and logs come along; locks, commands, an operator's stop and old drills do not."""
    state, logs = tmp_path / "state", tmp_path / "logs"
    for name in ("state/run/guardian.pid", "state/commands/x.json", "logs/drills/history.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("theirs")
    for name in ("trading_state.json", "emergency_stop", "health.json", "trading.lock"):
        (state / name).write_text("ours")
    (logs / "orders.jsonl").write_text("{}\n")
    system = ThrowAway(tmp_path, "alpaca_down")
    try:
        system.copy(state, logs)

        assert [one.name for one in system.state.root.iterdir()] == ["trading_state.json"]
        assert [one.name for one in system.logs.root.iterdir()] == ["orders.jsonl"]
    finally:
        system.end()
    assert not system.base.exists()
    assert (state / "emergency_stop").exists()
