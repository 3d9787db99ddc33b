"""Replays of recorded days in lock-step: right, and the same on every run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.system import deploy, read_json

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
@pytest.mark.timeout(700)
def test_replay_when_the_week_runs_twice_then_it_is_fast_and_equal(
    tmp_path: Path, bars_dir: Path
) -> None:
    """The week of 23 symbols takes under five minutes and repeats byte for byte."""
    _, first = replay(tmp_path / "first", bars_dir, WEEK, 300)
    _, second = replay(tmp_path / "second", bars_dir, WEEK, 300)

    assert digest(first) == digest(second)
