"""Replays of recorded days in lock-step: right, and the same on every run."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.system import deploy, read_json, running_system
from tests.support.waiting import wait_until

BOOKS_AGREE = "local state equals the exchange: yes"
DAY = {"SIM_FROM": "2019-02-11", "SIM_TO": "2019-02-11"}
WEEK = {"SIM_FROM": "2019-02-11", "SIM_TO": "2019-02-15"}


def replay(base: Path, bars_dir: Path, days: dict[str, str], timeout_s: float) -> tuple[str, Path]:
    """Replay the days to their end; return the printed text and the report's path."""
    base.mkdir()
    settings = {"TRADING_MODE": "sim", "SIM_REPLAY": str(bars_dir), "SIM_SPEED": "max", **days}

    finished = deploy(base, "run", settings=settings, timeout_s=timeout_s)

    assert finished.code == 0, finished.out + finished.err
    return finished.out, base / "logs" / "replay_report.json"


def digest(path: Path) -> str:
    """Return the hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_replay_when_a_day_runs_twice_then_the_reports_are_equal(
    tmp_path: Path, bars_dir: Path
) -> None:
    """One recorded day of 23 symbols trades, ends by itself, and repeats byte for byte."""
    out, first = replay(tmp_path / "first", bars_dir, DAY, 140)
    _, second = replay(tmp_path / "second", bars_dir, DAY, 140)

    assert BOOKS_AGREE in out
    assert read_json(first)["trades"]
    assert digest(first) == digest(second)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_replay_when_the_exchange_is_killed_then_the_report_is_the_same(
    tmp_path: Path, bars_dir: Path
) -> None:
    """Kills of the exchange between turns cost time, and not a cent of the replay."""
    _, undisturbed = replay(tmp_path / "whole", bars_dir, DAY, 140)
    base = tmp_path / "killed"
    base.mkdir()
    settings = {"TRADING_MODE": "sim", "SIM_REPLAY": str(bars_dir), "SIM_SPEED": "max", **DAY}
    state = base / "state"

    with running_system(base, settings=settings) as process:
        for minutes in (60, 150):
            wait_until(lambda at_least=minutes: minutes_done(state) >= at_least, 60, "minutes")  # type: ignore[misc] # bound per kill
            os.kill(read_json(state / "health.json")["services"]["exchange-sim"]["pid"], 9)
        out, err = process.communicate(timeout=140)

    assert process.returncode == 0, out + err
    assert digest(base / "logs" / "replay_report.json") == digest(undisturbed)


def minutes_done(state: Path) -> int:
    """Return how many minutes the data-daemon has finished."""
    with (
        suppress(sqlite3.Error),
        sqlite3.connect(f"file:{state}/market.db?mode=ro", uri=True) as db,
    ):
        return int(db.execute("select count(distinct start) from candles").fetchone()[0])
    return 0


@pytest.mark.slow
@pytest.mark.timeout(700)
def test_replay_when_the_week_runs_twice_then_it_is_fast_and_equal(
    tmp_path: Path, bars_dir: Path
) -> None:
    """The week of 23 symbols takes under five minutes and repeats byte for byte."""
    _, first = replay(tmp_path / "first", bars_dir, WEEK, 300)
    _, second = replay(tmp_path / "second", bars_dir, WEEK, 300)

    assert digest(first) == digest(second)
