"""Bars per second of a backtest of one symbol, through all processes, and what a month costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Row
from tests.conftest import BARS_DIR
from tests.support.system import ROOT, clean_environment

DAYS = (("2011-03-01", "2011-03-01"), ("2011-03-01", "2011-03-04"))
MONTH_BARS = 8_970
"""23 days of 390 minutes: SPY in March 2011."""
MONTH_S_MAX = 60.0


def backtest_seconds(first: str, last: str) -> tuple[float, int]:
    """Return the wall time of a backtest of these days, and how many bars it played."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "services.trading_bot.backtest"]
        command += ["--bars", os.fspath(BARS_DIR), "--symbols", "SPY"]
        command += ["--from", first, "--to", last, "--out", out]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment({"SHT_ENV_FILE": ""}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        document = json.loads((Path(out) / "backtest.json").read_text(encoding="utf-8"))
        return seconds, int(document["terms"]["bars"])


def rows() -> Iterator[Row]:
    """Measure four days less one, so that start and stop fall away; a month is both together."""
    if not BARS_DIR.is_dir():
        raise SystemExit(f"REAL BARS ABSENT: no folder {os.fspath(BARS_DIR)}; set BARS_DIR")
    (short_s, few), (long_s, many) = (backtest_seconds(*days) for days in DAYS)
    bar_s = (long_s - short_s) / (many - few)
    month_s = short_s + bar_s * (MONTH_BARS - few)
    beside = f"{1 / bar_s:.0f} bars per second"
    yield Row("a backtest of one symbol for a month", "s", month_s, MONTH_S_MAX, beside)
