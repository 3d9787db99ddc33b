"""The import law, as import-linter judges it from pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source_tree import ROOT

pytestmark = pytest.mark.integration


def test_import_law_when_linted_then_every_contract_is_kept() -> None:
    """Layers, independence and forbidden imports hold."""
    linter = Path(sys.executable).parent / "lint-imports"

    result = subprocess.run(
        [str(linter), "--no-cache"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert result.returncode == 0, result.stdout
