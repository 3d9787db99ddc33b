"""Completion in a real bash, answers as JSON, and what `status` costs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.support.system import DEPLOY, deploy

pytestmark = pytest.mark.integration


def completed(*words: str) -> set[str]:
    """What bash offers at the end of these words, our script loaded."""
    script = """
    source <("$1" "$2" completion bash); shift 2
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trader; printf '%s\\n' "${COMPREPLY[@]}"
    """
    python = str(DEPLOY.parent / ".venv" / "bin" / "python")
    command = ["bash", "-c", script, "bash", python, str(DEPLOY), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return set(done.stdout.split())


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
def test_completion_when_bash_asks_offers_commands_services_and_options(
    words: tuple[str, ...], offered: set[str]
) -> None:
    """The script works in a real bash."""
    assert completed(*words) == offered


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
    python = str(DEPLOY.parent / ".venv" / "bin" / "python")
    folder = str(tmp_path / "none")
    command = [python, str(DEPLOY), "status", "--json", "--state-dir", folder]
    costs = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 3
        assert json.loads(done.stdout)["schema_version"] == 1
    assert min(costs) < 0.1
