"""Completion in real shells, answers as JSON, and what `status` costs and says in bad company."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.supervisor.cli import main
from shared.clock import SystemClock
from shared.config.paths import StatePaths
from tests.support import documents as sample
from tests.support.dashboard import put
from tests.support.system import DEPLOY, deploy

pytestmark = pytest.mark.integration


PYTHON = str(DEPLOY.parent / ".venv" / "bin" / "python")
ASKED = {
    "bash": """
    source <("$0" "$1" completion bash); shift
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trader; printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
    compdef() { :; }; source <("$0" "$1" completion zsh); shift
    compadd() {
      shift; for each in "$@"; do [[ $each == ${words[CURRENT]}* ]] && print -r -- $each; done; :
    }
    words=("$@"); CURRENT=$#; _trader
    """,
    "fish": """
    $argv[1] $argv[2] completion fish | source
    complete -C (string join ' ' -- $argv[3..-1])
    """,
}
"""What each shell is asked, our script loaded into it: the last of the words is to be completed."""


def completed(shell: str, *words: str) -> set[str]:
    """What the shell offers at the end of these words."""
    where = shutil.which(shell)
    if where is None:
        pytest.skip(f"{shell} is not installed here")
    named = [PYTHON, str(DEPLOY)]
    command = [where, "-c", ASKED[shell], *named, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("shell", ASKED)
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("trader", "cl"), {"clear-stop", "close-position"}),
        (("trader", "restart", "da"), {"data-daemon", "dashboard"}),
        (("trader", "dr"), {"drill"}),
        (("trader", "clear-stop", "--w"), {"--what"}),
        (("trader", "clear-stop", "--what", "dr"), {"drawdown"}),
    ],
)
def test_completion_when_a_shell_asks_offers_commands_services_and_options(
    shell: str, words: tuple[str, ...], offered: set[str]
) -> None:
    """The script works in the real shell, where that is installed."""
    assert completed(shell, *words) == offered


HEALTHY = sample.service_entry("dashboard")
ODD: dict[str, dict[str, Any]] = {
    "a number for a service": {"services": {"dashboard": 1}},
    "a list for a service": {"services": {"dashboard": [HEALTHY]}},
    "nothing in it": {"services": {"dashboard": {}}},
    "anything for a word": {"services": {"dashboard": {**HEALTHY, "status": {}, "pid": [1]}}},
    "anything for metrics": {"services": {"trading-bot": {**HEALTHY, "metrics": 7}}},
}


def healthy_house(folder: Path, **changed: Any) -> StatePaths:
    """A state folder with a fresh health.json."""
    clock, state = SystemClock(), StatePaths(folder / "state")
    stamps: dict[str, Any] = {"boot_id": clock.boot_id(), "boottime_s": clock.boottime_s()}
    put(state.health, {**sample.health_document(**stamps), **changed})
    return state


def status_of(state: StatePaths, *words: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """How `status` of that folder ended."""
    command = [PYTHON, "-B", str(DEPLOY), "status", "--state-dir", str(state.root), *words]
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(command, text=True, timeout=20, check=False, **kept)


@pytest.mark.parametrize("odd", ODD)
def test_status_when_a_service_is_odd_in_health_json_goes_by_the_verdict(
    odd: str, tmp_path: Path
) -> None:
    """A traceback ends with 1, which every probe reads as DEGRADED."""
    state = healthy_house(tmp_path, **ODD[odd])
    done = status_of(state)
    assert (done.returncode, done.stderr) == (0, "")
    assert status_of(state, "--json").returncode == 0


def test_status_when_it_breaks_itself_says_that_nobody_knows(tmp_path: Path) -> None:
    """4 for any error of its own; here the packages lie in a folder without our code."""
    shutil.copytree(DEPLOY.parent / "services" / "supervisor", tmp_path / "services" / "supervisor")
    for name in ("deploy_supervisor.py", "chaos", "shared"):
        (tmp_path / name).symlink_to(DEPLOY.parent / name)
    (tmp_path / "services" / "supervisor" / "cli_status.py").write_text("raise RuntimeError('bug')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); " + (
        "from services.supervisor.cli import main; sys.exit(main(['status']))"
    )
    command = [PYTHON, "-B", "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == "status failed: RuntimeError: bug\n"


def test_status_when_nobody_can_read_its_words_still_ends_with_its_code(tmp_path: Path) -> None:
    """A closed, full or broken output is no state of the system."""
    state = healthy_house(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("w") as full, os.fdopen(writing, "w") as broken:
        codes = [status_of(state, stdout=stream).returncode for stream in (full, broken)]
    closed = ["bash", "-c", 'exec "$@" >&-', "bash", PYTHON, "-B", str(DEPLOY), "status"]
    closed += ["--state-dir", str(state.root)]
    codes.append(subprocess.run(closed, timeout=20, check=False).returncode)
    assert codes == [0, 0, 0]


def test_status_when_the_terminal_spells_less_than_the_reason_loses_no_line(
    tmp_path: Path,
) -> None:
    """What it cannot spell is written by its number."""
    state = healthy_house(tmp_path, reason="orders \u2192 halted")
    done = status_of(state, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.stdout.startswith("OK: orders \\u2192 halted")


def test_status_when_adopted_shares_lack_a_stop_says_so(tmp_path: Path) -> None:
    """ADOPT_EXTERNAL is a promise; only a broken one is worth a line."""
    metrics = {"external_uncovered": 2.0, "external_coverage_pct": 50.0}
    bot = {**sample.service_entry("trading-bot"), "metrics": metrics}
    words = "2 adopted external positions lack a stop for every share (50 % covered)"
    assert words in status_of(healthy_house(tmp_path, services={"trading-bot": bot})).stdout
    bot["metrics"] = {**metrics, "external_uncovered": 0.0}
    whole = healthy_house(tmp_path, services={"trading-bot": bot})
    assert "external" not in status_of(whole).stdout


def test_stop_when_the_folder_is_somebody_elses_says_so_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name longer than any stands for what only another user would be refused."""
    assert main(["stop", "--state-dir", str(tmp_path / ("x" * 300))]) == 1
    assert capsys.readouterr().err.startswith("stop: ")


def test_order_when_asked_for_json_gives_the_whole_answer_with_a_schema_version(
    tmp_path: Path,
) -> None:
    """Nothing runs here: the stop is in place, 75, and a script can read why."""
    done = deploy(tmp_path, "emergency-stop", "--reason", "a test", "--json")
    answer = json.loads(done.out)
    assert done.code == os.EX_TEMPFAIL
    assert (answer["schema_version"], answer["command"]) == (1, "emergency-stop")
    assert answer["outcome"] == "failed"
    assert "The emergency stop is in place" in answer["detail"]


def test_status_when_nothing_runs_has_a_schema_version_and_costs_less_than_the_budget(
    tmp_path: Path,
) -> None:
    """Probes ask often: a tenth of a second of processor time, the best of five on any machine."""
    folder = str(tmp_path / "none")
    command = [PYTHON, str(DEPLOY), "status", "--json", "--state-dir", folder]
    costs = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 3
        assert json.loads(done.stdout)["schema_version"] == 1
    assert min(costs) < 0.1
