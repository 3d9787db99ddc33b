"""One lock-step minute of 23 symbols, through all processes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.frame import Row
from tests.conftest import BARS_DIR
from tests.support.system import deploy, log_lines

MINUTES_OF_A_DAY = 390
DAYS = ("2019-02-12", "2019-02-14")


def replay_seconds(first: str, last: str) -> float:
    """Return the wall time of a replay of these days."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        settings = {
            "TRADING_MODE": "sim",
            "SIM_REPLAY": str(BARS_DIR),
            "SIM_SPEED": "max",
            "SIM_FROM": first,
            "SIM_TO": last,
        }
        start = time.perf_counter()
        finished = deploy(base, "run", settings=settings, timeout_s=300)
        seconds = time.perf_counter() - start
        if finished.code != 0:
            raise RuntimeError(finished.out + finished.err)
        if not log_lines(base / "logs" / "trading-bot.jsonl"):
            raise RuntimeError("the bot said nothing")
        return seconds


def rows() -> Iterator[Row]:
    """Measure three days less one, so that start and stop fall away."""
    if not BARS_DIR.is_dir():
        raise SystemExit(f"REAL BARS ABSENT: no folder {os.fspath(BARS_DIR)}; set BARS_DIR")
    one = replay_seconds(DAYS[0], DAYS[0])
    three = replay_seconds(*DAYS)
    minute_ms = (three - one) / (2 * MINUTES_OF_A_DAY) * 1e3
    yield Row("one lock-step replay minute of 23 symbols", "ms", minute_ms, 20.0)
