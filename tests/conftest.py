"""What all tests share: counts per kind in the last lines, and a loud word on what was left out."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings

# How long one example takes says something of the machine's load only; pytest-timeout bounds each
# test as a whole, and budgets are judged by the benches.
settings.register_profile("whole", deadline=None)
settings.load_profile("whole")

ROOT = Path(__file__).resolve().parent.parent
BARS_DIR = Path(os.environ.get("BARS_DIR", ROOT.parent / "shared" / "data" / "bars"))


@pytest.fixture(scope="session")
def bars_dir() -> Path:
    """The folder of real market bars; a test that needs it says loudly when it is absent."""
    if not BARS_DIR.is_dir():
        pytest.skip(f"REAL BARS ABSENT: no folder {BARS_DIR}; set BARS_DIR to one")
    return BARS_DIR


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave property tests out of the count of lines: it makes their thousands of examples three
    times as slow, and what only a property reaches lacks an example anyway.
    """
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("no_cover")


def _kind(nodeid: str) -> str:
    parts = nodeid.split("/")
    return parts[1] if len(parts) > 2 else parts[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many tests of each kind ran, and every reason for which one was left out."""
    passed = Counter(_kind(report.nodeid) for report in terminalreporter.getreports("passed"))
    skipped = terminalreporter.getreports("skipped")
    if passed:
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(passed.items()))
        terminalreporter.write_line(f"passed by kind: {counts}")
    reasons = Counter(
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in skipped
    )
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"LEFT OUT {count}: {reason}", red=True)
