"""A drill that cannot fail proves nothing: in a copy of the project whose healing is switched off
by one changed line, the drill of that healing is red.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.system import ROOT, clean_environment

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

DRILL_S = 800
COPIED = ("shared", "services", "chaos", "deploy_supervisor.py", "supervisor.conf")
TABLE = "services/services.toml"
RULES = "shared/resilience/classification_rows.py"


class Mutant(NamedTuple):
    """One changed line: what the system does without this healing."""

    path: str
    old: str
    new: str


MUTANTS = {
    "alpaca_down": Mutant(
        RULES,
        '"urllib3.exceptions.NewConnectionError": (_T,',
        '"urllib3.exceptions.NewConnectionError": (_C,',
    ),
    "invalid_creds": Mutant(
        RULES, '(401, 401, r"", _C, "unauthorized"', '(401, 401, r"", _T, "unauthorized"'
    ),
    "supervisor_crash": Mutant(
        "services/supervisor/guardian.py",
        "            process = self._start(later=True)",
        "            return 1",
    ),
    "state_corrupt": Mutant(
        TABLE, "[service.trading-bot]", "[service.trading-bot]\nmax_failures = 1"
    ),
    "rate_limited": Mutant(
        RULES, '(429, 429, r"", _T, "rate_limited"', '(429, 429, r"", _C, "rate_limited"'
    ),
    "schema_drift": Mutant(
        "shared/health/codes.py",
        "ExitClass.SCHEMA: HealthCode.FAILED_API_SCHEMA",
        "ExitClass.SCHEMA: HealthCode.FAILED",
    ),
    "bot_hang": Mutant(
        TABLE, "watchdog_s = 20.0\nready_s = 45.0\nstop_s", "watchdog_s = 3600.0\nstop_s"
    ),
    "data_daemon_kill": Mutant(
        TABLE, "[service.data-daemon]", "[service.data-daemon]\nmax_failures = 1"
    ),
    "dashboard_kill": Mutant(TABLE, "[service.dashboard]", "[service.dashboard]\nmax_failures = 1"),
    "bot_crash_loop": Mutant(
        TABLE, "[service.trading-bot]", "[service.trading-bot]\nmax_failures = 1000"
    ),
    "guardian_kill": Mutant("supervisor.conf", "autorestart=unexpected", "autorestart=false"),
}


def mutated(folder: Path, mutant: Mutant) -> None:
    """Copy what runs, and change that one place."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    path = folder / mutant.path
    text = path.read_text("utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.path} does not say {mutant.old!r} once any more"
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")


@pytest.mark.parametrize("name", MUTANTS)
def test_drill_when_the_healing_is_switched_off_then_it_is_red(tmp_path: Path, name: str) -> None:
    """FAILED with its grounds: neither passed nor without a verdict."""
    mutated(tmp_path, MUTANTS[name])
    logs = tmp_path / "logs"
    folders = {"STATE_DIR": str(tmp_path / "state"), "LOG_DIR": str(logs), "SHT_ENV_FILE": ""}

    done = subprocess.run(
        [sys.executable, str(tmp_path / "deploy_supervisor.py"), "drill", name, "--fresh"],
        cwd=tmp_path,
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
    assert drill["grounds"]
