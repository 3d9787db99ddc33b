"""Bar files as text, and where the real ones lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.bar_file import HEADER
from services.exchange_sim.market.opening import MarketRequest, open_market
from services.exchange_sim.market.port import Market

ROOT = Path(__file__).resolve().parents[2]
BARS_DIR_DEFAULT = ROOT.parent / "shared" / "data" / "bars"
MONDAY = date(2019, 2, 11)
FRIDAY = date(2019, 2, 15)


def real_bars() -> Path:
    """Return the folder of real bars, or skip the test saying loudly what is missing."""
    folder = Path(os.environ.get("BARS_DIR", BARS_DIR_DEFAULT))
    if not folder.is_dir():
        pytest.skip(f"REAL BARS ABSENT: {folder} is no folder; set BARS_DIR to the bar files")
    return folder


def row(start: str, price: str = "100.00", volume: int = 10) -> str:
    """Return a row whose bar goes from 5 cents below to 5 cents above the price."""
    middle = Decimal(price)
    edge = Decimal("0.05")
    return f"{start},{middle},{middle + edge},{middle - edge},{middle},{volume}"


def minutes_from(start: str, count: int, first_price: str = "100.00") -> list[str]:
    """Return rows of consecutive minutes, each one cent dearer than the one before."""
    moment = datetime.fromisoformat(start)
    return [
        row(
            f"{moment + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}",
            str(Decimal(first_price) + number * Decimal("0.01")),
        )
        for number in range(count)
    ]


def file_text(rows: Sequence[str]) -> str:
    """Return a whole bar file with these rows."""
    return "\n".join([HEADER, *rows]) + "\n"


def write_bars(folder: Path, name: str, rows: Sequence[str]) -> Path:
    """Write a bar file and return its path."""
    path = folder / name
    path.write_text(file_text(rows), encoding="utf-8")
    return path


def write_extended(folder: Path, symbol: str, rows: Sequence[str]) -> Path:
    """Write a symbol's bars of extended hours beside its bar file and return their path."""
    (folder / "extended").mkdir(exist_ok=True)
    return write_bars(folder / "extended", f"{symbol}_1min.csv", rows)


def replay_of(path: Path, *symbols: str, spread_bps: str = "2") -> Market:
    """Open a replay of everything in the folder or file."""
    return open_market(MarketRequest(1, Decimal(spread_bps), symbols, path))


def seeded(seed: int, *symbols: str) -> Market:
    """Open a seeded market with the usual spread."""
    return open_market(MarketRequest(seed, Decimal(2), symbols))


def write_two_symbols(folder: Path) -> Path:
    """AA: three minutes on Monday, two on Tuesday; BB: misses minutes; older days before."""
    older = minutes_from("2019-02-08T20:58:00+00:00", 2, "90.00")
    monday = minutes_from("2019-02-11T14:30:00+00:00", 3)
    tuesday = minutes_from("2019-02-12T14:30:00+00:00", 2, "110.00")
    write_bars(folder, "AA_1min.csv", [*older, *monday, *tuesday])
    write_bars(folder, "BB_1min.csv", [row("2019-02-11T14:35:00Z", "20.00"), *tuesday[1:]])
    write_bars(
        folder,
        "AA_1day.csv",
        ["2019-02-07T05:00:00Z,80,85,79,84,1000", "2019-02-08T05:00:00Z,84,95,83,91.5,2000"],
    )
    return folder


def week_of_two(folder: Path, *symbols: str) -> Market:
    """Open the folder's replay from Monday 11 to Friday 15 February."""
    request = MarketRequest(1, Decimal(2), symbols, folder, date(2019, 2, 11), date(2019, 2, 15))
    return open_market(request)
