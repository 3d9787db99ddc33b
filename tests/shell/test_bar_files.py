"""The real bars: every file is read whole, sessions fit, and a week plays fast enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.bar_file import Piece, Window, minute_moment, read_rows
from services.exchange_sim.market.calendar import NyseCalendar, new_york_day, sessions_between
from services.exchange_sim.market.opening import MarketRequest, open_market
from services.exchange_sim.market.port import ONE_DAY, BarQuery, Market
from shared.errors import ConfigFault
from tests.support.bar_texts import FRIDAY, MONDAY, real_bars
from tests.support.untraced import untraced

pytestmark = pytest.mark.integration

LOAD_S_MAX = 1.5
STEP_S_MAX = 0.002
BLACKOUT = date(2003, 8, 15)
"""EEM traded on another exchange, which stayed dark that day."""


@pytest.fixture
def bars() -> Path:
    """The folder of real bars; skips loudly without it."""
    return real_bars()


def replay(folder: Path, first: date | None, last: date | None, *symbols: str) -> Market:
    """Open a replay of real bars."""
    return open_market(MarketRequest(1, Decimal(2), symbols, folder, first, last))


def fastest(action: Callable[[], object]) -> float:
    """Return the processor seconds of the best of three runs: others use this machine too."""
    found = []
    for _ in range(3):
        with untraced():
            start = time.process_time()
            action()
            found.append(time.process_time() - start)
    return min(found)


def test_week_of_2019_when_opened_then_23_symbols_nothing_dropped_and_fast(bars: Path) -> None:
    """All files with bars in that week, read within the time allowed."""
    market = replay(bars, MONDAY, FRIDAY)
    assert len(market.symbols) == 23
    assert dict(market.dropped_rows) == {}
    assert market.begins_at == datetime(2019, 2, 11, 14, 30, tzinfo=UTC)
    assert market.ends_at == datetime(2019, 2, 15, 21, 0, tzinfo=UTC)
    assert fastest(lambda: replay(bars, MONDAY, FRIDAY)) < LOAD_S_MAX


def test_week_of_2019_when_stepped_then_five_whole_days_and_fast(bars: Path) -> None:
    """1950 minutes, five closings, every bar of the files once, a step far below 2 ms."""
    market = replay(bars, MONDAY, FRIDAY)
    minute: datetime | None = None
    minutes = closings = count = 0
    with untraced():
        start = time.process_time()
        while step := market.minute_after(minute):
            minute = step.minute
            minutes += 1
            closings += step.closes_session
            count += len(step.candles)
        spent_s = time.process_time() - start
    assert (minutes, closings) == (1950, 5)
    rows = 0
    for file in bars.glob("*_1min.csv"):
        rows += sum("2019-02-11" <= line[:10] <= "2019-02-15" for line in file.open())
    assert count == rows
    assert spent_s / minutes < STEP_S_MAX


def test_all_minute_files_when_read_whole_then_every_row_lies_in_its_session(bars: Path) -> None:
    """2008 to 2023 with half days and both daylight saving changes: not one row dropped."""
    market = replay(bars, None, None)
    assert dict(market.dropped_rows) == {}
    assert len(market.symbols) == len(list(bars.glob("*_1min.csv")))


def test_daily_files_when_compared_with_the_calendar_then_every_session_is_there(
    bars: Path,
) -> None:
    """23 years of real trading days are exactly the computed ones."""
    files = sorted(bars.glob("*_1day.csv"))
    assert files
    for path in files:
        lines = path.read_text().splitlines()[1:]
        rows = read_rows(Piece(path.name, 2, lines), Window(0, 2**40))
        assert not rows.dropped
        days = {new_york_day(minute_moment(minute)) for minute in rows.minutes}
        computed = {s.day for s in sessions_between(NyseCalendar(), min(days), max(days))}
        assert computed - days <= {BLACKOUT}
        assert not days - computed


def test_spring_2008_when_replayed_then_the_clock_change_moves_the_opening(bars: Path) -> None:
    """SHY has the Friday before and the Monday after."""
    market = replay(bars, date(2008, 3, 7), date(2008, 3, 10))
    assert market.symbols == ("SHY",)
    opens = [session.opens_at for session in market.sessions(date(2008, 3, 7), date(2008, 3, 10))]
    assert [moment.hour for moment in opens] == [14, 13]
    assert market.begins_at == opens[0]


def test_christmas_eve_2015_when_replayed_then_ends_at_one_o_clock(bars: Path) -> None:
    """GOOG's half day: the last minute begins at 12:59 New York."""
    market = replay(bars, date(2015, 12, 24), date(2015, 12, 24), "GOOG")
    assert market.ends_at == datetime(2015, 12, 24, 18, 0, tzinfo=UTC)
    query = BarQuery(
        "GOOG", market.begins_at, market.ends_at, ONE_DAY, market.ends_at + timedelta(hours=1)
    )
    assert not market.clock(market.ends_at).is_open
    assert market.bars(query) == ()
    assert len(market.bars(BarQuery("GOOG", *_whole_day(market), ONE_DAY, market.ends_at))) == 1


def _whole_day(market: Market) -> tuple[datetime, datetime]:
    return market.begins_at - timedelta(hours=12), market.begins_at


def test_week_of_2019_when_history_is_asked_then_daily_files_reach_back(bars: Path) -> None:
    """AAPL's closes of the month before are known on Monday morning; Monday's own is not."""
    market = replay(bars, MONDAY, FRIDAY)
    now = market.begins_at
    days = market.bars(BarQuery("AAPL", now - timedelta(days=30), now, ONE_DAY, now))
    assert len(days) == 19
    assert (days[-1].start.day, days[-1].close) == (8, Decimal("170.41"))
    assert market.prior_close("AAPL", now) == Decimal("170.41")
    assert market.prior_close("VOO", now) is None


def test_october_2013_when_replayed_then_real_quotes_are_used(bars: Path) -> None:
    """SPY's recorded bid and ask at the end of the first minute."""
    market = replay(bars, date(2013, 10, 4), date(2013, 10, 11))
    assert market.symbols == ("AIG", "BAC", "IBM", "SPY")
    opening = datetime(2013, 10, 4, 13, 30, tzinfo=UTC)
    quote = market.quote("SPY", opening + timedelta(minutes=1))
    assert quote is not None
    assert (quote.bid, quote.bid_size, quote.ask) == (Decimal("167.76"), 5200, Decimal("167.77"))
    assert dict(market.dropped_rows) == {}


def test_folder_with_a_damaged_copy_then_bad_rows_are_dropped_and_the_rest_plays(
    bars: Path, tmp_path: Path
) -> None:
    """A broken row, an unsorted row and a negative price inside a real file cost three rows."""
    lines = (bars / "QQQ_1min.csv").read_text().splitlines()
    lines[5] = lines[5].replace(",", ";")
    lines[10] = lines[10].split(",")[0] + ",-1,1,-2,1,5"
    lines[20], lines[21] = lines[21], lines[20]
    (tmp_path / "QQQ_1min.csv").write_text("\n".join(lines))
    market = replay(tmp_path, MONDAY, FRIDAY)
    assert dict(market.dropped_rows) == {"timestamp": 1, "not_positive": 1, "unsorted": 1}
    assert {row.line for row in market.dropped_samples} >= {6, 11}


def test_data_folder_when_the_readme_is_given_then_configuration_fault(bars: Path) -> None:
    """A file that is no bar file is told by name with the expected header."""
    with pytest.raises(ConfigFault, match=r"splits\.csv is no bar file.*timestamp,open,high"):
        replay(bars / "splits.csv", None, None)
