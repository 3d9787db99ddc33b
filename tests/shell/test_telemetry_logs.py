"""A log on a disk that refuses: one line about it, no secret, and lines again afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.system import ROOT

pytestmark = pytest.mark.integration

REFUSED_THEN_ALLOWED = """
import logging, resource, sys
from pathlib import Path
from shared.telemetry.logs import configure_logging, log_event

logger = configure_logging("actor", Path(sys.argv[1]), ("hush-hush",))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
for number in range(1000):
    log_event(logger, "lost", f"the secret is hush-hush {number}")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log_event(logger, "kept", "written again")
"""


def test_log_when_the_disk_refuses_then_said_once_and_it_goes_on(tmp_path: Path) -> None:
    """Neither a flood nor a secret on standard error, and nothing old is poured out later."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSED_THEN_ALLOWED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == "actor.jsonl cannot be written: File too large\n"
    lines = (tmp_path / "actor.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["kept"]
