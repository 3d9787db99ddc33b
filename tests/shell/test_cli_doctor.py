"""`doctor` finds each usual fault of machine and folder, and is silent once it is mended."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.supervisor.cli import main
from services.supervisor.doctor import looked_at
from services.supervisor.doctor_checks import CHECKS, Complaint, Patient, is_strange
from shared.config.paths import StatePaths
from tests.support.dashboard import free_port

pytestmark = pytest.mark.integration

Break = Callable[[Path], object]


def replaced(folder: Path, by: Callable[[Path], object]) -> None:
    """Something else stands where the folder was."""
    shutil.rmtree(folder)
    by(folder)


def leading_nowhere(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def commanded(folder: Path) -> None:
    """A command lies there."""
    folder.mkdir()
    (folder / "7.json").touch()


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A sound machine: folders of ours, a private .env, a free port, nothing running."""
    state = StatePaths(tmp_path / "state")
    state.run.mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    env_file = tmp_path / ".env"
    env_file.write_text("TRADING_MODE=sim\n")
    env_file.chmod(0o600)
    values = {"DASHBOARD_PORT": str(free_port())}
    return Patient(
        state=state,
        log_dir=tmp_path / "logs",
        env_file=env_file,
        setting=lambda name: values.get(name, ""),
        is_running=False,
        now=datetime.now(UTC),
    )


def found(name: str, patient: Patient) -> list[Complaint]:
    """What one check complains of, each complaint with a mend."""
    complaints = list(CHECKS[name](patient))
    assert all(one.fault and one.mend for one in complaints)
    return complaints


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in ("clock", "kernel")])
def test_check_when_all_is_sound_complains_of_nothing(name: str, patient: Patient) -> None:
    """No false alarm on a fresh checkout; clock and kernel are the machine's own."""
    assert found(name, patient) == []


@pytest.mark.parametrize(
    ("name", "harm", "word"),
    [
        ("secrets file", lambda base: (base / ".env").chmod(0o644), "read by others"),
        ("settings", lambda base: (base / ".env").write_text("MAX_OPEN_POSITIONS=x\n"), "MAX_OPEN"),
        ("folders", lambda base: (base / "state" / "link").symlink_to(base), "link"),
        ("pid files", lambda base: (base / "state/run/guardian.pid").write_text("9 1\n"), "guard"),
        (
            "pid files",
            lambda base: (base / "state/run/dashboard.pid").write_text("no pid\n"),
            "dashboard",
        ),
        ("pid files", lambda base: (base / "state/run/bot.pid").write_text("9" * 999), "bot"),
        ("pid files", lambda base: (base / "state/run/page.pid").mkdir(), "page"),
        ("settings", lambda base: (base / ".env").unlink(), "does not exist"),
        ("settings", lambda base: (base / ".env").write_bytes(b"\xff\xfe"), "not UTF-8"),
        (
            "settings",
            lambda base: (base / ".env").write_text("MAX_OPEN_POSITION=3\n"),
            "no setting",
        ),
        ("folders", lambda base: replaced(base / "state", Path.touch), "is no folder"),
        ("folders", lambda base: replaced(base / "state/run", Path.touch), "run is no folder"),
        ("folders", lambda base: replaced(base / "logs", leading_nowhere), "leads nowhere"),
        ("waiting", lambda base: (base / "state/emergency_stop").touch(), "stop is set"),
        ("waiting", lambda base: (base / "state/health.json.corrupt.1").touch(), "set aside"),
        ("waiting", lambda base: commanded(base / "state/commands"), "nobody took up: 7"),
    ],
)
def test_check_when_something_is_broken_names_it(
    name: str, harm: Break, word: str, patient: Patient, tmp_path: Path
) -> None:
    """Each fault is found by its own check, with the thing that is broken in its words."""
    harm(tmp_path)
    (complaint,) = found(name, patient)
    assert word in complaint.fault


def test_ports_when_another_program_listens_names_the_port_and_is_silent_after(
    patient: Patient,
) -> None:
    """A taken port is found by taking it, and free again it is no fault."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = replace(patient, setting=lambda name: str(port) if name == "SIM_PORT" else "")
        assert any(str(port) in one.fault for one in found("ports", taken))
    assert not any(str(port) in one.fault for one in found("ports", taken))


def test_ports_when_our_own_system_runs_is_silent(patient: Patient) -> None:
    """Our own page on its port is no fault."""
    with socket.create_server(("127.0.0.1", 0)) as ours:
        port = str(ours.getsockname()[1])
        running = replace(patient, setting=lambda name: port, is_running=True)
        assert found("ports", running) == []


def test_pid_files_when_a_process_lives_unsupervised_says_so(patient: Patient) -> None:
    """A living process of ours is not called stale."""
    ticks = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    (patient.state.run / "guardian.pid").write_text(f"{os.getpid()} {ticks}\n")
    (complaint,) = found("pid files", patient)
    assert "without a supervisor" in complaint.fault


def test_bars_when_absent_or_empty_names_the_folder(patient: Patient, tmp_path: Path) -> None:
    """A replay without bars is found before it starts, and sound once a file lies there."""
    folder = tmp_path / "bars"
    asked = replace(patient, setting=lambda name: str(folder) if name == "SIM_REPLAY" else "")
    assert "not there" in found("bars", asked)[0].fault
    folder.mkdir()
    assert "holds no" in found("bars", asked)[0].fault
    (folder / "AAPL_1min.csv").touch()
    assert found("bars", asked) == []


def test_clock_when_set_back_behind_our_own_files_says_so(patient: Patient) -> None:
    """A file from the future means that the clock is wrong."""
    patient.state.health.write_text("{}")
    early = replace(patient, now=patient.now - timedelta(hours=1))
    assert any("from the future" in one.fault for one in found("clock", early))
    assert not any("from the future" in one.fault for one in found("clock", patient))


def test_check_when_it_cannot_look_says_so_and_ends_no_other(patient: Patient) -> None:
    """Rights that are missing and bugs of our own are complaints, not the end of doctor."""

    def forbidden(_: Patient) -> Iterator[Complaint]:
        yield Complaint("seen before", "mend")
        raise PermissionError(13, "Permission denied", "/data/state")

    def broken(_: Patient) -> Iterator[Complaint]:
        raise RuntimeError("a bug")
        yield

    before, after = looked_at(forbidden, patient)
    assert before.fault == "seen before"
    assert "Permission denied" in after.fault
    assert "as the user who runs the system" in after.mend
    (bug,) = looked_at(broken, patient)
    assert bug == Complaint("could not be looked at: RuntimeError: a bug", "report this")


def test_file_when_it_is_gone_a_moment_later_is_no_stranger(tmp_path: Path) -> None:
    """A running system makes and renames temporary files all the time."""
    (tmp_path / "ours").touch()
    assert not is_strange(tmp_path / "ours")
    assert not is_strange(tmp_path / "gone")


def test_doctor_when_asked_for_json_gives_each_check_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data on stdout with a schema version; 1 because there is a fault."""
    env_file = tmp_path / ".env"
    env_file.write_text("UW_API_TOKEN=notforothers77\n")
    env_file.chmod(0o644)
    folders = ["--state-dir", str(tmp_path / "s"), "--log-dir", str(tmp_path / "l")]
    code = main(["doctor", "--json", "--env-file", str(env_file), *folders])
    text = capsys.readouterr().out
    document = json.loads(text)
    assert (code, document["schema_version"], document["well"]) == (1, 1, False)
    assert [row["name"] for row in document["checks"]] == list(CHECKS)
    assert "notforothers77" not in text
