"""The owner's four drills on a whole system, as `drill` runs them: one system for all four."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaos.catalogue import OWNERS_FOUR
from tests.support.system import deploy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

FOUR_S = 500


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """One run of the four; the real folders, the report, and the terminal."""
    base = tmp_path_factory.mktemp("drills")
    (base / "state").mkdir()
    (base / "state" / "ours").write_text("untouched")
    done = deploy(base, "drill", *OWNERS_FOUR, timeout_s=FOUR_S)
    (path,) = (base / "logs" / "drills").glob("2*/report.json")
    return base, json.loads(path.read_text()), f"{done.code}\n{done.out}\n{done.err}"


@pytest.mark.parametrize("name", OWNERS_FOUR)
def test_owners_drill_when_run_then_the_system_heals_as_the_catalogue_says(
    run: tuple[Path, dict[str, Any], str], name: str
) -> None:
    """Acted, shown, answered and healed in time, and no invariant broke."""
    _, report, told = run
    (drill,) = [one for one in report["drills"] if one["name"] == name]

    assert drill["verdict"] == "PASSED", f"{drill['grounds']}\n{told}"
    assert drill["acted"] >= 1


def test_drills_when_over_then_the_real_folders_hold_reports_and_nothing_else(
    run: tuple[Path, dict[str, Any], str],
) -> None:
    """Never the real state/ and logs/; nothing is left running or lying about."""
    base, report, told = run

    assert told.startswith("0\n"), told
    assert report["exit_code"] == 0
    assert [path.name for path in (base / "state").iterdir()] == ["ours"]
    assert [path.name for path in (base / "logs").iterdir()] == ["drills"]
    assert not (base / "logs" / "drills" / "current.json").exists()
    history = (base / "logs" / "drills" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in history] == list(OWNERS_FOUR)
