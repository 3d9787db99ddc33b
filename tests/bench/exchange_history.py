"""Ten million bars at the exchange: pages at three places side by side, and the memory it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil

from tests.bench.exchange_client import MIB, Client
from tests.bench.frame import Row, median
from tests.support.bar_masses import write_mass
from tests.support.exchange_process import ExchangeProcess

BARS, FEW_BARS = 10_000_000, 100_000
PAGE_BARS = 10_000
PAGES = 4
"""Pages one after the other at each place."""
PLACES = ("beginning", "middle", "end")
PAGE_BOUND = 1.3
DEEP = ("--symbols", "SPY", "--history-days", "7000")
"""More than ten million minutes of one symbol."""
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
SPREAD_DAYS = timedelta(days=400)
"""All pages of one place lie within."""

Place = tuple[str, datetime]
"""Symbol, and from when on."""


def made_up_history_rows(folder: Path) -> Iterator[Row]:
    """Read the seeded market's past, which nobody ever stored."""
    with ExchangeProcess(folder, *DEEP) as exchange:
        client = Client(exchange.port)
        query = "/v2/stocks/bars?timeframe=1Min&symbols=SPY&limit=1&start=2000-01-01"
        beginning = datetime.fromisoformat(client.call("GET", query)["bars"]["SPY"][0]["t"])
        steps = [(BARS - PAGES * PAGE_BARS) * place // 2 for place in range(len(PLACES))]
        places = [("SPY", beginning + timedelta(minutes=step)) for step in steps]
        yield from page_rows(client, places, f"{BARS} seeded bars")


def recorded_history_rows(folder: Path) -> Iterator[Row]:
    """Replay the last day of a folder of bar files and read the years before it."""
    few = memory_of_replay(folder / "few", FEW_BARS)
    last_day = write_mass(folder / "bars", SYMBOLS, BARS // len(SYMBOLS))
    options = ("--replay", str(folder / "bars"), "--from", last_day.isoformat())
    with ExchangeProcess(folder, *options) as exchange:
        client = Client(exchange.port)
        first = date(1999, 1, 4)
        middle, last = first + (last_day - first) / 2, last_day - SPREAD_DAYS
        places = [
            (symbol, datetime(day.year, day.month, day.day, tzinfo=UTC))
            for symbol, day in (("AAA", first), ("CCC", middle), ("DDD", last))
        ]
        yield from page_rows(client, places, f"{BARS} recorded bars")
        many = psutil.Process(exchange.pid).memory_info().rss / MIB
    name = f"exchange: memory on a folder of {BARS} bars"
    yield Row(name, "MiB", many, 1.2, f"on one of {FEW_BARS}, likewise read", few)


def memory_of_replay(folder: Path, bars: int) -> float:
    """Return the MiB of an exchange that replays a small folder and has served its pages."""
    last_day = write_mass(folder / "bars", SYMBOLS, bars // len(SYMBOLS))
    options = ("--replay", str(folder / "bars"), "--from", last_day.isoformat())
    with ExchangeProcess(folder, *options) as exchange:
        client = Client(exchange.port)
        for symbol in SYMBOLS:
            list(pages(client, (symbol, datetime(1999, 1, 1, tzinfo=UTC)), count=2))
        return psutil.Process(exchange.pid).memory_info().rss / MIB


def page_rows(client: Client, places: Sequence[Place], what: str) -> Iterator[Row]:
    """Read pages at the three places in turn; each is judged beside the beginning's."""
    walks = [pages(client, place) for place in places]
    taken = [median(list(seconds)) for seconds in zip(*zip(*walks, strict=True), strict=True)]
    for where, seconds in list(zip(PLACES, taken, strict=True))[1:]:
        name = f"exchange: a page at the {where} of {what}"
        yield Row(name, "ms", seconds * 1e3, PAGE_BOUND, "at the beginning", taken[0] * 1e3)


def pages(client: Client, place: Place, count: int = PAGES) -> Iterator[float]:
    """Read full pages from there on and yield the seconds of each."""
    symbol, start = place
    query = (
        f"/v2/stocks/bars?timeframe=1Min&symbols={symbol}&limit={PAGE_BARS}"
        f"&start={start:%Y-%m-%dT%H:%M:%SZ}"
    )
    token = ""
    for _ in range(count):
        begun = time.perf_counter()
        page = client.call("GET", f"{query}&page_token={token}")
        yield time.perf_counter() - begun
        if len(page["bars"].get(symbol, ())) != PAGE_BARS:
            raise RuntimeError(f"the history from {start} on ends before {count} full pages")
        token = page["next_page_token"]
