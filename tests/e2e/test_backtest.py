"""Backtests of recorded days: sound, right to the cent, and the same on every run."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.trading_bot.backtest.__main__ import INTERRUPTED, main
from services.trading_bot.backtest.audit import recount
from services.trading_bot.backtest.records import Records, read_records
from tests.support.bar_texts import row
from tests.support.system import ROOT, clean_environment
from tests.support.waiting import wait_until

D = Decimal
CASH = D(100_000)
OVERNIGHT = f"folder:{ROOT / 'tests' / 'support' / 'overnight_strategies'}"
WEEKEND = f"folder:{ROOT / 'tests' / 'support' / 'weekend_strategies'}"


def backtest(*arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    command = [sys.executable, "-m", "services.trading_bot.backtest", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment({"SHT_ENV_FILE": ""}),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def a_quarter_hour(folder: Path) -> Path:
    """Return a folder with fifteen minutes of a symbol of our own making."""
    folder.mkdir()
    rows = [row(f"2019-02-11T14:{minute}:00Z", f"100.{minute}") for minute in range(30, 45)]
    text = "timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n"
    (folder / "ACME_1min.csv").write_text(text, encoding="utf-8")
    return folder


DAY = ("--from", "2019-02-11", "--to", "2019-02-11")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bars", "nowhere", *DAY), "--bars"),
        (("--bars", "BARS", "--from", "2019-02-12", "--to", "2019-02-11"), "lies before --from"),
        (("--bars", "BARS", "--from", "yesterday", "--to", "2019-02-11"), "is no day"),
        (("--bars", "BARS", "--from", "2020-02-11", "--to", "2020-02-11"), "no bar"),
        (("--bars", "BARS", *DAY, "--symbols", "NOPE"), "NOPE"),
        (("--bars", "BARS", *DAY, "--cash", "-5"), "SIM_CASH"),
        (("--bars", "BARS", *DAY, "--strategies", "luck"), "STRATEGIES"),
    ],
)
def test_backtest_when_it_cannot_be_run_then_78_and_the_reason(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    """Each wrong input is named before anything starts."""
    bars = a_quarter_hour(tmp_path / "bars")

    code = main([str(bars) if word == "BARS" else word for word in arguments])

    said = capsys.readouterr()
    assert (code, said.out) == (os.EX_CONFIG, "")
    assert words in said.err


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_backtest_when_run_then_books_positions_and_page_are_right(tmp_path: Path) -> None:
    """A position is bought and held to the end: recounted to the cent, covered, drawn."""
    bars = a_quarter_hour(tmp_path / "bars")
    out = tmp_path / "out"

    options = ("--strategies", OVERNIGHT, "--out", str(out))
    done = backtest("--bars", str(bars), *DAY, *options, timeout_s=100)

    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((out / "backtest.json").read_text(encoding="utf-8"))
    page = (out / "backtest.html").read_text(encoding="utf-8")
    good = {"agrees": True, "disagreements": [], "limits_broken": [], "stops_missing": []}
    assert document["audit"] == document["audit"] | good
    assert document["terms"]["bars"] == 15
    assert "100 %" in done.stderr
    assert page.count("<svg") == 2
    assert "http" not in page


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_backtest_when_told_to_end_then_nothing_of_it_lives_on(tmp_path: Path) -> None:
    """The system that it started ends with it, and no result is written."""
    bars, out, kept = a_quarter_hour(tmp_path / "bars"), tmp_path / "out", tmp_path / "kept"
    command = [sys.executable, "-m", "services.trading_bot.backtest", "--bars", str(bars), *DAY]
    environment = clean_environment({"SHT_ENV_FILE": ""})
    begun = subprocess.Popen(
        [*command, "--out", str(out), "--keep", str(kept)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
    )
    pid_file = kept / "state" / "run" / "supervisor.pid"
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), 60, "a supervisor")
    supervisor = int(pid_file.read_text().split()[0])

    begun.send_signal(signal.SIGTERM)
    _, said = begun.communicate(timeout=60)

    assert begun.returncode == INTERRUPTED
    assert b"no result was written" in said
    assert not Path(f"/proc/{supervisor}").exists()
    assert list(out.iterdir()) == []


WINDOWS = {
    "week": ("--from", "2019-02-11", "--to", "2019-02-15"),
    "month": ("--from", "2011-03-01", "--to", "2011-03-31", "--symbols", "SPY"),
    "split": ("--from", "2014-06-05", "--to", "2014-06-09", "--symbols", "AAPL"),
    "half-day": ("--from", "2015-12-23", "--to", "2015-12-28", "--symbols", "GOOG"),
}


def kept_run(base: Path, bars_dir: Path, window: str, strategies: str) -> dict[str, Any]:
    """Run a window, keeping what it leaves; return its result."""
    words = (*WINDOWS[window], "--out", str(base / "out"), "--keep", str(base / "kept"))
    options = ("--strategies", strategies) if strategies else ()
    done = backtest("--bars", str(bars_dir), *words, *options, timeout_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    document: dict[str, Any] = json.loads((base / "out" / "backtest.json").read_text())
    return document


def nights_held(records: Records) -> int:
    """Return how many round trips or open positions stood over at least one night."""
    found = recount(CASH, records.bookings)
    over = sum(trip.entered_at[:10] != trip.exited_at[:10] for trip in found.round_trips)
    return over + len(found.open_shares)


def orders_of(kept: Path) -> Iterator[dict[str, Any]]:
    """Return every order of the exchange's books."""
    with closing(sqlite3.connect(kept / "state" / "exchange_sim.db")) as database:
        for (text,) in database.execute("SELECT document FROM orders ORDER BY seq").fetchall():
            yield json.loads(text)


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("window", sorted(WINDOWS))
def test_backtest_when_positions_stand_over_night_then_every_cent_and_limit_holds(
    tmp_path: Path, bars_dir: Path, window: str
) -> None:
    """Bought and held: limits, stops, cash and profit hold over nights, split and half day."""
    document = kept_run(tmp_path, bars_dir, window, OVERNIGHT)
    records = read_records(tmp_path / "kept")

    audit = document["audit"]
    assert audit["agrees"], audit
    assert (audit["limits_broken"], audit["stops_missing"]) == ([], [])
    assert document["report"]["equals_exchange"]
    assert all(row["covered"] for row in document["report"]["open_positions"])
    assert nights_held(records) >= 1
    if window == "split":
        assert_split_is_no_loss(tmp_path / "kept", records)


