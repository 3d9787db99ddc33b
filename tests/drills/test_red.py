"""A drill that cannot fail proves nothing: in a copy of the project whose healing is switched off,
the drill of that healing is red, and says why.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.catalogue import CATALOGUE
from tests.drills.mutants import MUTANTS, WITNESSED, WITNESSES, Mutant, apply_to, changed
from tests.support.system import ROOT, clean_environment

pytestmark = [pytest.mark.integration]

DRILL_S = 800
COPIED = ("shared", "services", "chaos", "deploy_supervisor.py", "supervisor.conf")


def mutated(folder: Path, mutant: Mutant) -> None:
    """Copy what runs, and change it."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    apply_to(folder, mutant)


def test_mutants_when_compared_with_the_catalogue_then_every_row_has_one() -> None:
    """Each row's healing can be switched off, today as well: the lines are still there."""
    assert sorted(MUTANTS) == sorted(CATALOGUE)
    for mutant in (*MUTANTS.values(), *WITNESSES.values()):
        assert all(changed(ROOT, change) for change in mutant.changes)


def red(folder: Path, name: str, mutant: Mutant) -> None:
    """Drill a copy without that healing: FAILED by the ground that it is there for."""
    mutated(folder, mutant)
    logs = folder / "logs"
    folders = {"STATE_DIR": str(folder / "state"), "LOG_DIR": str(logs), "SHT_ENV_FILE": ""}

    done = subprocess.run(
        [sys.executable, str(folder / "deploy_supervisor.py"), "drill", name, "--fresh"],
        cwd=folder,
        env=clean_environment(folders),
        capture_output=True,
        text=True,
        timeout=DRILL_S,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    (path,) = (logs / "drills").glob("2*/report.json")
    (drill,) = json.loads(path.read_text())["drills"]
    assert drill["verdict"] == "FAILED", done.stdout
    assert any(mutant.ground in ground for ground in drill["grounds"]), done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_drill_when_the_healing_is_switched_off_then_it_is_red(tmp_path: Path, name: str) -> None:
    """Neither passed nor without a verdict, and the ground is the right one."""
    red(tmp_path, name, MUTANTS[name])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", WITNESSES)
def test_drill_when_nobody_tells_the_truth_then_it_is_red(tmp_path: Path, name: str) -> None:
    """Alerts and page are judged too."""
    red(tmp_path, WITNESSED[name], WITNESSES[name])
