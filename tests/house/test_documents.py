"""Documents that must agree with the code; nothing tells what is nobody's business."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields

import pytest

from services.dashboard.app import ROUTES
from services.exchange_sim.faults.kinds import KINDS
from services.exchange_sim.switches import Switches
from services.supervisor.dependencies import IMPORT_NAMES, missing_packages
from shared.config.paths import StatePaths
from tests.house.source_tree import ROOT, product_files

pytestmark = pytest.mark.unit

ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
README = ROOT / "README.md"
MACHINE_PATH = re.compile(r"(?<![\w./<-])/(?:root|work|farm|Users|home/[a-z]+)/")


def tracked_texts() -> dict[str, str]:
    """Return every text file that git tracks, by name."""
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    ).stdout.split()
    texts = {}
    for name in listing:
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".ico"}:
            texts[name] = path.read_text(encoding="utf-8")
    return texts


def test_state_files_when_named_in_code_then_architecture_names_their_writer() -> None:
    """Every file under state/ has a line in the table of writers."""
    names = {
        value.fget(StatePaths(ROOT)).relative_to(ROOT).as_posix()  # type: ignore[misc]
        for value in vars(StatePaths).values()
        if isinstance(value, property)
    }
    top_names = {name.split("/")[0] for name in names}

    unnamed = {name for name in top_names if name not in ARCHITECTURE and f"{name}/" != "run/"}

    assert unnamed == set()


def test_code_map_when_it_names_a_file_then_the_file_exists() -> None:
    """No path in ARCHITECTURE.md leads nowhere."""
    named = set(re.findall(r"`((?:shared|services|chaos|tests)/[\w/.]+)`", ARCHITECTURE))

    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_tracked_files_when_read_then_none_names_a_machine_path() -> None:
    """Nothing committed tells where it was made."""
    telling = {name for name, text in tracked_texts().items() if MACHINE_PATH.search(text)}

    assert telling - {"tests/house/test_documents.py"} == set()


def test_locks_when_read_then_they_hold_hashes_and_no_address() -> None:
    """Locks pin with hashes and name no index."""
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text(encoding="utf-8")

        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|file:|--(extra-)?index-url|--find-links", text)


def test_sources_when_read_then_no_unfinished_mark_is_left() -> None:
    """No TODO, FIXME or XXX stands in the product."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")

    assert [path for path in product_files() if marks.search(path.read_text("utf-8"))] == []


def test_make_targets_when_named_in_documents_then_they_exist() -> None:
    """Every `make X` that a document names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    documents = [path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"]
    named = {
        target
        for path in documents
        for target in re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z-]+)`", path.read_text("utf-8"))
    }

    assert named - targets == set()


def test_routes_when_served_then_the_document_names_each() -> None:
    """docs/HTTP.md names every route of the dashboard, and none that is not there."""
    text = (ROOT / "docs" / "HTTP.md").read_text("utf-8")
    named = set(re.findall(r"`((?:GET|POST) /[^`\s]*)`", text))

    assert {f"{row.method} {row.path}" for row in ROUTES} == named


def test_commands_when_the_readme_names_them_then_they_exist() -> None:
    """Every command that the README types is one of the command line."""
    text = README.read_text("utf-8")
    typed = set(re.findall(r"deploy_supervisor\.py ([a-z-]+)", text))
    typed |= {
        word
        for row in re.findall(r"^\| (`\.\.\. .*?) \|", text, re.M)
        for word in re.findall(r"`(?:\.\.\. )?([a-z-]+)", row)
    }
    words = [sys.executable, "deploy_supervisor.py", "--help"]
    shown = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    known = set(re.findall(r"^    ([a-z-]+)", shown, re.M))
    known |= set(re.findall(r"^([a-z-]+) \[NAME", shown, re.M))

    assert typed
    assert typed - known == set()


def test_packages_when_the_project_names_them_then_a_start_asks_for_each() -> None:
    """The start knows the import name of every run-time dependency, and of no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}

    assert named == set(IMPORT_NAMES)
    assert missing_packages() == []


def test_exchange_when_it_can_be_switched_then_its_document_names_every_switch_and_fault() -> None:
    """docs/EXCHANGE.md names each switch and each fault, with its parameters, and no other."""
    text = (ROOT / "docs" / "EXCHANGE.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, re.M))
    switches = {item.name for item in fields(Switches)}

    assert set(rows) == switches | set(KINDS)
    for name, kind in KINDS.items():
        assert re.findall(r"`(\w+)`", rows[name]) == list(kind.parameters)
