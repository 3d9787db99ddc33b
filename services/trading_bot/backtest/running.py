"""Runs the real system over the bars: `deploy_supervisor.py run` in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from services.trading_bot.backtest.request import Request
from shared.clock import utc_text
from shared.errors import TransientFault
from shared.persistence.market_store import MarketStoreReader

REPOSITORY = Path(__file__).resolve().parents[3]
TABLE = Path(__file__).with_name("services.toml")
LOOK_EVERY_S = 0.5
STOP_WITHIN_S = 30.0

Progress = Callable[[str], object]
"""Takes the newest finished market minute, as the bar files write it."""


class RunFailed(Exception):
    """The run ended without a result; `exit_code` is its own."""

    def __init__(self, exit_code: int, words: str) -> None:
        super().__init__(words)
        self.exit_code = exit_code


def run_system(request: Request, folder: Path, progress: Progress) -> int:
    """Run until the replay ends; return 0 when the system ended sound, else 1.

    `folder` gets state/ and logs/. Raises RunFailed for a run without a report.
    """
    command = [sys.executable, str(REPOSITORY / "deploy_supervisor.py"), "run"]
    command += ["--mode", "sim", "--services", str(TABLE)]
    command += ["--state-dir", str(folder / "state"), "--log-dir", str(folder / "logs")]
    said = folder / "run.out"
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=dict(request.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _watch(process, folder / "state" / "market.db", progress)
        finally:
            _end(process)
    code = process.returncode
    if not (folder / "logs" / "replay_report.json").exists():
        words = said.read_text(encoding="utf-8", errors="replace").strip()
        raise RunFailed(code if code > 0 else os.EX_TEMPFAIL, words or "the run said nothing")
    return code


def _watch(process: subprocess.Popen[bytes], market: Path, progress: Progress) -> None:
    reader = MarketStoreReader(market)
    try:
        while True:
            try:
                process.wait(LOOK_EVERY_S)
                return
            except subprocess.TimeoutExpired:
                _look(reader, progress)
    finally:
        reader.close()


def _look(reader: MarketStoreReader, progress: Progress) -> None:
    try:
        minute = reader.minute()
    except TransientFault:
        return  # the writer is just making it; the next look will do
    if minute is not None:
        progress(utc_text(minute))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop what still runs: the supervisor ends its services, or all of its session goes."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
