"""A machine where nothing is installed yet: one line that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.system import DEPLOY, ROOT

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("command", ["run", "check"])
def test_start_when_packages_are_missing_then_one_line_says_make_run(command: str) -> None:
    """Without its packages the start ends at once with 78 and one line."""
    done = subprocess.run(
        [sys.executable, "-S", str(DEPLOY), command],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == os.EX_CONFIG
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("run: make run\n")
