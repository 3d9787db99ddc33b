"""Odd things in the state folder with which nothing could work: refused at the start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.supervised import Actor, supervised

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("name", "make"), [("health.json", Path.mkdir), ("commands", Path.touch)])
def test_start_when_health_or_commands_is_something_else_then_73_names_it(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """Without a verdict to read, or a way to command it, nothing may trade."""
    (tmp_path / "state").mkdir()
    make(tmp_path / "state" / name)

    with supervised(tmp_path, {"web": Actor()}) as system:
        _, err = system.process.communicate(timeout=20)

        assert system.process.returncode == os.EX_CANTCREAT, err
        assert name in err
        assert "Traceback" not in err
        assert not (tmp_path / "logs" / "web.out").exists()