def assert_split_is_no_loss(kept: Path, records: Records) -> None:
    """7 for 1 before the open of 06-09: shares times 7, stops over 7 by then, no loss."""
    (split,) = [booking for booking in records.bookings if not booking.is_fill]
    before = [point.equity for point in records.points if point.at < "2014-06-09"][-1]
    after = next(point.equity for point in records.points if point.at > "2014-06-09")
    orders = [order for order in orders_of(kept) if order["role"] == "stop"]
    old = [order for order in orders if order["created_at"] < "2014-06-09"]
    new = [order for order in orders if order["created_at"] >= "2014-06-09"]

    assert split.cash == 0
    assert split.shares % 6 == 0
    assert split.shares > 0
    assert abs(after - before) < before * D("0.002")
    assert new
    assert new[0]["created_at"] < "2014-06-09T13:30"
    assert D(new[0]["qty"]) == 7 * D(old[-1]["qty"])
    assert D(new[0]["stop_price"]) == (D(old[-1]["stop_price"]) / 7).quantize(D("0.01"))


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_backtest_when_a_position_is_sold_after_its_split_then_its_profit_is_exact(
    tmp_path: Path, bars_dir: Path
) -> None:
    """Bought on the Friday before AAPL's 7 for 1, sold on the Monday after: one trade of seven
    times the shares, its profit what the two fills moved, to the cent.
    """
    document = kept_run(tmp_path, bars_dir, "split", WEEKEND)
    records = read_records(tmp_path / "kept")

    bought, split, sold = records.bookings
    assert (bought.at[:10], split.at[:10], sold.at[:10]) == (
        "2014-06-06", "2014-06-09", "2014-06-09",
    )  # fmt: skip
    assert (split.shares, sold.shares) == (6 * bought.shares, -7 * bought.shares)
    (trade,) = document["report"]["trades"]
    assert D(trade["pnl"]) == bought.cash + sold.cash
    assert abs(D(trade["pnl"])) < CASH * D("0.001")
    assert D(document["measures"]["equity_end"]) == CASH + bought.cash + sold.cash
    assert trade["exit_reason"].startswith("weekend")
    assert document["report"]["open_positions"] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_backtest_when_a_day_runs_twice_then_the_results_are_equal(
    tmp_path: Path, bars_dir: Path
) -> None:
    """JSON and page repeat byte for byte; the numbers are those of the replay's own report."""
    names = ("backtest.json", "backtest.html")
    results = []
    for name in ("first", "second"):
        base = tmp_path / name
        words = ("--from", "2011-03-01", "--to", "2011-03-02", "--symbols", "SPY")
        options = ("--out", str(base / "out"), "--keep", str(base / "kept"))
        done = backtest("--bars", str(bars_dir), *words, *options, timeout_s=250)
        assert done.returncode == 0, done.stdout + done.stderr
        results.append([(base / "out" / one).read_bytes() for one in names])

    assert results[0] == results[1]
    document = json.loads(results[0][0])
    report = json.loads((tmp_path / "first/kept/logs/replay_report.json").read_text())
    assert document["report"] == report
    assert document["measures"]["pnl"] == report["pnl"]
    assert document["measures"]["trades"] == len(report["trades"]) > 0
