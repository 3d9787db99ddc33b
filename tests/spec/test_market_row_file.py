"""A bar file read piece by piece: the same rows as read whole, in flat memory."""

from __future__ import annotations

import random
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.exchange_sim.market.bar_file import HEADER, BarRows, Piece, Window, read_rows
from services.exchange_sim.market.opening import MarketRequest, open_market
from services.exchange_sim.market.port import ONE_MINUTE, BarQuery, Market
from services.exchange_sim.market.row_file import PIECES_KEPT, RowFile, note
from shared.errors import ConfigFault
from tests.support.bar_masses import FIRST_DAY, write_mass
from tests.support.bar_texts import file_text, minutes_from, replay_of, row

pytestmark = pytest.mark.unit

EVERYTHING = Window(0, 2**40)
ROWS = [
    line
    for day in range(11, 16)
    for line in minutes_from(f"2019-02-{day}T14:30:00+00:00", 390, "100.00")
]
GROWTH_MAX = 1.25


def open_rows(folder: Path, rows: list[str]) -> RowFile:
    """Write the rows as a bar file and open it."""
    path = folder / "AA_1min.csv"
    path.write_text(file_text(rows))
    return RowFile(path, "bar", HEADER)


def by_pieces(file: RowFile) -> BarRows:
    """Read all pieces one after the other."""
    whole = BarRows()
    note(whole, file)
    for number in range(len(file.index)):
        rows = read_rows(file.piece(number), EVERYTHING)
        note(whole, rows)
        whole.minutes += rows.minutes
        whole.prices += rows.prices
    return whole


def at_once(rows: list[str]) -> BarRows:
    """Read the rows as one piece."""
    return read_rows(Piece("AA_1min.csv", 2, rows), EVERYTHING)


def last_bars(market: Market, minutes: int) -> int:
    """Read so many minutes before the market begins in pages; return how many there are."""
    count, now = 0, market.begins_at
    start = now - timedelta(minutes=minutes)
    while page := market.bars(BarQuery("AAA", start, now, ONE_MINUTE, now, 1_000)):
        count += len(page)
        start = page[-1].start + timedelta(minutes=1)
    return count


def test_file_when_long_then_many_pieces_hold_exactly_its_rows(tmp_path: Path) -> None:
    """Nothing is lost or doubled where one piece ends and the next begins."""
    file = open_rows(tmp_path, ROWS)
    assert len(file.index) > PIECES_KEPT
    assert by_pieces(file) == at_once(ROWS)


@pytest.mark.parametrize("seed", range(12))
def test_file_when_rows_are_moved_and_doubled_then_as_many_are_kept_as_read_whole(
    tmp_path: Path, seed: int
) -> None:
    """Disorder across pieces costs no more rows than it would in memory, for the same reasons."""
    dice = random.Random(seed)
    rows = list(ROWS)
    for _ in range(dice.randrange(1, 12)):
        rows.insert(dice.randrange(len(rows)), rows.pop(dice.randrange(len(rows))))
    for _ in range(dice.randrange(4)):
        rows.insert(dice.randrange(len(rows)), dice.choice(rows))
    pieces, whole = by_pieces(open_rows(tmp_path, rows)), at_once(rows)
    assert pieces.minutes == sorted(set(pieces.minutes))
    assert len(pieces.minutes) == len(whole.minutes)
    assert pieces.dropped.total() == whole.dropped.total()


def test_rows_when_their_minute_is_unreadable_then_counted_once_with_their_line(
    tmp_path: Path,
) -> None:
    """Wherever they lie, at the top, between two pieces or alone; blank lines are none."""
    rows = ["garbage", *ROWS[:500], "", "2019-02-30T15:00:00Z,1,1,1,1,1", *ROWS[500:], "end"]
    file = open_rows(tmp_path, rows)
    assert dict(file.dropped) == {"timestamp": 3}
    assert [(one.line, one.row) for one in file.samples] == [
        (2, "garbage"),
        (504, "2019-02-30T15:00:00Z,1,1,1,1,1"),
        (len(rows) + 1, "end"),
    ]
    assert by_pieces(file).minutes == at_once(ROWS).minutes


@pytest.mark.parametrize("deed", ["change", "remove"])
def test_file_when_it_is_touched_while_it_plays_then_configuration_fault(
    tmp_path: Path, deed: str
) -> None:
    """Another content would be another market: the replay ends and says why."""
    file = open_rows(tmp_path, ROWS)
    path = tmp_path / "AA_1min.csv"
    if deed == "change":
        path.write_text(file_text([row("2019-02-11T14:30:00Z", "1.00")]))
    else:
        path.unlink()
    with pytest.raises(ConfigFault, match=r"AA_1min\.csv (was changed|cannot be read any more)"):
        file.piece(0)


def test_broken_row_when_its_piece_is_read_again_then_counted_once(tmp_path: Path) -> None:
    """A piece that was forgotten and read anew tells of its broken rows no second time."""
    rows = [*ROWS[:3], "2019-02-11T14:33:00Z,-1,1,-2,1,5", *ROWS[4:]]
    open_rows(tmp_path, rows)
    market = replay_of(tmp_path)
    for _ in range(3):
        assert market.ends_at is not None
        query = BarQuery("AA", market.begins_at, market.ends_at, ONE_MINUTE, market.ends_at)
        assert len(market.bars(query)) == len(ROWS) - 1
    assert dict(market.dropped_rows) == {"not_positive": 1}


def test_memory_when_history_is_six_times_as_long_then_the_same(tmp_path: Path) -> None:
    """What an open replay holds after its whole past was read follows no file's length."""
    held = []
    for bars in (1_500, 9_000):
        last_day = write_mass(tmp_path / str(bars), ("AAA",), bars)
        request = MarketRequest(1, Decimal(2), (), tmp_path / str(bars), last_day, None)
        tracemalloc.start()
        market = open_market(request)
        known = last_bars(market, 10**6)
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert known >= bars - 390
    assert held[1] <= held[0] * GROWTH_MAX


def test_window_when_it_begins_within_a_piece_then_each_bar_is_there_once(tmp_path: Path) -> None:
    """The past and what plays share a piece; the future is not shown."""
    last_day = write_mass(tmp_path, ("AAA",), 3 * 390)
    assert last_day == FIRST_DAY + timedelta(days=2)
    middle = date(1999, 1, 5)
    market = open_market(MarketRequest(1, Decimal(2), (), tmp_path, middle, middle))
    assert market.ends_at is not None
    start, now = datetime(1999, 1, 1, tzinfo=UTC), market.ends_at
    bars = market.bars(BarQuery("AAA", start, now, ONE_MINUTE, now + timedelta(days=9)))
    assert len({bar.start for bar in bars}) == len(bars) == 2 * 390
